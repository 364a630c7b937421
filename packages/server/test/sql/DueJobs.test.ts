import { assert, describe, layer } from "@effect/vitest"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import type { Source } from "@rainlogs/core/domain/Source"
import { Clock, Effect, Option } from "effect"
import { SqlClient, Statement } from "effect/sql"
import { withCustomer } from "../../src/database/Tenant.ts"
import { TestDatabase } from "../TestDatabase.ts"
import {
  digest,
  jobAt,
  leaseOrDie,
  Live,
  live,
  makeCustomer,
  makeOne,
  makeSource,
  plan,
  start,
  step,
  windowAt
} from "./fixtures.ts"

const planMany = (source: Source, count: number) => plan(source, Array.from({ length: count }, (_, i) => windowAt(i)))

/** Due jobs of one source by window number, in the order given. */
const indexesOf = (source: Source, count: number, due: ReadonlyArray<{ readonly job: string }>) => {
  const numbers = new Map(Array.from({ length: count }, (_, i) => [String(jobAt(source, i)), i]))
  return due.flatMap(({ job }) => numbers.get(job) ?? [])
}

describe("due jobs", { timeout: 60_000 }, () => {
  layer(Live, live)((it) => {
    it.effect("a backlog is offered from both ends in turn: oldest, newest, second oldest …", () =>
      Effect.gen(function*() {
        const ledger = yield* WindowLedger
        const { source } = yield* makeOne
        yield* planMany(source, 20)
        const due = yield* ledger.due(start, 6)
        assert.deepStrictEqual(indexesOf(source, 20, due), [0, 19, 1, 18, 2, 17])
        assert.deepStrictEqual(
          indexesOf(source, 20, yield* ledger.due(start, 1000)).toSorted((a, b) => a - b),
          Array.from({ length: 20 }, (_, i) => i)
        )
      }))
  })

  layer(Live, live)((it) => {
    it.effect("backed-off, leased and finished jobs and those of blocked zones are not offered; lapsed leases are", () =>
      Effect.gen(function*() {
        const ledger = yield* WindowLedger
        const { customer, source } = yield* makeOne
        const blocked = yield* makeSource(customer)
        yield* planMany(source, 4)
        yield* planMany(blocked, 4)
        yield* (yield* CustomerStore).block(customer.id, blocked.id, { reason: "unauthorised", remedy: "token" })
        const failed = yield* leaseOrDie(customer.id, jobAt(source, 0), start)
        yield* ledger.retry(failed, { code: "c", detail: "d", counts: "failure" }, start + 500, start)
        yield* leaseOrDie(customer.id, jobAt(source, 1), start, start + 300)
        const offered = (now: number) => Effect.map(ledger.due(now, 99), (due) => indexesOf(source, 4, due).toSorted())
        assert.deepStrictEqual(yield* offered(start + 299), [2, 3])
        assert.strictEqual((yield* ledger.due(start + 299, 99)).length, 2)
        assert.deepStrictEqual(yield* offered(start + 300), [1, 2, 3])
        assert.deepStrictEqual(yield* offered(start + 500), [0, 1, 2, 3])
      }))
  })

  layer(Live, live)((it) => {
    it.effect("a customer's large backlog does not keep another customer waiting", () =>
      Effect.gen(function*() {
        const ledger = yield* WindowLedger
        const large = yield* makeCustomer
        for (let i = 0; i < 10; i++) yield* planMany(yield* makeSource(large), 50)
        const { customer: small, source } = yield* makeOne
        yield* plan(source, Array.from({ length: 3 }, (_, i) => windowAt(i)))
        const due = yield* ledger.due(start, 6)
        assert.strictEqual(due.length, 6)
        assert.strictEqual(due.filter(({ customer }) => customer === small.id).length, 3)
      }))

    it.effect("no zone starves: with room for two, twelve zones are all served within six rounds", () =>
      Effect.gen(function*() {
        const ledger = yield* WindowLedger
        const customer = yield* makeCustomer
        const zones: Array<Source> = []
        for (let i = 0; i < 12; i++) {
          const source = yield* makeSource(customer)
          zones.push(source)
          // Each zone's windows are younger than those of the one before: by age alone the first two would be served
          // for as long as they have a backlog.
          const range = { from: start, to: start + (1 + i * 100) * step }
          const document = { sha256: digest(source.id), size: 1 }
          yield* ledger.declareGap({ source, range, reason: "unknown", detected: start, document })
          yield* plan(source, Array.from({ length: 40 }, (_, n) => windowAt(1 + i * 100 + n)))
        }
        const served = new Set<string>()
        for (let round = 0; round < 6; round++) {
          const now = start + round
          const due = (yield* ledger.due(now, 400)).filter((job) => job.customer === customer.id).slice(0, 2)
          for (const { job } of due) {
            const leased = yield* ledger.lease({ customer: customer.id, job }, "w", now, now + 1_000_000)
            served.add(Option.getOrThrow(leased).source.id)
          }
        }
        assert.strictEqual(served.size, 12)
      }))
  })

  layer(Live, live)((it) => {
    it.effect(
      "with 100 000 jobs every statement of planner and worker finds its rows by an index",
      () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const database = yield* TestDatabase
          const customer = yield* makeCustomer
          const sources: Array<Source> = []
          for (let i = 0; i < 50; i++) {
            const source = yield* makeSource(customer)
            sources.push(source)
            yield* insertMany(source, 2000).pipe(withCustomer(customer.id))
          }
          yield* Effect.flatMap(SqlClient.SqlClient, (owner) => owner`ANALYZE`).pipe(database.asOwner)
          const [source] = sources
          assert.isDefined(source)

          const timed = <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) =>
            Effect.gen(function*() {
              const before = yield* Clock.currentTimeNanos
              const result = yield* effect
              const ms = Number((yield* Clock.currentTimeNanos) - before) / 1e6
              yield* Effect.logInfo(`${name} with 100 000 jobs: ${ms.toFixed(1)} ms`)
              return result
            })
          const due = yield* timed("due, warming up", ledger.due(start, 64))
          yield* timed("due", ledger.due(start, 64))
          assert.strictEqual(due.length, 64)

          const statements: Array<readonly [string, ReadonlyArray<unknown>]> = []
          const recorded = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
            Effect.provideService(effect, Statement.CurrentTransformer, (statement) =>
              Effect.sync(() => {
                statements.push(statement.compile())
                return statement
              }))
          const [first] = due
          assert.isDefined(first)
          const leased = yield* recorded(timed("lease", ledger.lease(first, "w", start, start + 60_000)))
          assert.isTrue(Option.isSome(leased))
          if (Option.isSome(leased)) yield* recorded(timed("renew", ledger.renew(leased.value, start + 90_000)))
          yield* recorded(timed("uncollected", ledger.uncollected(source, start + 1000 * step)))
          yield* recorded(
            timed("jobs", ledger.jobs(customer.id, source.zone, { limit: 50, before: start + 900 * step }))
          )
          yield* recorded(timed("progress", ledger.progress(customer.id)))
          yield* timed("progress of all", ledger.progress(null))

          const body = yield* Effect.flatMap(SqlClient.SqlClient, (owner) =>
            owner<{ text: string }>`SELECT prosrc AS text FROM pg_proc WHERE proname = 'due_jobs'`).pipe(
              database.asOwner
            )
          statements.push([
            String(body[0]?.text).replaceAll(/\bat_ms\b/g, `${start}::bigint`).replaceAll(/\bmost\b/g, "64"),
            []
          ])
          let explained = 0
          for (const [text, parameters] of statements) {
            if (!/log_jobs|windows|source_progress/.test(text)) {
              continue
            }
            explained++
            const [plan] = yield* Effect.flatMap(SqlClient.SqlClient, (owner) =>
              owner.unsafe<{ "QUERY PLAN": unknown }>(`EXPLAIN (FORMAT JSON) ${text}`, parameters)).pipe(
                withCustomer(customer.id),
                database.asOwner
              )
            const shown = JSON.stringify(plan)
            assert.notMatch(shown, /"Node Type":"Seq Scan"[^}]*"Relation Name":"(log_jobs|windows)"/, text)
          }
          assert.isAtLeast(explained, 6)
        }),
      120_000
    )
  })
})

/** Windows and planned jobs of a fresh source in two statements. */
const insertMany = Effect.fnUntraced(function*(source: Source, count: number) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO log_jobs (customer_id, id, zone_id, source_id, from_ms, to_ms, state, created_ms, updated_ms)
    SELECT ${source.customer}::uuid, gen_random_uuid(), ${source.zone}::uuid, ${source.id}::uuid,
      ${start}::bigint + n * ${step}::bigint, ${start}::bigint + (n + 1) * ${step}::bigint, 'planned', 0, 0
    FROM generate_series(0, ${count - 1}) n`
  yield* sql`
    INSERT INTO windows (customer_id, source_id, from_ms, to_ms, job_id, follows)
    SELECT customer_id, source_id, from_ms, to_ms, id, nullif(from_ms, ${start}::bigint)
    FROM log_jobs WHERE source_id = ${source.id}`
})
