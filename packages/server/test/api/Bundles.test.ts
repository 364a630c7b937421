/**
 * Bundles over the API, on the real ports.
 */
import { assert, layer } from "@effect/vitest"
import { BundleStore } from "@rainlogs/core/bundle/BundleStore"
import { sweepOrphans, sweepOverdue } from "@rainlogs/core/bundle/BundleSweep"
import { BundleWorker } from "@rainlogs/core/bundle/BundleWorker"
import { makeBundle } from "@rainlogs/core/bundle/MakeBundle"
import { Origin } from "@rainlogs/core/domain/Customer"
import { Signer } from "@rainlogs/core/ledger/Signer"
import { verifyBundle } from "@rainlogs/verify/bundle/VerifyBundle"
import { ledgerPrefix } from "@rainlogs/verify/Layout"
import { newHash } from "@rainlogs/verify/node/BundleFile"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { verify as verifySignature } from "@rainlogs/verify/node/NativeEd25519"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Clock, Deferred, Effect, Fiber, Layer, Option } from "effect"
import { createHash } from "node:crypto"
import { createReadStream, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { ask, download, filesOf, gated, newPublishedZone, show, work, worker } from "./BundleWorld.ts"
import { Directory, Live } from "./RealArchive.ts"
import { newCustomer, TestServer } from "./TestServer.ts"

const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const judge = Effect.fnUntraced(function*(bundle: Uint8Array, origin: string) {
  const signer = yield* Signer
  const { log } = yield* signer.keys(Origin.make(origin))
  const source = {
    size: bundle.length,
    read: (offset: number, length: number) => Promise.resolve(bundle.slice(offset, offset + length))
  }
  return yield* Effect.promise(() => verifyBundle(source, { keys: [parseVerifierKey(log)], verifySignature }, newHash))
})

layer(Live, { excludeTestServices: true, timeout: "120 seconds" })("bundles over the API", (it) => {
  it.effect("one is made, downloaded, verified, and has the bytes the command writes", () =>
    Effect.gen(function*() {
      const { customer, key, origin, range, windows, zone } = yield* newPublishedZone
      const { id, ...asked } = yield* ask(key, { zone, ...range })
      assert.deepInclude(asked, { state: "requested", file: null, error: null, expiresAt: null })
      assert.include(asked.reveals, "No log line")
      assert.strictEqual((yield* download(key, id)).status, 409)
      assert.strictEqual(yield* work({ customer, id }), "ready")
      const { file, progress, state } = yield* show(key, id)
      assert.strictEqual(state, "ready")
      if (file === null) return yield* Effect.die("no file")
      assert.strictEqual(file.objects, windows)
      assert.deepStrictEqual(progress, { entries: 2 + windows, bytes: file.bytes })

      const { body, headers, status } = yield* download(key, id)
      assert.strictEqual(status, 200)
      assert.strictEqual(headers.get("content-length"), String(file.bytes))
      assert.strictEqual(headers.get("etag"), `"${file.sha256}"`)
      assert.strictEqual(headers.get("content-type"), "application/zip")
      assert.strictEqual(hashOf(body), file.sha256)
      const report = yield* judge(body, origin)
      assert.strictEqual(report.verdict.integrity, "PASS", JSON.stringify(report.findings))
      assert.strictEqual(report.counts.objects, windows)
      assert.notInclude(body.toString("latin1"), "disclosed/")

      const archive = join(yield* Directory, "archive")
      const reader = yield* Effect.promise(() => openDirectory(archive))
      const out = join(yield* Directory, "command.zip")
      yield* makeBundle({
        origin,
        chain: zone,
        from: Date.parse(range.from),
        to: Date.parse(range.to),
        source: { ...reader, stream: (name) => createReadStream(join(archive, name)) },
        disclose: Option.none(),
        out,
        temporary: `${out}.part`,
        reservedBytes: 0
      })
      assert.isTrue(readFileSync(out).equals(body))
    }), 60_000)

  it.effect("a download is continued with ranges", () =>
    Effect.gen(function*() {
      const { customer, key, range, zone } = yield* newPublishedZone
      const { id } = yield* ask(key, { zone, ...range })
      yield* work({ customer, id })
      const { body, headers } = yield* download(key, id)
      const etag = headers.get("etag") ?? ""
      const first = yield* download(key, id, { range: "bytes=0-999" })
      assert.strictEqual(first.status, 206)
      assert.strictEqual(first.headers.get("content-range"), `bytes 0-999/${body.length}`)
      const rest = yield* download(key, id, { range: "bytes=1000-", "if-range": etag })
      assert.isTrue(Buffer.concat([first.body, rest.body]).equals(body))
      const last = yield* download(key, id, { range: "bytes=-7" })
      assert.isTrue(last.body.equals(body.subarray(-7)))
      const beyond = yield* download(key, id, { range: `bytes=${body.length}-` })
      assert.strictEqual(beyond.status, 416)
      assert.strictEqual(beyond.headers.get("content-range"), `bytes */${body.length}`)
      const changed = yield* download(key, id, { range: "bytes=1000-", "if-range": "\"another\"" })
      assert.strictEqual(changed.status, 200)
      assert.isTrue(changed.body.equals(body))
    }), 60_000)

  it.effect("disclosure is asked for, said, and checked by the verifier", () =>
    Effect.gen(function*() {
      const { customer, key, origin, range, windows, zone } = yield* newPublishedZone
      const { id, reveals } = yield* ask(key, { zone, ...range, disclose: true })
      assert.include(reveals, "every log line")
      assert.strictEqual(yield* work({ customer, id }), "ready")
      const { body } = yield* download(key, id)
      const keys = body.toString("latin1").matchAll(/disclosed\/[0-9a-f-]{36}\.key/g)
      assert.strictEqual(new Set([...keys].map(([name]) => name)).size, windows)
      const report = yield* judge(body, origin)
      assert.strictEqual(report.verdict.integrity, "PASS", JSON.stringify(report.findings))
      assert.deepStrictEqual(report.findings.map(({ code }) => code), ["NO_ANCHOR"])
    }), 60_000)

  it.effect("ten workers make one file", () =>
    Effect.gen(function*() {
      const { customer, key, range, zone } = yield* newPublishedZone
      const { id } = yield* ask(key, { zone, ...range })
      const outcomes = yield* Effect.forEach(Array.from({ length: 10 }), () => work({ customer, id }), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(outcomes.toSorted(), ["ready", ...Array.from({ length: 9 }, () => "unavailable")])
      assert.deepStrictEqual(yield* filesOf(customer), [`${id}-1.zip`])
    }), 60_000)

  it.effect("one whose worker is gone is made by the next, which removes the half file", () =>
    Effect.gen(function*() {
      const { customer, key, range, zone } = yield* newPublishedZone
      const { id } = yield* ask(key, { zone, ...range })
      const { gate, layer, reached } = yield* gated
      // A worker that neither renews nor ends, as one whose machine sleeps.
      const hangs = Layer.effect(
        BundleStore,
        Effect.map(BundleStore, (store) => BundleStore.of({ ...store, renew: () => Effect.never }))
      )
      const asleep = yield* Effect.forkChild(
        BundleWorker.use((service) => service.work({ customer, id })).pipe(
          Effect.provide(worker({ leaseMs: 500 }).pipe(Layer.provide(Layer.merge(layer, hangs))), { local: true })
        )
      )
      yield* Deferred.await(reached)
      assert.strictEqual(yield* work({ customer, id }), "unavailable")
      writeFileSync(join(yield* Directory, "bundles", customer, `${id}-1.zip.part`), "half a file")
      yield* Effect.sleep("600 millis")
      assert.strictEqual(yield* work({ customer, id }), "ready")
      assert.deepStrictEqual(yield* filesOf(customer), [`${id}-2.zip`])
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(asleep), "lost")
      const { file } = yield* show(key, id)
      assert.deepStrictEqual(yield* filesOf(customer), [`${id}-2.zip`])
      assert.strictEqual(hashOf((yield* download(key, id)).body), file?.sha256)
    }), 60_000)

  it.effect("one that is deleted while it is made is gone, file and all", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const { customer, key, range, zone } = yield* newPublishedZone
      const { id } = yield* ask(key, { zone, ...range })
      const { layer, reached } = yield* gated
      const making = yield* Effect.forkChild(
        BundleWorker.use((service) => service.work({ customer, id })).pipe(
          Effect.provide(worker({ leaseMs: 300 }).pipe(Layer.provide(layer)), { local: true })
        )
      )
      yield* Deferred.await(reached)
      assert.strictEqual((yield* show(key, id)).state, "running")
      assert.strictEqual((yield* request("DELETE", `/api/v1/bundles/${id}`, { key })).status, 204)
      assert.strictEqual(yield* Fiber.join(making), "lost")
      assert.deepStrictEqual(yield* filesOf(customer), [])
      for (const method of ["GET", "DELETE"]) {
        assert.strictEqual((yield* request(method, `/api/v1/bundles/${id}`, { key })).status, 404)
      }
    }), 60_000)

  it.effect("a worker that is stopped gives it back, and the attempt does not count", () =>
    Effect.gen(function*() {
      const { customer, key, range, zone } = yield* newPublishedZone
      const { id } = yield* ask(key, { zone, ...range })
      const { layer, reached } = yield* gated
      const making = yield* Effect.forkChild(
        BundleWorker.use((service) => service.work({ customer, id })).pipe(
          Effect.provide(worker().pipe(Layer.provide(layer)), { local: true })
        )
      )
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(making)
      assert.deepInclude(yield* show(key, id), { state: "requested", attempts: 0 })
      assert.strictEqual(yield* work({ customer, id }), "ready")
    }), 60_000)

  it.effect("a full disk and a folder that cannot be written end it, with what to do", () =>
    Effect.gen(function*() {
      const { customer, key, range, zone } = yield* newPublishedZone
      const full = yield* ask(key, { zone, ...range })
      assert.strictEqual(yield* work({ customer, id: full.id }, { reservedBytes: 2 ** 52 }), "failed")
      const { error, file, state } = yield* show(key, full.id)
      assert.deepStrictEqual([state, file, error?.code], ["failed", null, "disk-full"])
      assert.match(error?.detail ?? "", /disk has \d+ bytes free, of which \d+ are kept for the archive/)
      assert.include(error?.remedy, "Delete bundles")
      const refused = yield* download(key, full.id)
      assert.strictEqual(refused.status, 409)
      assert.include(refused.body.toString(), "disk has")

      const folder = join(yield* Directory, "bundles", customer)
      rmSync(folder, { recursive: true })
      writeFileSync(folder, "not a folder")
      const { id } = yield* ask(key, { zone, ...range })
      assert.strictEqual(yield* work({ customer, id }), "failed")
      assert.strictEqual((yield* show(key, id)).error?.code, "folder-unusable")
      rmSync(folder)
    }), 60_000)

  it.effect(
    "what may pass is tried again with a pause, and fails after the last attempt",
    () =>
      Effect.gen(function*() {
        const { customer, key, origin, range, zone } = yield* newPublishedZone
        const archive = join(yield* Directory, "archive", ledgerPrefix(origin))
        const { id } = yield* ask(key, { zone, ...range })
        rmSync(archive, { recursive: true })
        const options = { backoff: { baseMs: 1, capMs: 1 }, mostAttempts: 3 }
        const outcomes: Array<string> = []
        while (outcomes.length < 3) {
          const outcome = yield* work({ customer, id }, options)
          if (outcome !== "unavailable") outcomes.push(outcome)
        }
        assert.deepStrictEqual(outcomes, ["retried", "retried", "failed"])
        const { error } = yield* show(key, id)
        assert.strictEqual(error?.code, "unpublished")
      }),
    60_000
  )

  it.effect("one that ends the process every time fails instead of being tried for ever", () =>
    Effect.gen(function*() {
      const store = yield* BundleStore
      const { customer, key, range, zone } = yield* newPublishedZone
      const { id } = yield* ask(key, { zone, ...range })
      for (let attempt = 0; attempt < 2; attempt++) {
        const now = yield* Clock.currentTimeMillis
        assert.isTrue(Option.isSome(yield* store.lease({ customer, id }, "killed", now, now)))
        yield* Effect.sleep("5 millis")
      }
      assert.strictEqual(yield* work({ customer, id }, { mostAttempts: 2 }), "failed")
      assert.strictEqual((yield* show(key, id)).error?.code, "interrupted")
      assert.deepStrictEqual(yield* filesOf(customer), [])
    }), 60_000)

  it.effect("its file goes when its time is over, and files of no bundle go with it", () =>
    Effect.gen(function*() {
      const { customer, key, range, zone } = yield* newPublishedZone
      const kept = yield* ask(key, { zone, ...range })
      yield* work({ customer, id: kept.id })
      const old = yield* ask(key, { zone, ...range })
      yield* work({ customer, id: old.id }, { retentionMs: 0 })
      const folder = join(yield* Directory, "bundles", customer)
      const nobody = "00000000-0000-4000-8000-000000000000"
      writeFileSync(join(folder, `${nobody}-1.zip`), "of a bundle that was deleted")
      writeFileSync(join(folder, `${kept.id}-1.zip.part`), "half of one that is ready")
      mkdirSync(join(folder, "..", nobody), { recursive: true })
      writeFileSync(join(folder, "..", nobody, `${nobody}-3.zip.part`), "of a customer that is unknown")
      yield* sweepOverdue
      yield* sweepOrphans
      assert.deepStrictEqual(yield* filesOf(customer), [`${kept.id}-1.zip`])
      const { file, state } = yield* show(key, old.id)
      assert.strictEqual(state, "expired")
      assert.isNotNull(file)
      const gone = yield* download(key, old.id)
      assert.strictEqual(gone.status, 410)
      assert.include(gone.body.toString(), "urn:rainlogs:problem:bundle-expired")
      assert.strictEqual((yield* download(key, kept.id)).status, 200)
      rmSync(join(folder, `${kept.id}-1.zip`))
      assert.strictEqual((yield* download(key, kept.id)).status, 500)
    }), 60_000)
})

layer(Live, { excludeTestServices: true, timeout: "120 seconds" })("requests for bundles", (it) => {
  it.effect("a bad one gets every reason", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const { key, range, zone } = yield* newPublishedZone
      const good = { zone, ...range }
      for (
        const [body, reason] of [
          [{ ...good, from: range.to, to: range.from }, /to: Expected a time after `from`/],
          [{ ...good, to: range.from }, /to: Expected a time after `from`/],
          [{ ...good, from: "2020-01-01T00:00:00Z" }, /at most 366 days/],
          [{ ...good, from: "1969-01-01T00:00:00Z", to: "1969-01-02T00:00:00Z" }, /from 1970 on/],
          [{ ...good, from: "yesterday" }, /from/],
          [{ ...good, zone: "example.eu" }, /zone: .*lower-case UUID/],
          [{ ...good, disclose: "yes" }, /disclose/],
          [{ ...good, discloses: true }, /discloses/],
          [{}, /zone.*from.*to/s]
        ] as const
      ) {
        const answer = yield* request("POST", "/api/v1/bundles", { key, body })
        assert.strictEqual(answer.status, 400, JSON.stringify(body))
        assert.match(JSON.parse(answer.text).detail, reason)
      }
      const spaces = yield* request("POST", "/api/v1/bundles", {
        key,
        body: good,
        headers: { "idempotency-key": "a b" }
      })
      assert.strictEqual(spaces.status, 400)
      assert.strictEqual((yield* request("GET", "/api/v1/bundles?limit=101", { key })).status, 400)
      assert.strictEqual((yield* request("GET", "/api/v1/bundles?after=x", { key })).status, 400)
      assert.strictEqual((yield* request("GET", "/api/v1/bundles/1", { key })).status, 400)
      assert.strictEqual((yield* request("POST", "/api/v1/bundles", { body: good })).status, 401)
      assert.deepStrictEqual(JSON.parse((yield* request("GET", "/api/v1/bundles", { key })).text), {
        bundles: [],
        next: null
      })
    }), 60_000)

  it.effect(
    "another customer's zone and bundle answer exactly like ids that do not exist",
    () =>
      Effect.gen(function*() {
        const { request } = yield* TestServer
        const alice = yield* newPublishedZone
        const { id } = yield* ask(alice.key, { zone: alice.zone, ...alice.range }, { "idempotency-key": "mine" })
        yield* work({ customer: alice.customer, id })
        const mallory = yield* newCustomer("Mallory")
        const nowhere = "00000000-0000-4000-8000-000000000000"
        for (
          const [method, path] of [["GET", ""], ["GET", "/content"], ["DELETE", ""]] as const
        ) {
          const theirs = yield* request(method, `/api/v1/bundles/${id}${path}`, { key: mallory.key })
          const none = yield* request(method, `/api/v1/bundles/${nowhere}${path}`, { key: mallory.key })
          assert.strictEqual(theirs.status, 404)
          assert.strictEqual(theirs.text, none.text)
        }
        const theirs = yield* request("POST", "/api/v1/bundles", {
          key: mallory.key,
          body: { zone: alice.zone, ...alice.range },
          headers: { "idempotency-key": "mine" }
        })
        assert.strictEqual(theirs.status, 404)
        assert.include(theirs.text, "urn:rainlogs:problem:zone-not-found")
        assert.strictEqual((yield* request("GET", "/api/v1/bundles", { key: mallory.key })).text.includes(id), false)
        assert.strictEqual((yield* download(alice.key, id)).status, 200)
      }),
    60_000
  )

  it.effect(
    "the same one under its idempotency key is one bundle, however often and at once",
    () =>
      Effect.gen(function*() {
        const { request } = yield* TestServer
        const { key, range, zone } = yield* newPublishedZone
        const headers = { "idempotency-key": "audit-2026" }
        const answers = yield* Effect.forEach(
          Array.from({ length: 12 }),
          () => ask(key, { zone, ...range }, headers),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(new Set(answers.map(({ id }) => id)).size, 1)
        const other = yield* request("POST", "/api/v1/bundles", {
          key,
          body: { zone, ...range, disclose: true },
          headers
        })
        assert.strictEqual(other.status, 422)
        assert.include(other.text, answers[0]?.id ?? "none")
      }),
    60_000
  )

  it.effect(
    "a customer has at most four open ones, however many it sends at once, and pages show all",
    () =>
      Effect.gen(function*() {
        const { request } = yield* TestServer
        const { key, range, zone } = yield* newPublishedZone
        const answers = yield* Effect.forEach(
          Array.from({ length: 16 }),
          () => request("POST", "/api/v1/bundles", { key, body: { zone, ...range } }),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual([202, 429].map((code) => answers.filter(({ status }) => status === code).length), [
          4,
          12
        ])
        const refused = JSON.parse(answers.find(({ status }) => status === 429)?.text ?? "")
        assert.deepInclude(refused, { type: "urn:rainlogs:problem:bundle-limit-reached", limit: 4 })
        const seen: Array<string> = []
        let next: string | null = ""
        while (next !== null) {
          const path: string = `/api/v1/bundles?limit=3${next === "" ? "" : `&after=${next}`}`
          const page: { bundles: ReadonlyArray<{ id: string }>; next: string | null } = JSON.parse(
            (yield* request("GET", path, { key })).text
          )
          seen.push(...page.bundles.map(({ id }) => id))
          next = page.next
        }
        assert.strictEqual(new Set(seen).size, 4)
        assert.lengthOf(seen, 4)
        yield* request("DELETE", `/api/v1/bundles/${seen[0]}`, { key })
        yield* ask(key, { zone, ...range })
      }),
    60_000
  )
})
