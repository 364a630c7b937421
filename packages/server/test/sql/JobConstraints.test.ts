/**
 * Attacks the jobs' state machine with plain SQL, as the application's role and as the owner.
 */
import { assert, describe, layer } from "@effect/vitest"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { transitions } from "@rainlogs/core/domain/LogJob"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import * as TestDatabase from "../TestDatabase.ts"
import { attack, end, insertEntry, insertJob, makeTimeline, refusal } from "./attack.ts"
import { digest, jobAt, leaseOrDie, Live, live, makeOne, makeSource, objectFor, start, windowAt } from "./fixtures.ts"

describe("the schema", { timeout: 60_000 }, () => {
  layer(Live, live)((it) => {
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
  })
})
