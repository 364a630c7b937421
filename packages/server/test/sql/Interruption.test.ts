/**
 * Connections that die at any moment: what was not committed is not there at all, what was answered is there, and
 * every failure is a `DatabaseError` the caller can act on.
 */
import { assert, describe, layer } from "@effect/vitest"
import { DatabaseError, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { jobIdOf } from "@rainlogs/core/domain/LogJob"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { Cause, Deferred, Effect, Exit, Fiber, Option } from "effect"
import { SqlClient } from "effect/sql"
import { TestDatabase } from "../TestDatabase.ts"
import {
  digest,
  entriesOf,
  eventFor,
  jobAt,
  leaseOrDie,
  Live,
  live,
  makeOne,
  objectFor,
  plan,
  readTiles,
  start,
  step,
  windowAt
} from "./fixtures.ts"

/** Ends the application's sessions on this database: all of them, or those that wait for a lock. */
const killSessions = (which: "all" | "waiting") =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql`
      SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
      WHERE datname = current_database() AND usename = 'rainlogs_app'
        AND (${which} = 'all' OR wait_event_type = 'Lock')`
    return rows.length
  })

/** Keeps `table` from being written while `inside` runs, so that a transaction stands in its middle. */
const whileLocked = <A, E, R>(table: string, inside: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const database = yield* TestDatabase
    const context = yield* Effect.context<R>()
    return yield* Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      return yield* sql.withTransaction(Effect.gen(function*() {
        yield* sql`LOCK TABLE ${sql(table)} IN SHARE MODE`
        return yield* Effect.provideContext(inside, context)
      }))
    }).pipe(database.asOwner)
  })

/** Starts a write, waits until it stands at the locked table, kills its session and returns how it ended. */
const killInTheMiddle = Effect.fnUntraced(function*<A, E>(table: string, write: Effect.Effect<A, E>) {
  const database = yield* TestDatabase
  return yield* whileLocked(
    table,
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.exit(write))
      let killed = 0
      while (killed === 0) {
        yield* Effect.sleep(20)
        killed = yield* killSessions("waiting").pipe(database.asOwner)
      }
      return yield* Fiber.join(fiber)
    })
  )
})

const assertTransient = (exit: Exit.Exit<unknown, unknown>) => {
  assert.isTrue(Exit.isFailure(exit))
  if (Exit.isSuccess(exit)) return
  const error = Cause.squash(exit.cause)
  assert.instanceOf(error, DatabaseError)
  assert.match(error.detail, /^transient/)
}

describe("a session that is killed", { timeout: 60_000 }, () => {
  layer(Live, live)((it) => {
    it.effect("between the job's update and the ledger entry of a commit leaves neither", () =>
      Effect.gen(function*() {
        const ledger = yield* WindowLedger
        const { source } = yield* makeOne
        yield* plan(source, [windowAt(0)])
        const leased = yield* leaseOrDie(source.customer, jobAt(source, 0), start)
        const object = objectFor(leased)
        yield* ledger.stored(leased, object, start)
        assertTransient(yield* killInTheMiddle("ledger_entries", ledger.commit(leased, object, start)))
        assert.deepStrictEqual((yield* readTiles(source)).map(({ state }) => state), ["stored"])
        assert.deepStrictEqual(yield* entriesOf(source), [])
        yield* ledger.commit(leased, object, start)
        assert.strictEqual((yield* entriesOf(source)).length, 1)
      }))

    it.effect("in the middle of a gap leaves the windows planned", () =>
      Effect.gen(function*() {
        const ledger = yield* WindowLedger
        const { source } = yield* makeOne
        yield* plan(source, [windowAt(0), windowAt(1), windowAt(2, 2)])
        const gap = {
          source,
          range: { from: start + 100, to: start + 3 * step },
          reason: "expired",
          detected: start,
          document: { sha256: digest("gap"), size: 3 }
        } as const
        const before = yield* readTiles(source)
        assertTransient(yield* killInTheMiddle("ledger_entries", ledger.declareGap(gap)))
        assert.deepStrictEqual(yield* readTiles(source), before)
        yield* ledger.declareGap(gap)
        assert.deepStrictEqual((yield* readTiles(source)).map(({ state }) => state), ["planned", "gap", "planned"])
        const [progress] = yield* ledger.progress(source.customer)
        assert.deepInclude(progress?.windows ?? {}, { planned: 2, gap: 1 })
      }))

    it.effect("in the middle of planning or splitting leaves the timeline as it was", () =>
      Effect.gen(function*() {
        const ledger = yield* WindowLedger
        const { source } = yield* makeOne
        const timeline = { source, plannedTo: start }
        assertTransient(yield* killInTheMiddle("windows", ledger.plan(timeline, [windowAt(0, 2)], start)))
        assert.deepStrictEqual(yield* readTiles(source), [])
        yield* ledger.plan(timeline, [windowAt(0, 2)], start)
        const [tile] = yield* readTiles(source)
        const job = jobIdOf(source.origin, source.zone, source.name, windowAt(0, 2))
        const leased = yield* leaseOrDie(source.customer, job, start)
        assertTransient(yield* killInTheMiddle("windows", ledger.split(leased, start + step, start)))
        assert.isDefined(tile)
        assert.deepStrictEqual(yield* readTiles(source), [{ ...tile, state: "leased" }])
        yield* ledger.split(leased, start + step, start)
        assert.strictEqual((yield* readTiles(source)).length, 2)
      }))

    it.effect("while it makes a heartbeat appends nothing, and the ledger's lock is free at once", () =>
      Effect.gen(function*() {
        const store = yield* LedgerStore
        const database = yield* TestDatabase
        const { customer } = yield* makeOne
        const ledger = { customer: customer.id, origin: customer.origin }
        const inside = yield* Deferred.make<void>()
        const goOn = yield* Deferred.make<void>()
        const heartbeat = yield* Effect.forkChild(
          Effect.exit(store.appendAt(ledger, start, () =>
            Deferred.succeed(inside, undefined).pipe(
              Effect.andThen(Deferred.await(goOn)),
              Effect.as(Option.some(eventFor(ledger.origin, "heartbeat", "heartbeat")))
            )))
        )
        yield* Deferred.await(inside)
        yield* killSessions("all").pipe(database.asOwner)
        // The pool may still hand out a connection whose end it has not noticed yet.
        const rival = store.append(ledger, eventFor(ledger.origin, "rival"), start)
        assert.strictEqual(yield* Effect.retry(rival, { times: 20 }), "appended")
        yield* Deferred.succeed(goOn, undefined)
        assertTransient(yield* Fiber.join(heartbeat))
        assert.strictEqual((yield* store.snapshot(ledger)).size, 1)
      }))

    it.effect("again and again, under load: nothing answered is lost, nothing is there twice, no defect", () =>
      Effect.gen(function*() {
        const ledger = yield* WindowLedger
        const database = yield* TestDatabase
        const { source } = yield* makeOne
        const count = 120
        yield* plan(source, Array.from({ length: count }, (_, i) => windowAt(i)))
        const answered = new Set<string>()
        const archive = Effect.fnUntraced(function*(index: number) {
          for (let attempt = 1;; attempt++) {
            const done = yield* Effect.gen(function*() {
              const now = start + attempt * 1000
              const leased = yield* ledger.lease(
                { customer: source.customer, job: jobAt(source, index) },
                "w",
                now,
                now + 1
              )
              if (Option.isNone(leased)) {
                const view = yield* ledger.job(source.customer, jobAt(source, index))
                return Option.isSome(view) && view.value.job.state === "committed"
              }
              const object = objectFor(leased.value)
              yield* ledger.stored(leased.value, object, now)
              yield* ledger.commit(leased.value, object, now)
              answered.add(leased.value.job.id)
              return true
            }).pipe(Effect.catchTag(["DatabaseError", "LeaseLost"], () => Effect.succeed(false)))
            if (done) return
          }
        })
        const killer = yield* Effect.forkChild(
          killSessions("all").pipe(Effect.delay(60), Effect.repeat({ times: 30 }), database.asOwner)
        )
        yield* Effect.forEach(Array.from({ length: count }, (_, i) => i), archive, { concurrency: 6 })
        yield* Fiber.join(killer)
        const entries = yield* Effect.retry(entriesOf(source), { times: 20 })
        assert.strictEqual(entries.length, count)
        assert.strictEqual(new Set(entries.map(({ job }) => job)).size, count)
        for (const job of answered) assert.include(entries.map((entry): string => entry.job), job)
        entries.forEach((entry, i) => {
          if (i > 0) assert.strictEqual(entry.prev, entries[i - 1]?.hash)
        })
        const [progress] = yield* ledger.progress(source.customer)
        assert.deepInclude(progress?.windows ?? {}, { committed: count, planned: 0, leased: 0, stored: 0 })
      }))
  })
})
