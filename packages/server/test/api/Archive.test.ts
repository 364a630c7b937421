/**
 * The API on the real ports: PostgreSQL, file-system store, ledger, sealer and opener.
 */
import { assert, layer } from "@effect/vitest"
import { Planner } from "@rainlogs/core/archive/Planner"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId, type JobId } from "@rainlogs/core/domain/Identifier"
import { emptyObject, type LogObject } from "@rainlogs/core/domain/LogObject"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { Effect, Option, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { newZone, postZoneTwentyTimes } from "./Fixtures.ts"
import { commit, Directory, Live, newPulledZone } from "./RealArchive.ts"
import { newCustomer, TestServer } from "./TestServer.ts"

/** About 5 MB of lines that do not compress away: several frames. */
const lines = Array.from(
  { length: 5000 },
  (_, index) => `{"n":${index},"r":"${randomBytes(375).toString("base64")}"}\n`
)
const content = Buffer.from(lines.join(""))
const contentStream = Stream.fromIterable(lines.map((line) => Buffer.from(line)))

const fileOf = Effect.fnUntraced(function*(object: LogObject) {
  return join(yield* Directory, "archive", object.key ?? "")
})

const download = Effect.fnUntraced(function*(job: JobId, key: string) {
  const { url } = yield* TestServer
  return yield* Effect.promise(async () => {
    const response = await fetch(`${url}/api/v1/logs/jobs/${job}/download`, {
      headers: { authorization: `Bearer ${key}` }
    })
    const parts: Array<Uint8Array> = []
    try {
      for await (const part of response.body ?? []) parts.push(part)
    } catch {
      return { status: response.status, outcome: "broken" as const, body: Buffer.concat(parts) }
    }
    return { status: response.status, outcome: "whole" as const, body: Buffer.concat(parts) }
  })
})

layer(Live, { excludeTestServices: true, timeout: "120 seconds" })("the API on real ports", (it) => {
  it.effect("a new customer's ledger begins with genesis and policy", () =>
    Effect.gen(function*() {
      const { id, origin } = yield* newCustomer("Alice")
      const ledger = yield* LedgerStore
      const snapshot = yield* ledger.snapshot({ customer: CustomerId.make(id), origin: Origin.make(origin) })
      assert.strictEqual(snapshot.size, 2)
    }), 60_000)

  it.effect(
    "a pulled zone's windows tile the backfill, and pages of any size join to the same list",
    () =>
      Effect.gen(function*() {
        const { request } = yield* TestServer
        const { jobs, key, zone } = yield* newPulledZone()
        assert.isAbove(jobs.length, 1)
        const seen: Array<{ id: string; window: { from: number; to: number } }> = []
        let next: string | null = ""
        while (next !== null) {
          const path: string = `/api/v1/zones/${zone}/logs?limit=2${next === "" ? "" : `&before=${next}`}`
          const page: { jobs: typeof seen; next: string | null } = JSON.parse(
            (yield* request("GET", path, { key })).text
          )
          seen.push(...page.jobs)
          next = page.next
        }
        assert.deepStrictEqual(seen.map(({ id }) => id), jobs)
        for (const [index, job] of seen.entries()) {
          if (index > 0) assert.strictEqual(job.window.to, seen[index - 1]?.window.from)
        }
        const shown: { sources: ReadonlyArray<{ windows: { planned: number } }> } = JSON.parse(
          (yield* request("GET", `/api/v1/zones/${zone}`, { key })).text
        )
        assert.strictEqual(shown.sources[0]?.windows.planned, jobs.length)
      }),
    60_000
  )

  it.effect("a download of an object of several frames is the lines that were sealed", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const { customer, jobs, key } = yield* newPulledZone()
      const [job] = jobs
      assert.isDefined(job)
      const object = yield* commit(customer, job, contentStream)
      const shown = JSON.parse((yield* request("GET", `/api/v1/logs/jobs/${job}`, { key })).text)
      assert.deepInclude(shown, {
        state: "committed",
        records: lines.length,
        bytes: content.length,
        sha256: object.sha256,
        key: object.key,
        entry: { leafIndex: 2, seq: 0 }
      })
      const whole = yield* download(job, key)
      assert.strictEqual(whole.outcome, "whole")
      assert.isTrue(whole.body.equals(content))
    }), 60_000)

  it.effect(
    "an object with a flipped bit, a missing tail or added bytes is never a whole answer",
    () =>
      Effect.gen(function*() {
        const { customer, jobs, key } = yield* newPulledZone()
        const [job] = jobs
        assert.isDefined(job)
        const object = yield* commit(customer, job, contentStream)
        const path = yield* fileOf(object)
        const good = readFileSync(path)
        chmodSync(path, 0o600)
        const flips = Array.from({ length: 12 }, (_, index) => Math.floor(index * (good.length - 1) / 11))
        const damages = [
          ...flips.map((at) => {
            const bad = Buffer.from(good)
            bad[at] = (bad[at] ?? 0) ^ 1
            return bad
          }),
          good.subarray(0, good.length - 1),
          good.subarray(0, 100_000),
          Buffer.alloc(0),
          Buffer.concat([good, Buffer.from([0])])
        ]
        for (const bad of damages) {
          writeFileSync(path, bad)
          const answer = yield* download(job, key)
          assert.isTrue(answer.status === 500 || answer.outcome === "broken")
          if (answer.status === 200) assert.isTrue(content.subarray(0, answer.body.length).equals(answer.body))
        }
        rmSync(path)
        assert.strictEqual((yield* download(job, key)).status, 500)
        writeFileSync(path, good)
        assert.isTrue((yield* download(job, key)).body.equals(content))
      }),
    60_000
  )

  it.effect("an empty window is an empty answer", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const { customer, jobs, key } = yield* newPulledZone()
      const [job] = jobs
      assert.isDefined(job)
      yield* commit(customer, job, Stream.empty)
      const shown = JSON.parse((yield* request("GET", `/api/v1/logs/jobs/${job}`, { key })).text)
      assert.deepInclude(shown, { state: "committed", records: 0, bytes: 0, sha256: emptyObject, key: null })
      const answer = yield* request("GET", `/api/v1/logs/jobs/${job}/download`, { key })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.text, "")
      assert.strictEqual(answer.headers.get("content-length"), "0")
    }), 60_000)

  it.effect("a gap shows its reason and cannot be downloaded", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const windows = yield* WindowLedger
      const planner = yield* Planner
      const { customer, jobs, key, zone } = yield* newPulledZone()
      const oldest = jobs.at(-1)
      assert.isDefined(oldest)
      const job = yield* windows.job(customer, oldest)
      const timeline = (yield* windows.timelines).find(({ source }) => source.zone === zone)
      if (Option.isNone(job) || timeline === undefined) return yield* Effect.die("no job, or no timeline")
      yield* planner.declareGap({
        source: timeline.source,
        range: job.value.job.window,
        reason: "expired",
        detail: "the test says so"
      })
      const page: { jobs: ReadonlyArray<{ id: string; state: string; gapReason: string | null }> } = JSON.parse(
        (yield* request("GET", `/api/v1/zones/${zone}/logs`, { key })).text
      )
      const gap = page.jobs.at(-1)
      assert.isDefined(gap)
      assert.strictEqual(gap.state, "gap")
      assert.strictEqual(gap.gapReason, "expired")
      const answer = yield* request("GET", `/api/v1/logs/jobs/${gap.id}/download`, { key })
      assert.strictEqual(answer.status, 409)
      assert.strictEqual(JSON.parse(answer.text).state, "gap")
    }), 60_000)

  it.effect("a zone posted 20 times at once is created once", () =>
    Effect.gen(function*() {
      const { key } = yield* newCustomer("Alice")
      assert.deepStrictEqual(yield* postZoneTwentyTimes(key), [1, 19])
    }), 60_000)

  it.effect(
    "another customer's zones, jobs and lines answer exactly like ids that do not exist",
    () =>
      Effect.gen(function*() {
        const { request } = yield* TestServer
        const alice = yield* newPulledZone()
        const [job] = alice.jobs
        assert.isDefined(job)
        yield* commit(alice.customer, job, contentStream)
        const mallory = yield* newCustomer("Mallory")
        yield* newZone(mallory.key)
        const nowhere = "00000000-0000-4000-8000-000000000000"
        for (
          const [method, path, id] of [
            ["GET", "/api/v1/zones/{}", alice.zone],
            ["POST", "/api/v1/zones/{}/pull", alice.zone],
            ["GET", "/api/v1/zones/{}/logs", alice.zone],
            ["GET", "/api/v1/logs/jobs/{}", job],
            ["GET", "/api/v1/logs/jobs/{}/download", job]
          ] as const
        ) {
          const theirs = yield* request(method, path.replace("{}", id), { key: mallory.key })
          const none = yield* request(method, path.replace("{}", nowhere), { key: mallory.key })
          assert.strictEqual(theirs.status, 404, path)
          assert.strictEqual(theirs.text, none.text, path)
          const own = yield* request(method, path.replace("{}", id), { key: alice.key })
          assert.include([200, 202], own.status, path)
        }
        const zones = (yield* request("GET", "/api/v1/zones", { key: mallory.key })).text
        assert.notInclude(zones, alice.zone)
      }),
    60_000
  )

  it.effect("metrics say how far the archive is, over all customers and without their names", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const { customer, zone } = yield* newPulledZone()
      const { text } = yield* request("GET", "/metrics")
      const value = (name: string) =>
        Number(text.split("\n").find((line) => line.startsWith(`${name} `))?.split(" ")[1])
      assert.isAbove(value("rainlogs_windows{state=\"planned\"}"), 0)
      assert.isAtLeast(value("rainlogs_windows{state=\"gap\"}"), 0)
      assert.isAbove(value("rainlogs_collection_lag_ms"), 3_600_000)
      assert.isAtLeast(value("rainlogs_ledger_lag_ms"), 0)
      assert.isAbove(value("rainlogs_queue_waiting"), 0)
      assert.notInclude(text, customer)
      assert.notInclude(text, zone)
    }))

  it.effect("health counts zones, ledgers and what is not yet published", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      yield* newPulledZone()
      yield* Effect.sleep("1100 millis")
      const health = JSON.parse((yield* request("GET", "/health")).text)
      assert.isAbove(health.zones.active, 0)
      assert.strictEqual(health.zones.blocked, 0)
      assert.isAbove(health.ledgers.count, 0)
      assert.isAbove(health.queue.waiting, 0)
    }), 60_000)
})
