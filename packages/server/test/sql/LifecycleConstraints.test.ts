/**
 * Attacks holds, erasures and the windows they name with plain SQL, as a wrong program or an attacker with the
 * application's password would.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { withCustomer } from "../../src/database/Tenant.ts"
import * as TestDatabase from "../TestDatabase.ts"
import { attack, makeHeldTimeline, refusal } from "./attack.ts"
import { jobAt, Live, live, start } from "./fixtures.ts"

const zero = `decode('${"00".repeat(32)}', 'hex')`
const release = (job: string, document = zero) =>
  `UPDATE holds SET release_job = '${job}', release_document = ${document}, released_ms = ${start}`

describe("the schema", { timeout: 60_000 }, () => {
  layer(Live, live)((it) => {
    const refused = Effect.fnUntraced(function*(statements: ReadonlyArray<string>) {
      const source = yield* makeHeldTimeline
      return yield* attack(source, (sql) => statements.map((text) => sql.unsafe(text)))
    })

    /** The same by the owner of the schema, whom no grant holds back. */
    const ownerRefused = Effect.fnUntraced(function*(statement: string) {
      yield* makeHeldTimeline
      const database = yield* TestDatabase.TestDatabase
      return refusal(
        yield* Effect.flip(Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(statement)).pipe(database.asOwner))
      )
    })

    describe("a hold", () => {
      it.effect("is not released without its entry in the ledger, nor in part", () =>
        Effect.gen(function*() {
          assert.include(yield* refused([release(randomUUID())]), "holds_release_in_ledger")
          assert.include(yield* refused([`UPDATE holds SET released_ms = ${start}`]), "holds_released")
          assert.include(
            yield* refused(["UPDATE holds SET release_job = job_id, release_document = document"]),
            "holds_released"
          )
        }))

      it.effect("is released once, and nothing else of it changes, by the application or by the owner", () =>
        Effect.gen(function*() {
          const twice = [
            `UPDATE holds SET release_job = job_id, release_document = document, released_ms = ${start}`,
            `UPDATE holds SET released_ms = ${start + 1}`
          ]
          assert.match(yield* refused(twice), /^23001 .*only its release may be added, once/)
          assert.match(
            yield* refused([
              twice[0] ?? "",
              "UPDATE holds SET release_job = NULL, release_document = NULL, released_ms = NULL"
            ]),
            /^23001/
          )
          for (const change of ["basis = 'other'", "issued_ms = 1", "id = gen_random_uuid()"]) {
            assert.match(yield* refused([`UPDATE holds SET ${change}`]), /^42501/)
            assert.match(yield* ownerRefused(`UPDATE holds SET ${change}`), /^23001 .*only its release/)
          }
        }))

      it.effect("and its scope are not deleted or narrowed", () =>
        Effect.gen(function*() {
          for (
            const [statement, expected] of [
              ["DELETE FROM holds", /released, never deleted/],
              ["DELETE FROM hold_scopes", /scope of a hold never changes/],
              ["UPDATE hold_scopes SET to_ms = to_ms", /scope of a hold never changes/]
            ] as const
          ) {
            assert.match(yield* refused([statement]), /^42501/)
            assert.match(yield* ownerRefused(statement), expected)
          }
        }))

      it.effect("without an entry, over no window or over another customer's zone is not written", () =>
        Effect.gen(function*() {
          const foreign = yield* makeHeldTimeline
          const copied =
            "INSERT INTO holds (customer_id, id, basis, issued_ms, job_id, document) SELECT customer_id, gen_random_uuid(), basis, issued_ms, "
          assert.include(yield* refused([`${copied} gen_random_uuid(), document FROM holds`]), "holds_in_ledger")
          assert.include(yield* refused([`${copied} job_id, ${zero} FROM holds`]), "holds_in_ledger")
          const scope = "INSERT INTO hold_scopes (customer_id, hold_id, chain, from_ms, to_ms) SELECT customer_id, id, "
          assert.include(yield* refused([`${scope} '*', 5, 5 FROM holds`]), "hold_scopes_window")
          assert.match(yield* refused([`${scope} '${foreign.zone}', 0, 5 FROM holds`]), /^23503 hold_scopes_/)
        }))
    })

    describe("an erasure", () => {
      it.effect("is announced, executing, done, in this order, and done with its entry only", () =>
        Effect.gen(function*() {
          const done = `state = 'done', done_job = intent_job, done_document = intent_document, executed_ms = ${start}`
          assert.match(yield* refused([`UPDATE erasures SET ${done}`]), /^23001 .*no transition from announced to done/)
          const begin = "UPDATE erasures SET state = 'executing'"
          assert.include(yield* refused([begin, "UPDATE erasures SET state = 'done'"]), "erasures_done")
          assert.include(yield* refused([begin, `UPDATE erasures SET executed_ms = ${start}`]), "erasures_done")
          assert.include(
            yield* refused([
              begin,
              `UPDATE erasures SET ${done.replace("done_job = intent_job", "done_job = gen_random_uuid()")}`
            ]),
            "erasures_done_in_ledger"
          )
          for (const back of ["announced", "executing", "done"]) {
            assert.match(
              yield* refused([begin, `UPDATE erasures SET ${done}`, `UPDATE erasures SET state = '${back}'`]),
              /^(23001|23514) /
            )
          }
          assert.match(
            yield* refused([begin, "UPDATE erasures SET state = 'announced'"]),
            /from executing to announced/
          )
        }))

      it.effect("never changes what was announced and is never forgotten", () =>
        Effect.gen(function*() {
          for (
            const change of [
              "reason = 'tenant-exit'",
              "method = 'crypto-erase'",
              "not_before_ms = 0",
              "requested_ms = 0",
              "targets = 2",
              "basis = 'other'",
              `policy = ${zero}`,
              `intent_document = ${zero}`
            ]
          ) {
            assert.match(yield* refused([`UPDATE erasures SET ${change}`]), /^42501/)
            assert.match(
              yield* ownerRefused(`UPDATE erasures SET ${change}, state = 'executing'`),
              /^23001 .*what was announced never changes/
            )
          }
          assert.match(yield* refused(["DELETE FROM erasures"]), /^42501/)
          assert.match(yield* ownerRefused("DELETE FROM erasures"), /executed, never forgotten/)
        }))

      it.effect("without an entry, or of nothing, is not written", () =>
        Effect.gen(function*() {
          const copied = (intent: string, targets: string) =>
            `INSERT INTO erasures (customer_id, id, state, reason, method, basis, policy, requested_ms, not_before_ms,
              targets, intent_job, intent_document, updated_ms)
            SELECT customer_id, gen_random_uuid(), 'announced', reason, method, basis, policy, requested_ms,
              not_before_ms, ${targets}, ${intent}, intent_document, updated_ms FROM erasures`
          assert.include(yield* refused([copied("gen_random_uuid()", "1")]), "erasures_intent_in_ledger")
          assert.include(yield* refused([copied("intent_job", "0")]), "erasures_targets_check")
        }))

      it.effect("names committed windows of its own customer, each for good", () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const [mine, theirs] = [yield* makeHeldTimeline, yield* makeHeldTimeline]
          const [foreign] = yield* sql<{ id: string }>`SELECT id FROM erasures`.pipe(withCustomer(theirs.customer))
          const [own] = yield* sql<{ id: string }>`SELECT id FROM erasures`.pipe(withCustomer(mine.customer))
          const name = (index: number, erasure: string | null) =>
            attack(mine, (sql) => [sql`UPDATE log_jobs SET erasure_id = ${erasure} WHERE id = ${jobAt(mine, index)}`])
          assert.match(yield* name(0, null), /^23001 .*its erasure never changes/)
          assert.match(yield* name(0, foreign?.id ?? ""), /^23001 .*its erasure never changes/)
          assert.include(yield* name(1, own?.id ?? ""), "log_jobs_erased")
          const insteadOfNone = yield* attack(theirs, (sql) => [
            sql`UPDATE log_jobs SET erasure_id = ${own?.id ?? ""} WHERE id = ${jobAt(theirs, 1)}`
          ])
          assert.match(insteadOfNone, /log_jobs_eras/)
        }))
    })
  })
})
