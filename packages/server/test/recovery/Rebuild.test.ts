import { assert, describe, it } from "@effect/vitest"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { LedgerEvents } from "@rainlogs/core/ledger/LedgerEvents"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { Publisher } from "@rainlogs/core/ledger/Publisher"
import { Catalog } from "@rainlogs/core/recovery/Catalog"
import { Rebuild } from "@rainlogs/core/recovery/Rebuild"
import { checkpointKey } from "@rainlogs/verify/Layout"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { Effect, Layer, Option, Stream } from "effect"
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { leaseOrDie, makeCustomer, makeOne, makeSource, plan, readTiles, start, windows } from "../sql/fixtures.ts"
import { TestDatabase } from "../TestDatabase.ts"
import { empty, fill, makeWorld, objectOf, onDatabase } from "./RebuildWorld.ts"

const rebuild = Rebuild.use((service) => service.run({ unauthorised: "refuse", onEntries: () => {} }))

/** Runs on a database that is lost afterwards. */
const onLost = <A, E>(directory: string, effect: Effect.Effect<A, E, Services>) =>
  Effect.provide(effect, onDatabase(directory, empty), { local: true })
type Services = Layer.Success<ReturnType<typeof onDatabase>>

const messageOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "detail" in error ? String(error.detail) : String(error)

const refusal = (
  directory: string,
  before: Effect.Effect<unknown, unknown, Services> = Effect.void,
  around: <A, E>(effect: Effect.Effect<A, E, Services>) => Effect.Effect<A, E, Services> = (effect) => effect
) =>
  onLost(
    directory,
    Effect.andThen(
      before,
      around(Effect.gen(function*() {
        const known = (yield* (yield* LedgerStore).ledgers).length
        const why = messageOf(yield* Effect.flip(rebuild))
        assert.strictEqual((yield* (yield* LedgerStore).ledgers).length, known, "a refused rebuild writes no customer")
        return why
      }))
    )
  ).pipe(
    // What is missing may stop the start already.
    Effect.catch((error) => Effect.succeed(messageOf(error)))
  )

const contentOf = (of: Effect.Success<typeof fill>) =>
  Effect.gen(function*() {
    const ledger = yield* WindowLedger
    const rows = yield* Stream.runCollect((yield* LedgerStore).rows(of.of, 0, 1000))
    const jobs = yield* ledger.jobs(of.customer.id, of.source.zone, { limit: 1000, before: null })
    return {
      rows,
      tiles: yield* readTiles(of.source),
      progress: (yield* ledger.progress(of.customer.id)).map(({ oldestUncommitted, records, source, windows }) => {
        return { oldestUncommitted, records, source, windows: { ...windows, planned: 0 } }
      }),
      jobs: jobs.map(({ entry, gapReason, job, object }) => ({
        entry,
        gapReason,
        object,
        id: job.id,
        state: job.state
      }))
    }
  })

describe("rebuild", { timeout: 120_000 }, () => {
  it.live("gives rows, tiles, objects, gaps and counts back; twice changes nothing", () =>
    Effect.gen(function*() {
      const directory = yield* makeWorld
      const { before, of } = yield* onLost(
        directory,
        Effect.gen(function*() {
          const of = yield* fill
          yield* fill
          return { of, before: yield* contentOf(of) }
        })
      )
      yield* onLost(
        directory,
        Effect.gen(function*() {
          const result = yield* rebuild
          assert.deepInclude(result, { customers: 2, zones: 2, present: 0, unknown: [] })
          assert.deepStrictEqual(yield* contentOf(of), before)
          assert.deepInclude(yield* rebuild, { customers: 0, present: 2 })
          assert.deepStrictEqual(yield* contentOf(of), before)
          // The ledger goes on where it was.
          const job = (yield* readTiles(of.source)).find(({ state }) => state === "planned")!.job
          const view = yield* (yield* WindowLedger).job(of.customer.id, before.jobs.find(({ id }) => id === job)!.id)
          const leased = yield* leaseOrDie(of.customer.id, Option.getOrThrow(view).job.id, Date.now() + 1000)
          // Its object may be stored though its entry was lost: only a second lease looks for it.
          assert.isAbove(leased.fence, 1)
          yield* (yield* WindowLedger).commit(leased, objectOf(leased), Date.now())
          const published = yield* (yield* Publisher).publish(of.of)
          assert.deepInclude(published, { outcome: "published", size: before.rows.length + 1 })
        })
      )
    }))

  it.live("what was appended and not signed is planned again, and what the catalog is older than is not needed", () =>
    Effect.gen(function*() {
      const directory = yield* makeWorld
      const { of, signed } = yield* onLost(
        directory,
        Effect.gen(function*() {
          const of = yield* fill
          const signed = (yield* (yield* LedgerStore).snapshot(of.of)).size
          const tile = (yield* readTiles(of.source)).find(({ state }) => state === "planned")!
          const all = yield* (yield* WindowLedger).jobs(of.customer.id, of.source.zone, { limit: 1000, before: null })
          const leased = yield* leaseOrDie(
            of.customer.id,
            all.find(({ job }) => job.id === tile.job)!.job.id,
            start + 2000
          )
          yield* (yield* WindowLedger).commit(leased, objectOf(leased), start + 2000)
          return { of, signed }
        })
      )
      yield* onLost(
        directory,
        Effect.gen(function*() {
          assert.deepInclude(yield* rebuild, { customers: 1, entries: signed })
          assert.strictEqual((yield* (yield* LedgerStore).snapshot(of.of)).size, signed)
          assert.deepStrictEqual(
            (yield* readTiles(of.source)).map(({ state }) => state).filter((state) => state === "planned").length,
            2
          )
        })
      )
    }))

  it.live("a customer that is half there after a kill is whole or absent: the next run ends it", () =>
    Effect.gen(function*() {
      const directory = yield* makeWorld
      yield* onLost(directory, Effect.andThen(fill, fill))
      yield* onLost(
        directory,
        Effect.gen(function*() {
          const database = yield* TestDatabase
          // Every session of the application is ended again and again while the customers are written.
          const { SqlClient } = yield* Effect.promise(() => import("effect/sql"))
          const kill = Effect.gen(function*() {
            const sql = yield* SqlClient.SqlClient
            yield* sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND usename = 'rainlogs_app'
              AND state = 'idle in transaction' OR (state = 'active' AND query ILIKE '%INSERT INTO%')`
          }).pipe(Effect.delay(2), Effect.repeat({ times: 150 }), database.asOwner)
          const killer = yield* Effect.forkChild(kill)
          for (let run = 0; run < 20; run++) yield* Effect.exit(rebuild)
          yield* killer.pipe((fiber) =>
            Effect.promise(() => new Promise<void>((resolve) => fiber.addObserver(() => resolve())))
          )
          const result = yield* Effect.retry(rebuild, { times: 20 })
          assert.strictEqual(result.customers + result.present, 2)
          for (const ledger of yield* (yield* LedgerStore).ledgers) {
            assert.strictEqual((yield* (yield* LedgerStore).snapshot(ledger)).size, result.entries / 2)
          }
        })
      )
    }))

  it.live("names a ledger that the catalog does not know", () =>
    Effect.gen(function*() {
      const directory = yield* makeWorld
      const { first } = yield* onLost(
        directory,
        Effect.gen(function*() {
          const first = yield* fill
          yield* fill
          return { first }
        })
      )
      rmSync(join(directory, "archive", "catalog", first.customer.id), { recursive: true })
      assert.deepInclude(yield* onLost(directory, rebuild), { customers: 1, unknown: [first.customer.origin] })
    }))
})

describe("rebuild refuses", { timeout: 120_000 }, () => {
  const world = Effect.gen(function*() {
    const directory = yield* makeWorld
    const of = yield* onLost(directory, fill)
    return { directory, of, archive: join(directory, "archive") }
  })

  it.live("an archive without a catalog", () =>
    Effect.gen(function*() {
      const { archive, directory } = yield* world
      rmSync(join(archive, "catalog"), { recursive: true })
      assert.match(yield* refusal(directory), /no catalog/)
    }))

  it.live("another master key, and a missing one", () =>
    Effect.gen(function*() {
      const { directory } = yield* world
      rmSync(join(directory, "master.key"))
      assert.match(yield* refusal(directory), /Start with the master key the archive was written with/)
      assert.match(yield* refusal(directory), /Start with the master key the archive was written with/)
    }))

  it.live("another signer, none, and an older one", () =>
    Effect.gen(function*() {
      const { directory, of } = yield* world
      const signer = join(directory, "signer")
      const kept = join(directory, "kept")
      cpSync(signer, kept, { recursive: true })
      rmSync(signer, { recursive: true })
      assert.match(yield* refusal(directory), /the signer knows of 0: it is an older one, or another's/)
      rmSync(signer, { recursive: true })
      renameSync(kept, signer)
      const older = join(directory, "older")
      cpSync(signer, older, { recursive: true })
      yield* onLost(
        directory,
        Effect.gen(function*() {
          yield* rebuild
          yield* plan(of.source, windows(1, 12))
          const tile = (yield* readTiles(of.source)).at(-1)!
          const all = yield* (yield* WindowLedger).jobs(of.customer.id, of.source.zone, { limit: 1000, before: null })
          const leased = yield* leaseOrDie(
            of.customer.id,
            all.find(({ job }) => job.id === tile.job)!.job.id,
            start + 2000
          )
          yield* (yield* WindowLedger).commit(leased, objectOf(leased), start + 2000)
          yield* (yield* Publisher).publish(of.of)
        })
      )
      rmSync(signer, { recursive: true })
      renameSync(older, signer)
      assert.match(yield* refusal(directory), /Restore the newest signer directory first/)
    }))

  it.live("an archive that is older than the signer", () =>
    Effect.gen(function*() {
      const { archive, directory, of } = yield* world
      rmSync(join(archive, checkpointKey(of.customer.origin)), { force: true })
      rmSync(join(archive, checkpointKey(of.customer.origin), "..", "checkpoint.d"), { recursive: true })
      assert.match(yield* refusal(directory), /does not verify|were signed/)
    }))

  it.live("a database with a stranger in it, and one with the customer but not the entries", () =>
    Effect.gen(function*() {
      const { directory, of } = yield* world
      assert.match(yield* refusal(directory, makeOne), /whom this archive does not know: use an empty one/)
      const sameCustomer = Effect.gen(function*() {
        const database = yield* TestDatabase
        const { SqlClient } = yield* Effect.promise(() => import("effect/sql"))
        yield* Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          yield* sql`INSERT INTO customers ${
            sql.insert({ id: of.customer.id, name: "x", origin: of.customer.origin, created_ms: start })
          }`
        }).pipe(database.asOwner)
      })
      assert.match(yield* refusal(directory, sameCustomer), /the database has 0 of [0-9]+ entries/)
    }))

  it.live("a catalog entry that was another customer's, or an older one under a newer name", () =>
    Effect.gen(function*() {
      const { archive, directory, of } = yield* world
      const other = yield* onLost(
        directory,
        Effect.gen(function*() {
          yield* rebuild
          return yield* fill
        })
      )
      const folder = (customer: string) => join(archive, "catalog", customer)
      const [name = ""] = readdirSync(folder(of.customer.id))
      const own = readFileSync(join(folder(of.customer.id), name))
      const [otherName = ""] = readdirSync(folder(other.customer.id))
      const foreign = readFileSync(join(folder(other.customer.id), otherName))
      const later = "999999999999999"
      writeFileSync(join(folder(of.customer.id), later), foreign)
      assert.match(yield* refusal(directory), /it is of customer/)
      const renamed = foreign.toString("latin1").replace(other.customer.id, of.customer.id)
      writeFileSync(join(folder(of.customer.id), later), renamed, "latin1")
      assert.match(yield* refusal(directory), /unknown key|was changed/)
      writeFileSync(join(folder(of.customer.id), later), own)
      assert.match(yield* refusal(directory), /was changed/)
      rmSync(join(folder(of.customer.id), later))
      assert.deepInclude(yield* onLost(directory, rebuild), { customers: 2 })
    }))

  it.live("entries of a zone that was made after the catalog was saved", () =>
    Effect.gen(function*() {
      const { directory } = yield* world
      yield* onLost(
        directory,
        Effect.gen(function*() {
          yield* rebuild
          const customer = yield* makeCustomer
          yield* LedgerEvents.use((events) => events.open({ customer: customer.id, origin: customer.origin }))
          yield* Catalog.use((catalog) => catalog.save)
          const source = yield* makeSource(customer)
          yield* plan(source, windows(1))
          const [view] = yield* (yield* WindowLedger).jobs(customer.id, source.zone, { limit: 1, before: null })
          const leased = yield* leaseOrDie(customer.id, view!.job.id, start + 2000)
          yield* (yield* WindowLedger).commit(leased, objectOf(leased), start + 2000)
          yield* (yield* Publisher).publish({ customer: customer.id, origin: customer.origin })
        })
      )
      // The customer that came before in the catalog may be restored by then; it is whole.
      const why = yield* onLost(directory, Effect.map(Effect.flip(rebuild), messageOf))
      assert.match(why, /the zone was made moments before the database was lost/)
    }))

  it.live("an archive that is changed between its verification and its reading", () =>
    Effect.gen(function*() {
      const { archive, directory } = yield* world
      const real = yield* Effect.promise(() => openDirectory(archive))
      const changed = (pattern: RegExp, change: (text: string) => string) => {
        const reads = new Set<string>()
        return Rebuild.layer({
          ...real,
          list: (prefix) => real.list(prefix),
          read: async (key) => {
            const bytes = await real.read(key)
            const isFirst = !reads.has(key)
            reads.add(key)
            return bytes === null || !pattern.test(key) || isFirst
              ? bytes
              : Buffer.from(change(Buffer.from(bytes).toString("latin1")), "latin1")
          }
        })
      }
      const refusalOf = (layer: ReturnType<typeof changed>) =>
        refusal(directory, Effect.void, (effect) => Effect.provide(effect, Layer.fresh(layer)))
      const entries = changed(/tile\/entries\//, (text) => text.replace("records 2", "records 3"))
      assert.match(yield* refusalOf(entries), /was changed while it was read/)
      const gap = changed(/event\//, (text) => text.replace(/detected \d/, "detected 9"))
      assert.match(yield* refusalOf(gap), /was changed while it was read/)
    }))

  it.live("an entry that was changed", () =>
    Effect.gen(function*() {
      const { archive, directory } = yield* world
      const bundle = readdirSync(archive, { recursive: true, encoding: "utf8" })
        .find((path) => /tile\/entries\/.*\.p\//.test(path))!
      const path = join(archive, bundle)
      const changed = readFileSync(path, "latin1").replace("records 2", "records 3")
      rmSync(path)
      mkdirSync(join(path, ".."), { recursive: true })
      writeFileSync(path, changed, "latin1")
      assert.match(yield* refusal(directory), /does not verify/)
    }))
})
