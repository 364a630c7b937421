import { assert, layer } from "@effect/vitest"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { Signer } from "@rainlogs/core/ledger/Signer"
import { ObjectStore } from "@rainlogs/core/storage/ObjectStore"
import * as ObjectStoreFileSystem from "@rainlogs/core/storage/ObjectStoreFileSystem"
import { openHttp } from "@rainlogs/verify/HttpReader"
import { checkpointArchivePath, ledgerKey, ledgerPrefix } from "@rainlogs/verify/Layout"
import {
  ArchiveBuilder,
  clock,
  firstEpoch,
  hour,
  log,
  minute,
  origin,
  signer as newSigner,
  start
} from "@rainlogs/verify/tampering/ArchiveBuilder"
import { entriesPath, tilePath } from "@rainlogs/verify/Tile"
import { printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { ConfigProvider, Effect, Layer } from "effect"
import { createHash, randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { request as httpRequest } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as MemoryPorts from "./MemoryPorts.ts"
import { MemoryState } from "./MemoryPorts.ts"
import * as Server from "./TestServer.ts"
import { TestServer } from "./TestServer.ts"

const customer = CustomerId.make(origin.slice(-36))
const other = CustomerId.make(randomUUID())
// Its ledger is published, but the signer's keys are lost.
const keyless = CustomerId.make(randomUUID())

// 303 entries: a full bundle and a partial one. One document is larger than what is read whole.
const builder = new ArchiveBuilder().begin()
for (let at = start; at < start + 300 * minute; at += minute) {
  builder.window({ from: at, to: at + minute, lines: at % (5 * minute) === 0 ? "{}\n" : null, time: at + 2 * minute })
}
const large = new Uint8Array(3 * 1024 * 1024).fill(0x61)
builder.heartbeat(firstEpoch, { time: start + 5 * hour + minute }).publish()
const largeDocument = builder.store(large)
const { files } = builder
const keylessOrigin = `keyless.example/t/${keyless}`
const keylessFiles = new Map([[ledgerKey(keylessOrigin, "checkpoint"), files.get(ledgerKey(origin, "checkpoint"))!]])
const size = builder.entries.length
const at = (path: string, of: string = customer) => `/ledger/${of}/${path}`
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const directory = Layer.effectDiscard(
  Effect.gen(function*() {
    const objects = yield* ObjectStore
    for (const [key, bytes] of [...files, ...keylessFiles]) {
      yield* key.endsWith("/checkpoint") ? objects.replace(key, bytes) : objects.putBytes(key, bytes)
    }
    const { customers } = yield* MemoryState
    customers.set(customer, { id: customer, name: "Alice", origin: Origin.make(origin), createdAt: 0 })
    customers.set(keyless, {
      id: keyless,
      name: "Carol",
      origin: Origin.make(keylessOrigin),
      createdAt: 0
    })
    customers.set(other, { id: other, name: "Bob", origin: Origin.make(`other.example/t/${other}`), createdAt: 0 })
  })
)

const temporary = Layer.unwrap(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "rainlogs-public-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  ).pipe(Effect.map(ObjectStoreFileSystem.layer))
)

const signer = Layer.mock(Signer, {
  keys: (of) =>
    Effect.succeed(
      of === origin
        ? { log: printVerifierKey(log.key), clock: printVerifierKey(clock.key) }
        : { log: printVerifierKey(newSigner(origin, 1, 9).key), clock: printVerifierKey(clock.key) }
    )
})

const serving = (values: Record<string, string>) =>
  Server.layer.pipe(
    Layer.provideMerge(directory),
    Layer.provideMerge(Layer.merge(temporary, signer)),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(values))),
    Layer.provideMerge(MemoryPorts.layer)
  )

/** Sends the path as it is written, which `fetch` would not. */
const raw = (url: string, method: string, path: string) =>
  Effect.callback<{ readonly status: number; readonly headers: Record<string, unknown>; readonly body: string }>(
    (resume) => {
      const { hostname, port } = new URL(url)
      const sent = httpRequest({ hostname, port, method, path }, (response) => {
        let body = ""
        response.on("data", (chunk: Buffer) => body += chunk.toString("latin1"))
        response.on(
          "end",
          () => resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, body }))
        )
      })
      sent.on("error", (error) => resume(Effect.die(error)))
      sent.end()
    }
  )

layer(serving({ RAINLOGS_PUBLIC_LEDGER: "on" }), { excludeTestServices: true })("public ledgers", (it) => {
  it.effect("every file of a ledger is served as it is stored, and nothing else", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer
      const prefix = `${ledgerPrefix(origin)}/`
      const paths = [...files.keys()].flatMap((key) => key.startsWith(prefix) ? [key.slice(prefix.length)] : [])
      assert.isAbove(paths.length, 5)
      for (const path of paths) {
        const response = yield* Effect.promise(() => fetch(`${url}${at(path)}`))
        const bytes = new Uint8Array(yield* Effect.promise(() => response.arrayBuffer()))
        assert.deepStrictEqual([response.status, sha256(bytes)], [200, sha256(files.get(`${prefix}${path}`)!)], path)
        assert.strictEqual(response.headers.get("content-length"), String(bytes.length))
        assert.strictEqual(response.headers.get("access-control-allow-origin"), "*")
      }
    }))

  it.effect("says how long each kind may be kept, and of what type it is", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const [forever, short] = ["public, max-age=31536000, immutable", "public, max-age=10"]
      const document = builder.entries[0]?.object ?? ""
      const expected = [
        ["checkpoint", short, "text/plain; charset=utf-8"],
        [checkpointArchivePath(size), forever, "text/plain; charset=utf-8"],
        [tilePath(0, 0), forever, "application/octet-stream"],
        [tilePath(0, 1, size - 256), short, "application/octet-stream"],
        [entriesPath(0), forever, "application/octet-stream"],
        [entriesPath(1, size - 256), short, "application/octet-stream"],
        [`event/${document}`, forever, "application/octet-stream"]
      ] as const
      for (const [path, caching, type] of expected) {
        const { headers } = yield* request("GET", at(path))
        assert.deepStrictEqual([headers.get("cache-control"), headers.get("content-type")], [caching, type], path)
        assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
      }
    }))

  it.effect("HEAD answers as GET does, without the body; a known ETag gets 304", () =>
    Effect.gen(function*() {
      const { request, url } = yield* TestServer
      for (const path of ["checkpoint", tilePath(0, 0), `event/${largeDocument}`]) {
        const get = yield* request("GET", at(path))
        const head = yield* raw(url, "HEAD", at(path))
        assert.deepStrictEqual([head.status, head.body], [200, ""])
        for (const name of ["content-length", "content-type", "cache-control", "etag"]) {
          assert.strictEqual(head.headers[name] ?? null, get.headers.get(name), name)
        }
      }
      const etag = (yield* request("GET", at("checkpoint"))).headers.get("etag") ?? ""
      assert.strictEqual(etag, `"${sha256(files.get(ledgerKey(origin, "checkpoint"))!)}"`)
      const known = yield* request("GET", at("checkpoint"), { headers: { "if-none-match": `"x", W/${etag}` } })
      assert.deepStrictEqual([known.status, known.text, known.headers.get("etag")], [304, "", etag])
      assert.strictEqual(
        (yield* request("GET", at("checkpoint"), { headers: { "if-none-match": "\"x\"" } })).status,
        200
      )
    }))

  it.effect("no spelling of a path leads anywhere else, and every refusal looks the same", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer
      const object = [...files.keys()].find((key) => key.startsWith("logs/")) ?? ""
      const hash = ledgerPrefix(origin).split("/").at(-1) ?? ""
      const paths = [
        at(""),
        at("tile"),
        at("event/"),
        at("event"),
        at("checkpoint/"),
        at("checkpoint?x=1"),
        at("checkpoint%00"),
        at("checkpoint%00.txt"),
        at("%63heckpoint"),
        at("CHECKPOINT"),
        at("./checkpoint"),
        at("x/../checkpoint"),
        at(`../${hash}/checkpoint`),
        at(`../../../${object}`),
        at(`%2e%2e/%2e%2e/%2e%2e/${object}`),
        at(`..%2f..%2f..%2f${object}`),
        at(`%252e%252e/${object}`),
        at(`..\\..\\..\\${object}`),
        at(`//${object}`),
        at(object),
        at("tile/0/0"),
        at("tile/00/000"),
        at("tile/0/000.p/0"),
        at("tile/0/000.p/256"),
        at("tile/0/000.p/007"),
        at("tile/64/000"),
        at(`event/${"A".repeat(64)}`),
        at(`event/${"0".repeat(64)}`),
        at("checkpoint.d/1"),
        at("checkpoint.d/99999999999999999999"),
        at("anchor/1/x.exe"),
        at(`event/${"0".repeat(100_000 / 10)}`),
        at("checkpoint", other),
        at("checkpoint", randomUUID()),
        at("checkpoint", customer.toUpperCase()),
        at("checkpoint", "*"),
        at("checkpoint", `${customer}%2f..%2f${other}`),
        at("checkpoint", hash),
        "/ledger",
        "/ledger/",
        `/ledger/${customer}`
      ]
      const refusals = new Set<string>()
      for (const path of paths) {
        for (const method of ["GET", "HEAD"]) {
          const answer = yield* raw(url, method, path)
          assert.strictEqual(answer.status, 404, `${method} ${path}`)
          assert.strictEqual(answer.headers["cache-control"], "no-store", path)
          assert.match(String(answer.headers["content-type"]), /^application\/problem\+json/, path)
          if (method === "GET" && path.startsWith(`/ledger/${customer}/`) && !path.includes("%")) {
            refusals.add(answer.body)
          }
        }
      }
      assert.strictEqual(refusals.size, 1)
    }))

  it.effect("only reads: other methods find nothing", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer
      for (const method of ["PUT", "POST", "DELETE", "PATCH"]) {
        const answer = yield* raw(url, method, at("checkpoint"))
        assert.strictEqual(answer.status, 404, method)
      }
    }))

  it.effect("shows the public keys of a published ledger, and of no other", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const answer = yield* request("GET", `/.well-known/rainlogs/${customer}/keys`)
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers.get("access-control-allow-origin"), "*")
      assert.deepStrictEqual(JSON.parse(answer.text), {
        origin,
        log: printVerifierKey(log.key),
        clock: printVerifierKey(clock.key),
        ledger: `/ledger/${customer}`
      })
      for (const id of [other, randomUUID(), "x", customer.toUpperCase()]) {
        assert.strictEqual((yield* request("GET", `/.well-known/rainlogs/${id}/keys`)).status, 404, id)
      }
      assert.strictEqual((yield* request("GET", "/.well-known/rainlogs/")).status, 404)
      const lost = yield* request("GET", `/.well-known/rainlogs/${keyless}/keys`)
      assert.strictEqual(lost.status, 503)
      assert.match(lost.text, /another key than the one/)
    }))

  it.effect("is verified over its own URL", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer
      const report = yield* Effect.promise(async () =>
        verifyArchive(await openHttp(`${url}/ledger/${customer}`), { keys: [log.key], scope: "no-objects" })
      )
      assert.strictEqual(report.counts.entries, size)
      assert.deepStrictEqual(
        report.findings.filter(({ question }) => question === "integrity").map(({ code }) => code),
        ["OBJECTS_NOT_CHECKED"]
      )
    }))

  it.effect("a database that is down is a 503, and no ledger is said to be missing", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const state = yield* MemoryState
      state.database = "down"
      const answer = yield* request("GET", at("checkpoint", randomUUID()))
      state.database = "up"
      assert.strictEqual(answer.status, 503)
      assert.strictEqual(answer.headers.get("access-control-allow-origin"), "*")
      assert.strictEqual(answer.headers.get("cache-control"), "no-store")
      assert.strictEqual((yield* request("GET", at("checkpoint"))).status, 200)
    }))
})

layer(serving({}), { excludeTestServices: true })("without the setting", (it) => {
  it.effect("nothing is served", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      for (const path of [at("checkpoint"), at(tilePath(0, 0)), `/.well-known/rainlogs/${customer}/keys`]) {
        const answer = yield* request("GET", path)
        assert.deepStrictEqual([answer.status, JSON.parse(answer.text).type], [
          404,
          "urn:rainlogs:problem:route-not-found"
        ])
      }
    }))
})
