/**
 * Attacks every invariant of the schema with plain SQL, as the application's role: whatever the code does, a wrong row
 * cannot be committed.
 */
import { assert, describe, layer } from "@effect/vitest"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { jobIdOf, transitions } from "@rainlogs/core/domain/LogJob"
import type { Source } from "@rainlogs/core/domain/Source"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { Effect, Predicate } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { randomUUID } from "node:crypto"
import { readMigrations } from "../../../../scripts/embed-migrations.ts"
import * as Migrations from "../../src/database/Migrations.ts"
import { withCustomer } from "../../src/database/Tenant.ts"
import * as TestDatabase from "../TestDatabase.ts"
import {
  digest,
  eventFor,
  leaseOrDie,
  Live,
  live,
  makeCustomer,
  makeOne,
  makeSource,
  objectFor,
  plan,
  readTiles,
  start,
  step,
  windowAt
} from "./fixtures.ts"

/** What the server says to a statement that must fail: SQLSTATE, constraint and message in one line. */
const refusal = (error: SqlError.SqlError): string => {
  const { cause } = error.reason
  if (!Predicate.isObject(cause)) return error.message
  return ["code", "constraint", "message"]
    .map((name) => Predicate.hasProperty(cause, name) && cause[name] !== undefined ? String(cause[name]) : "-")
    .join(" ")
}

/** The source with three windows: the first committed, the others planned. */
const makeTimeline = Effect.gen(function*() {
  const { customer, source } = yield* makeOne
  yield* plan(source, [windowAt(0), windowAt(1), windowAt(2)])
  const leased = yield* leaseOrDie(customer.id, jobAt(source, 0), start)
  yield* (yield* WindowLedger).commit(leased, objectFor(leased), start)
  return source
})

const jobAt = (source: Source, index: number) => jobIdOf(source.origin, source.zone, source.name, windowAt(index))

/** Runs statements in one transaction of the source's customer and returns the server's refusal. */
const attack = (
  source: Source,
  statements: (sql: SqlClient.SqlClient) => ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>
) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const before = yield* readTiles(source)
    const error = yield* Effect.flip(
      Effect.forEach(statements(sql), (statement) => statement, { discard: true }).pipe(withCustomer(source.customer))
    )
    assert.deepStrictEqual(yield* readTiles(source), before)
    return refusal(error)
  })

const insertJob = (sql: SqlClient.SqlClient, source: Source, id: string, from: number, to: number, more: object = {}) =>
  sql`INSERT INTO log_jobs ${
    sql.insert({
      customer_id: source.customer,
      id,
      zone_id: source.zone,
      source_id: source.id,
      from_ms: from,
      to_ms: to,
      state: "planned",
      created_ms: start,
      updated_ms: start,
      ...more
    })
  }`

const insertTile = (
  sql: SqlClient.SqlClient,
  source: Source,
  job: string,
  from: number,
  to: number,
  follows: number | null
) =>
  sql`INSERT INTO windows ${
    sql.insert({ customer_id: source.customer, source_id: source.id, job_id: job, from_ms: from, to_ms: to, follows })
  }`

/** A tile with its job. */
const insertBoth = (sql: SqlClient.SqlClient, source: Source, from: number, to: number, follows: number | null) => {
  const id = randomUUID()
  return [insertJob(sql, source, id, from, to), insertTile(sql, source, id, from, to, follows)]
}

const end = start + 3 * step

describe("the schema", { timeout: 60_000 }, () => {
  layer(Live, live)((it) => {
    describe("tiles", () => {
      it.effect("overlap is impossible", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          assert.include(
            yield* attack(source, (sql) => insertBoth(sql, source, end - step, end, end - step)),
            "windows_pkey"
          )
          assert.include(
            yield* attack(source, (sql) => insertBoth(sql, source, end - 1, end + step, end - 1)),
            "windows_no_hole"
          )
          assert.include(
            yield* attack(source, (sql) => insertBoth(sql, source, end - 1, end, end - 1)),
            "windows_to_key"
          )
          assert.include(yield* attack(source, (sql) => insertBoth(sql, source, start + 1, end + 1, null)), "windows")
        }))

      it.effect("a hole is impossible, also by removing a tile", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          assert.include(
            yield* attack(source, (sql) => insertBoth(sql, source, end + 1, end + step, end + 1)),
            "windows_no_hole"
          )
          assert.include(
            yield* attack(source, (sql) => insertBoth(sql, source, end + 1, end + step, end)),
            "windows_follow"
          )
          for (const index of [0, 1, 2]) {
            const refused = yield* attack(
              source,
              (sql) => [sql`DELETE FROM windows WHERE job_id = ${jobAt(source, index)}`]
            )
            assert.match(refused, /^23503 (log_jobs_has_tile|windows_no_hole|timelines_end) /)
          }
        }))

      it.effect("a second beginning, or one elsewhere than the source's start, is impossible", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          assert.include(
            yield* attack(source, (sql) => insertBoth(sql, source, end, end + step, null)),
            "windows_one_first"
          )
          const { source: empty } = yield* makeOne
          assert.include(
            yield* attack(empty, (sql) => insertBoth(sql, empty, start + step, start + 2 * step, null)),
            "windows_first_at_start"
          )
          assert.include(
            yield* attack(empty, (sql) => insertBoth(sql, empty, start + step, start + 2 * step, start + step)),
            "windows_no_hole"
          )
        }))

      it.effect("the start of a source stays where its first window begins", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          const database = yield* TestDatabase.TestDatabase
          const error = yield* Effect.flip(
            Effect.flatMap(SqlClient.SqlClient, (sql) =>
              sql`UPDATE sources SET starts_at_ms = starts_at_ms - 1 WHERE id = ${source.id}`).pipe(database.asOwner)
          )
          assert.include(refusal(error), "windows_first_at_start")
        }))

      it.effect("the end of a timeline is not cut off by closing its last job without a successor", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          const refused = yield* attack(source, (sql) => [
            sql`UPDATE log_jobs SET state = 'split' WHERE id = ${jobAt(source, 2)}`,
            sql`DELETE FROM windows WHERE job_id = ${jobAt(source, 2)}`
          ])
          assert.include(refused, "timelines_end")
        }))

      it.effect("an empty or reversed window is impossible", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          assert.include(yield* attack(source, (sql) => insertBoth(sql, source, end, end, end)), "log_jobs_window")
          assert.include(
            yield* attack(source, (sql) => [insertTile(sql, source, randomUUID(), end, end - 1, end)]),
            "windows_positive"
          )
        }))

      it.effect("a live job without a tile, a tile without a live job, and one of another extent are impossible", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          assert.include(
            yield* attack(source, (sql) => [insertJob(sql, source, randomUUID(), end, end + step)]),
            "log_jobs_has_tile"
          )
          assert.include(
            yield* attack(source, (sql) => [insertTile(sql, source, randomUUID(), end, end + step, end)]),
            "windows_live_job"
          )
          const id = randomUUID()
          assert.include(
            yield* attack(source, (sql) => [
              insertJob(sql, source, id, end, end + step),
              insertTile(sql, source, id, end, end + step + 1, end)
            ]),
            "windows_live_job"
          )
          assert.include(
            yield* attack(source, (sql) => [sql`UPDATE log_jobs SET state = 'split' WHERE id = ${jobAt(source, 1)}`]),
            "windows_live_job"
          )
        }))

      it.effect("of several writers that extend the same timeline at once, with plain SQL, one wins", () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const source = yield* makeTimeline
          const outcomes = yield* Effect.forEach(
            Array.from({ length: 6 }, (_, i) => i),
            (i) =>
              Effect.forEach(insertBoth(sql, source, end, end + step + i, end), (statement) => statement).pipe(
                withCustomer(source.customer),
                Effect.result
              ),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(outcomes.filter(({ _tag }) => _tag === "Success").length, 1)
          assert.strictEqual((yield* readTiles(source)).length, 4)
        }))
    })

    describe("jobs", () => {
      it.effect("knows the transitions of the domain's state table and no other", () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const rows = yield* sql<{ state: string; event: string; next: string }>`SELECT * FROM job_transitions`
          const inCode = Object.entries(transitions).flatMap(([state, events]) =>
            Object.entries(events).map(([event, next]) => ({ state, event, next }))
          )
          const key = ({ event, next, state }: { state: string; event: string; next: string }) =>
            `${state} ${event} ${next}`
          assert.deepStrictEqual(rows.map(key).toSorted(), inCode.map(key).toSorted())
        }))

      it.effect("every change of state that the table does not have is refused", () =>
        Effect.gen(function*() {
          const states = Object.keys(transitions)
          for (const [from, events] of Object.entries(transitions)) {
            const allowed = new Set<string>(Object.values(events))
            for (const to of states) {
              // A stored job that stays stored is a renewed lease, no event.
              if (allowed.has(to) || (from === "stored" && to === "stored")) continue
              const source = yield* makeTimeline
              const job = jobAt(source, 1)
              const ledger = yield* WindowLedger
              if (from !== "planned" && from !== "gap") {
                const leased = yield* leaseOrDie(source.customer, job, start, start + 10)
                if (from === "stored") yield* ledger.stored(leased, objectFor(leased), start)
                if (from === "committed") yield* ledger.commit(leased, objectFor(leased), start)
                if (from === "split") yield* ledger.split(leased, leased.job.window.from + 1, start)
              } else if (from === "gap") {
                const document = { sha256: digest(job), size: 1 }
                yield* ledger.declareGap({ source, range: windowAt(1), reason: "expired", detected: start, document })
              }
              const refused = yield* attack(source, (sql) => [sql`
                UPDATE log_jobs SET state = ${to}, fence = fence + ${to === "leased" ? 1 : 0}, updated_ms = ${
                start + 100
              }
                WHERE id = ${job}`])
              assert.match(refused, /^23001 - .*(no transition|does not change|no event)/, `${from} → ${to}`)
            }
          }
        }))

      it.effect("a committed job does not change in any column", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          for (
            const assignment of [
              "records = 3",
              "last_error = 'x'",
              "object_size = 9",
              "updated_ms = updated_ms + 1",
              "fence = fence + 1",
              "not_before_ms = 1"
            ]
          ) {
            const refused = yield* attack(source, (sql) => [
              sql`UPDATE log_jobs SET ${sql.literal(assignment)} WHERE id = ${jobAt(source, 0)}`
            ])
            assert.match(refused, /^23001/, assignment)
          }
        }))

      it.effect("identity and window never change, and the application may not even try", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          const database = yield* TestDatabase.TestDatabase
          for (const column of ["from_ms", "to_ms", "created_ms"]) {
            assert.match(
              yield* attack(
                source,
                (sql) => [sql`UPDATE log_jobs SET ${sql(column)} = 1 WHERE id = ${jobAt(source, 1)}`]
              ),
              /^42501/
            )
            const error = yield* Effect.flip(
              Effect.flatMap(SqlClient.SqlClient, (sql) =>
                sql`UPDATE log_jobs SET ${sql(column)} = ${sql(column)} + 1 WHERE id = ${jobAt(source, 1)}`).pipe(
                  database.asOwner
                )
            )
            assert.include(refusal(error), "identity and window never change")
          }
        }))

      it.effect("is neither deleted nor truncated, by nobody", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          const database = yield* TestDatabase.TestDatabase
          assert.match(yield* attack(source, (sql) => [sql`DELETE FROM log_jobs`]), /^42501/)
          assert.match(yield* attack(source, (sql) => [sql`TRUNCATE log_jobs CASCADE`]), /^42501/)
          const sql = yield* SqlClient.SqlClient
          for (const statement of [sql`DELETE FROM log_jobs`, sql`TRUNCATE log_jobs CASCADE`]) {
            const [text] = statement.compile()
            const error = yield* Effect.flip(
              Effect.flatMap(SqlClient.SqlClient, (owner) => owner.unsafe(text)).pipe(database.asOwner)
            )
            assert.match(refusal(error), /^23001 .*(never deleted|append-only)/)
          }
        }))

      it.effect("starts planned or as a gap, with fence 0", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          const lease = { lease_owner: "w", lease_until_ms: start }
          for (const more of [{ state: "leased", ...lease }, { fence: 3 }, { attempts: 1 }, { state: "split" }]) {
            const refused = yield* attack(source, (sql) => [insertJob(sql, source, randomUUID(), end, end + 1, more)])
            assert.match(refused, /^23001 .*starts as planned/)
          }
        }))

      it.effect("the fence grows by one with each lease and never else; a held lease is not taken", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          const job = jobAt(source, 1)
          const lease = (sql: SqlClient.SqlClient, grow: number, at: number) => [
            sql`UPDATE log_jobs SET state = 'leased', fence = fence + ${grow}, lease_owner = 'thief',
              lease_until_ms = ${at + 100}, updated_ms = ${at} WHERE id = ${job}`
          ]
          for (const grow of [0, 2]) assert.include(yield* attack(source, (sql) => lease(sql, grow, start)), "adds one")
          yield* leaseOrDie(source.customer, job, start, start + 100)
          assert.include(yield* attack(source, (sql) => lease(sql, 1, start + 99)), "has not run out")
          assert.include(
            yield* attack(source, (sql) => [sql`UPDATE log_jobs SET fence = fence - 1 WHERE id = ${job}`]),
            "adds one"
          )
          assert.include(
            yield* attack(source, (sql) => [sql`UPDATE log_jobs SET lease_owner = 'thief' WHERE id = ${job}`]),
            "without an event"
          )
        }))

      it.effect("a state has its columns: leases, objects, gaps", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          const job = jobAt(source, 1)
          const set = (assignments: string) => (sql: SqlClient.SqlClient) => [
            sql`UPDATE log_jobs SET ${sql.literal(assignments)} WHERE id = ${job}`
          ]
          assert.include(yield* attack(source, set("state = 'leased', fence = fence + 1")), "log_jobs_lease")
          assert.include(yield* attack(source, set("state = 'gap'")), "log_jobs_gap")
          yield* leaseOrDie(source.customer, job, start)
          assert.include(yield* attack(source, set("state = 'stored'")), "log_jobs_object_present")
          assert.include(
            yield* attack(source, set("state = 'committed', lease_owner = NULL, lease_until_ms = NULL")),
            "log_jobs_object_present"
          )
          assert.include(yield* attack(source, set("state = 'planned'")), "log_jobs_lease")
          assert.include(
            yield* attack(source, set("state = 'stored', object_key = 'x', object_sha256 = sha256('a')")),
            "log_jobs_object_whole"
          )
          const object =
            "state = 'stored', object_sha256 = sha256('a'), object_size = 1, codec = 'zstd', records = 1, " +
            "plain_size = 1, fidelity = 'complete', object_key = 'logs/x', "
          assert.include(
            yield* attack(source, set(`${object} encryption = 'none', dek = 'x'`)),
            "log_jobs_object_encryption"
          )
          assert.include(
            yield* attack(source, set(`${object.replace("records = 1", "records = 0")} encryption = 'none'`)),
            "log_jobs_object_empty"
          )
        }))

      it.effect("a committed job has its ledger entry, with the same object, and an object entry has its committed job", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          const job = jobAt(source, 1)
          const leased = yield* leaseOrDie(source.customer, job, start)
          yield* (yield* WindowLedger).stored(leased, objectFor(leased), start)
          assert.include(
            yield* attack(source, (sql) => [
              sql`UPDATE log_jobs SET state = 'committed', lease_owner = NULL, lease_until_ms = NULL WHERE id = ${job}`
            ]),
            "log_jobs_in_ledger"
          )
          const { zone } = yield* makeSource({
            id: source.customer,
            origin: source.origin,
            name: "x",
            createdAt: start
          })
          assert.include(
            yield* attack(source, (sql) => [insertEntry(sql, source, { leaf: 1, kind: "object", chain: zone, job })]),
            "ledger_entries_object_committed"
          )
        }))

      it.effect("one customer's rows never refer to another's", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          const { source: other } = yield* makeOne
          const mixed = { ...source, id: other.id, zone: other.zone }
          const refused = yield* attack(source, (sql) => [insertJob(sql, mixed, randomUUID(), start, start + 1)])
          assert.match(refused, /^23503 log_jobs_customer_id_zone_id_source_id_fkey/)
          const secondZone = yield* makeSource({
            id: source.customer,
            origin: source.origin,
            name: "x",
            createdAt: start
          })
          const wrongZone = { ...source, zone: secondZone.zone }
          assert.match(
            yield* attack(source, (sql) => [insertJob(sql, wrongZone, randomUUID(), start, start + 1)]),
            /^23503 log_jobs_customer_id_zone_id_source_id_fkey/
          )
        }))
    })

    describe("counters", () => {
      it.effect("are written by nobody but the triggers", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          for (
            const statement of [
              "UPDATE timelines SET planned = 0",
              "DELETE FROM timelines",
              "INSERT INTO timelines DEFAULT VALUES"
            ]
          ) {
            assert.match(yield* attack(source, (sql) => [sql.unsafe(statement)]), /^42501/)
          }
          const database = yield* TestDatabase.TestDatabase
          const error = yield* Effect.flip(
            Effect.flatMap(SqlClient.SqlClient, (sql) =>
              sql`UPDATE timelines SET last_to_ms = last_to_ms - 1 WHERE source_id = ${source.id}`).pipe(
                database.asOwner
              )
          )
          assert.include(refusal(error), "never moves back")
        }))
    })

    describe("the ledger", () => {
      it.effect("is not updated, deleted or truncated, by the application or by the owner", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          const database = yield* TestDatabase.TestDatabase
          for (
            const statement of [
              "UPDATE ledger_entries SET time_ms = time_ms",
              "DELETE FROM ledger_entries",
              "TRUNCATE ledger_entries CASCADE"
            ]
          ) {
            assert.match(yield* attack(source, (sql) => [sql.unsafe(statement)]), /^42501/)
            const error = yield* Effect.flip(
              Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(statement)).pipe(database.asOwner)
            )
            assert.match(refusal(error), /^23001 .*(append-only|never deleted)/)
          }
        }))

      it.effect("a gap or a fork in leaf and sequence numbers, and a wrong link, are impossible", () =>
        Effect.gen(function*() {
          const source = yield* makeOne.pipe(Effect.map(({ source }) => source))
          const ledger = { customer: source.customer, origin: source.origin }
          const store = yield* LedgerStore
          for (const text of ["one", "two"]) yield* store.append(ledger, eventFor(ledger.origin, text), start)
          const { heads } = yield* store.snapshot(ledger)
          const head = heads[0]?.head ?? ""
          const next = { leaf: 2, seq: 2, prev: head }
          const refused = (place: Partial<typeof next>, more: object = {}) =>
            attack(source, (sql) => [insertEntry(sql, source, { ...next, ...place, ...more })])
          assert.include(yield* refused({ leaf: 3 }), "ledger_entries_no_leaf_missing")
          assert.include(yield* refused({ leaf: 1 }), "ledger_entries_pkey")
          assert.include(yield* refused({ seq: 3 }), "ledger_entries_linked")
          assert.match(yield* refused({ seq: 1 }), /ledger_entries_(seq|prev|link)_key/)
          assert.include(yield* refused({ prev: digest("elsewhere") }), "ledger_entries_linked")
          assert.include(yield* refused({ seq: 0, prev: digest("elsewhere") }), "ledger_entries_genesis_prev")
          assert.include(yield* refused({}, { hash: digest("wrong") }), "ledger_entries_hash")
          assert.include(yield* refused({}, { leafHash: digest("wrong") }), "ledger_entries_leaf_hash")
          assert.include(yield* refused({}, { text: "rainlogs-entry/v1\n" }), "ledger_entries_text")
          assert.include(yield* refused({}, { tail: "x".repeat(65_536) }), "ledger_entries_length")
          assert.include(yield* refused({}, { time: start - 1 }), "before that of the leaf before")
          assert.include(yield* refused({}, { chain: source.zone }), "ledger_entries")
          assert.include(yield* refused({}, { kind: "nonsense" }), "ledger_entries_kind_check")
          assert.include(yield* refused({}, { origin: "other.example/t/x" }), "ledger_entries")
          const again = eventFor(ledger.origin, "one").job
          assert.match(yield* refused({}, { job: again }), /ledger_entries_job(_object)?_key/)
          // The same helper with nothing wrong is accepted: the refusals above are for their reasons.
          const sql = yield* SqlClient.SqlClient
          yield* insertEntry(sql, source, next).pipe(withCustomer(source.customer))
        }))
    })

    describe("row-level security", () => {
      const tables = ["customers", "api_keys", "zones", "sources", "log_jobs", "windows", "timelines", "ledger_entries"]

      it.effect("is enabled and forced on every table of a customer", () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const rows = yield* sql<{ name: string; enabled: boolean; forced: boolean }>`
            SELECT relname AS name, relrowsecurity AS enabled, relforcerowsecurity AS forced
            FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`
          const open = rows.filter(({ enabled, forced }) => !enabled || !forced).map(({ name }) => name).toSorted()
          assert.deepStrictEqual(open, ["job_transitions", "rainlogs_migrations"])
          const bound = rows.filter(({ enabled, forced }) => enabled && forced).map(({ name }) => name).toSorted()
          assert.deepStrictEqual(bound, tables.toSorted())
        }))

      it.effect("with the WHERE forgotten a customer sees and changes its own rows only", () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const mine = yield* makeTimeline
          const theirs = yield* makeTimeline
          for (const table of [...tables, "source_timelines", "source_progress"]) {
            const owner = table === "customers" ? "id" : "customer_id"
            const seen = yield* sql<{ owner: string }>`SELECT DISTINCT ${sql(owner)} AS owner FROM ${sql(table)}`.pipe(
              withCustomer(mine.customer)
            )
            assert.deepStrictEqual(seen, [{ owner: mine.customer }], table)
            assert.deepStrictEqual(yield* sql`SELECT FROM ${sql(table)}`, [], `${table} without a customer`)
          }
          yield* sql`UPDATE sources SET window_ms = 1`.pipe(withCustomer(mine.customer))
          yield* sql`UPDATE zones SET name = 'taken'`.pipe(withCustomer(mine.customer))
          const untouched = yield* sql<{ window_ms: bigint; name: string }>`
            SELECT s.window_ms, z.name FROM sources s JOIN zones z ON z.id = s.zone_id`.pipe(
            withCustomer(theirs.customer)
          )
          assert.deepStrictEqual(untouched, [{ window_ms: BigInt(step), name: "shop.example.com" }])
        }))

      it.effect("a row of another customer is not written", () =>
        Effect.gen(function*() {
          const mine = yield* makeTimeline
          const theirs = yield* makeTimeline
          const other = yield* makeCustomer
          const forged = { ...mine, customer: theirs.customer }
          for (
            const statements of [
              (sql: SqlClient.SqlClient) => [insertJob(sql, forged, randomUUID(), end, end + 1)],
              (sql: SqlClient.SqlClient) => [insertTile(sql, forged, randomUUID(), end, end + 1, end)],
              (sql: SqlClient.SqlClient) => [insertEntry(sql, forged, {})],
              (sql: SqlClient.SqlClient) => [
                sql`INSERT INTO customers ${
                  sql.insert({ id: other.id, name: "x", origin: `a.example/t/${other.id}`, created_ms: start })
                }`
              ],
              (sql: SqlClient.SqlClient) => [
                sql`INSERT INTO api_keys ${
                  sql.insert({
                    customer_id: other.id,
                    prefix: randomUUID(),
                    sha256: new Uint8Array(32),
                    created_ms: start
                  })
                }`
              ]
            ]
          ) assert.match(yield* attack(mine, statements), /^42501 .*row-level security/)
        }))

      it.effect("the application is bound by it and may not change the schema", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          for (
            const statement of [
              "ALTER TABLE log_jobs DISABLE ROW LEVEL SECURITY",
              "ALTER TABLE ledger_entries DISABLE TRIGGER ALL",
              "DROP TABLE ledger_entries",
              "CREATE TABLE mine (x int)",
              "SET ROLE postgres",
              "SET ROLE rainlogs_scheduler",
              "SET session_replication_role = replica"
            ]
          ) assert.match(yield* attack(source, (sql) => [sql.unsafe(statement)]), /^42501/, statement)
        }))

      it.effect("binds an owner that is no superuser too, who can install the schema all the same", () =>
        Effect.gen(function*() {
          const { asOwner: administer, database } = yield* TestDatabase.make("empty")
          const owner = `owner_${database}`
          yield* Effect.gen(function*() {
            const sql = yield* SqlClient.SqlClient
            yield* sql`CREATE ROLE ${sql(owner)} CREATEROLE`
            yield* sql`GRANT rainlogs_app, rainlogs_scheduler TO ${sql(owner)} WITH ADMIN OPTION`
            yield* sql`ALTER DATABASE ${sql(database)} OWNER TO ${sql(owner)}`
            yield* sql`SET ROLE ${sql(owner)}`
            yield* Migrations.migrate(readMigrations())
            const id = randomUUID()
            yield* sql`INSERT INTO customers ${
              sql.insert({ id, name: "x", origin: `a.example/t/${id}`, created_ms: start })
            }`.pipe(withCustomer(id))
            assert.deepStrictEqual(yield* sql`SELECT id FROM customers`, [])
            yield* sql`SET ROLE rainlogs_app`
            assert.deepStrictEqual(yield* sql`SELECT customer_id FROM all_ledgers()`, [{ customer_id: id }])
          }).pipe(administer)
        }).pipe(Effect.scoped))

      it.effect("what looks across customers is owned by a role that reads these columns and nothing else", () =>
        Effect.gen(function*() {
          const database = yield* TestDatabase.TestDatabase
          yield* Effect.gen(function*() {
            const sql = yield* SqlClient.SqlClient
            const functions = yield* sql<{ name: string; owner: string; path: string }>`
              SELECT proname::text AS name, proowner::regrole::text AS owner, array_to_string(proconfig, ' ') AS path
              FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace AND prorettype <> 'trigger'::regtype
              ORDER BY proname`
            assert.deepStrictEqual(
              functions.map(({ name }) => name),
              ["active_timelines", "all_ledgers", "all_progress", "blocked_zones", "due_jobs", "find_api_key"]
            )
            for (const { owner, path } of functions) {
              assert.strictEqual(owner, "rainlogs_scheduler")
              assert.strictEqual(path, "search_path=public, pg_temp")
            }
            yield* sql`SET ROLE rainlogs_scheduler`
            for (
              const statement of [
                "SELECT token_sealed FROM zones",
                "SELECT object_key FROM log_jobs",
                "SELECT * FROM ledger_entries",
                "UPDATE log_jobs SET updated_ms = 1",
                "DELETE FROM windows"
              ]
            ) assert.match(refusal(yield* Effect.flip(sql.unsafe(statement))), /^42501/, statement)
          }).pipe(database.asOwner)
        }))
    })
  })
})

/** An entry as a forger would write it: consistent, unless told otherwise. */
interface Forgery {
  readonly leaf?: number
  readonly seq?: number
  readonly prev?: string
  readonly chain?: string
  readonly kind?: string
  readonly job?: string
  readonly hash?: string
  readonly leafHash?: string
  readonly text?: string
  readonly tail?: string
  readonly time?: number
  readonly origin?: string
}

const insertEntry = (sql: SqlClient.SqlClient, source: Source, forgery: Forgery) => {
  const { chain = "control", job = randomUUID(), kind = "policy", leaf = 0, origin = source.origin, seq = 0 } = forgery
  const object = digest("forged")
  const time = forgery.time ?? start
  const prev = forgery.prev === undefined
    ? sql`sha256(convert_to(concat('rainlogs-genesis/v1', E'\n', ${origin}::text, E'\n', ${chain}::text, E'\n'), 'UTF8'))`
    : sql`decode(${forgery.prev}, 'hex')`
  return sql`
    WITH given AS (SELECT ${prev} AS prev, decode(${object}, 'hex') AS object),
    linked AS (
      SELECT *, coalesce(decode(${
    forgery.hash ?? null
  }, 'hex'), sha256(prev || object || convert_to(${job}, 'UTF8'))) AS hash
      FROM given
    ), printed AS (
      SELECT *, coalesce(convert_to(${forgery.text ?? null}, 'UTF8'),
        ledger_entry_head(${origin}, ${chain}, ${seq}::bigint, ${kind}, ${job}::uuid, prev, object, hash, 1, ${time}::bigint)
          || convert_to(${forgery.tail ?? `event/${object}\n`}, 'UTF8')) AS entry
      FROM linked
    )
    INSERT INTO ledger_entries (customer_id, leaf_index, origin, chain, seq, kind, job_id, prev, object, hash, size,
      time_ms, entry, leaf_hash)
    SELECT ${source.customer}::uuid, ${leaf}::bigint, ${origin}, ${chain}, ${seq}::bigint, ${kind}, ${job}::uuid, prev,
      object, hash, 1, ${time}::bigint, entry,
      coalesce(decode(${forgery.leafHash ?? null}, 'hex'), sha256('\\x00'::bytea || entry))
    FROM printed`
}
