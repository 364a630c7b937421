import { assert, describe, it } from "@effect/vitest"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { keyOfObject } from "@rainlogs/core/ledger/EntryDraft"
import { Fsck } from "@rainlogs/core/ledger/Fsck"
import { LedgerEvents } from "@rainlogs/core/ledger/LedgerEvents"
import { Publisher } from "@rainlogs/core/ledger/Publisher"
import { Catalog } from "@rainlogs/core/recovery/Catalog"
import { ObjectStore } from "@rainlogs/core/storage/ObjectStore"
import { ledgerKey } from "@rainlogs/verify/Layout"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { digest, leaseOrDie, makeOne, objectFor, plan, start, windows } from "../sql/fixtures.ts"
import { TestDatabase } from "../TestDatabase.ts"
import { empty, makeWorld, onDatabase } from "./RebuildWorld.ts"

/** Three published windows whose objects are stored, with a catalog. */
const fill = Effect.gen(function*() {
  const ledger = yield* WindowLedger
  const store = yield* ObjectStore
  const { customer, source } = yield* makeOne
  const of = { customer: customer.id, origin: customer.origin }
  yield* (yield* LedgerEvents).open(of)
  yield* plan(source, windows(3))
  for (const { job } of yield* ledger.jobs(customer.id, source.zone, { limit: 3, before: null })) {
    const leased = yield* leaseOrDie(customer.id, job.id, start + 1000)
    const text = `{"window":${job.window.from}}\n`
    const sha256 = digest(text)
    const key = keyOfObject({ chain: source.zone, job: job.id, window: job.window }, sha256, "identity")
    yield* store.putBytes(key, new TextEncoder().encode(text))
    yield* ledger.commit(leased, {
      ...objectFor(leased),
      key,
      sha256,
      size: text.length,
      plainSize: text.length,
      records: 1,
      codec: "identity",
      encryption: "none",
      dek: null,
      params: null,
      recordsRoot: null
    }, start + 1000)
  }
  yield* (yield* Publisher).publish(of)
  yield* Catalog.use((catalog) => catalog.save)
  return of
})

const check = Fsck.use((fsck) => fsck.run({ depth: "deep" }))
const codes = Effect.map(check, ({ problems }) => problems.map(({ code, severity }) => `${severity} ${code}`))

const onWorld = <A, E>(test: (archive: string, directory: string) => Effect.Effect<A, E, Services>) =>
  Effect.gen(function*() {
    const directory = yield* makeWorld
    const services = Layer.provideMerge(Fsck.layer, onDatabase(directory, empty))
    return yield* Effect.provide(test(join(directory, "archive"), directory), services, { local: true })
  })
type Services = Layer.Success<ReturnType<typeof onDatabase>> | Fsck

const find = (archive: string, pattern: RegExp): string => {
  const path = readdirSync(archive, { recursive: true, encoding: "utf8" }).find((path) => pattern.test(path))
  if (path === undefined) throw new Error(`no file like ${pattern}`)
  return join(archive, path)
}

/** Does something to a file and looks; the file is as before afterwards. */
const spoiled = Effect.fnUntraced(function*(path: string, spoil: (bytes: Buffer) => Buffer | null) {
  const bytes = readFileSync(path)
  chmodSync(path, 0o600)
  const other = spoil(Buffer.from(bytes))
  if (other === null) rmSync(path)
  else writeFileSync(path, other)
  const found = yield* codes
  writeFileSync(path, bytes)
  return found
})
const flip = (bytes: Buffer) => {
  bytes[bytes.length - 1]! ^= 1
  return bytes
}
const gone = () => null

const put = (path: string) => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, "stray")
}

describe("fsck", { timeout: 120_000 }, () => {
  it.live("finds nothing in a whole archive, and does not take catalog and keys for orphans", () =>
    onWorld((archive) =>
      Effect.gen(function*() {
        yield* fill
        assert.isAbove(readdirSync(join(archive, "catalog")).length, 0)
        const { counts, problems } = yield* check
        assert.deepStrictEqual(problems, [])
        assert.deepInclude(counts, { ledgers: 1, entries: 5, objects: 3, documents: 2 })
        assert.isAbove(counts.tiles, 1)
      })
    ))

  it.live("names each damage of the archive", () =>
    onWorld((archive) =>
      Effect.gen(function*() {
        yield* fill
        const object = find(archive, /^logs\/.*\.ndjson$/)
        assert.deepStrictEqual(yield* spoiled(object, gone), ["damage OBJECT_MISSING"])
        assert.deepStrictEqual(yield* spoiled(object, flip), ["damage OBJECT_HASH"])
        assert.deepStrictEqual(yield* spoiled(object, (bytes) => bytes.subarray(1)), ["damage OBJECT_SIZE"])
        const bundle = find(archive, /tile\/entries\/.*\.p\/5$/)
        assert.deepStrictEqual(yield* spoiled(bundle, gone), ["damage TILE_MISSING"])
        assert.deepStrictEqual(yield* spoiled(bundle, flip), ["damage TILE_DIFFERS"])
        const tile = find(archive, /tile\/0\/.*\.p\/5$/)
        assert.deepStrictEqual(yield* spoiled(tile, flip), ["damage TILE_DIFFERS"])
        const document = find(archive, /event\/[0-9a-f]{64}$/)
        assert.deepStrictEqual(yield* spoiled(document, gone), ["damage DOCUMENT_MISSING"])
        assert.deepStrictEqual(yield* spoiled(document, flip), ["damage DOCUMENT_DIFFERS"])
        const served = find(archive, /[0-9a-f]{64}\/checkpoint$/)
        assert.deepStrictEqual(yield* spoiled(served, gone), ["leftover SERVED_MISSING"])
        assert.deepStrictEqual(yield* spoiled(served, () => Buffer.from("no note")), ["damage HEAD_MALFORMED"])
        const kept = find(archive, /checkpoint\.d\/0*5$/)
        assert.deepStrictEqual(yield* spoiled(kept, gone), ["leftover HEAD_MISSING"])
        assert.deepStrictEqual(yield* codes, [])
      })
    ))

  it.live("names orphans and strays as leftovers", () =>
    onWorld((archive) =>
      Effect.gen(function*() {
        const { origin } = yield* fill
        put(join(archive, "logs/z/2026/01/01/00/01980000-0000-7000-8000-000000000010-0123456789abcdef.ndjson.zst"))
        put(join(archive, "logs/notes.txt"))
        put(join(archive, "keys/01980000-0000-8000-8000-0123456789ab"))
        put(join(archive, ledgerKey(origin, `event/${"ab".repeat(32)}`)))
        assert.deepStrictEqual((yield* codes).toSorted(), [
          "leftover ORPHAN_DOCUMENT",
          "leftover ORPHAN_KEY",
          "leftover ORPHAN_OBJECT",
          "leftover STRAY_FILE"
        ])
      })
    ))

  it.live("names what is not published, a signer that is behind and a database that is", () =>
    Effect.gen(function*() {
      const directory = yield* makeWorld
      const on = <A, E>(effect: Effect.Effect<A, E, Services>) =>
        Effect.provide(effect, Layer.provideMerge(Fsck.layer, onDatabase(directory, empty)), { local: true })
      const of = yield* on(Effect.gen(function*() {
        const of = yield* fill
        const state = find(join(directory, "signer"), /\.state$/)
        const before = readFileSync(state)
        yield* (yield* LedgerEvents).declare(of, {
          chain: "control",
          source: "rainlogs/heartbeat",
          from: start,
          to: start + 1000,
          reason: "outage",
          detected: start,
          detail: null
        }, Date.now())
        assert.deepStrictEqual(yield* codes, ["leftover UNPUBLISHED"])
        yield* (yield* Publisher).publish(of)
        const after = readFileSync(state)
        writeFileSync(state, before)
        assert.include(yield* codes, "damage SIGNER_BEHIND")
        writeFileSync(state, after)
        return of
      }))
      // A new database knows nothing of the ledger, and one that has the customer nothing of its entries.
      yield* on(Effect.gen(function*() {
        assert.include(yield* codes, "damage LEDGER_UNKNOWN")
        const database = yield* TestDatabase
        yield* Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          yield* sql`INSERT INTO customers ${
            sql.insert({ id: of.customer, name: "x", origin: of.origin, created_ms: start })
          }`
        }).pipe(database.asOwner)
        assert.include(yield* codes, "damage SQL_BEHIND")
      }))
    }))
})
