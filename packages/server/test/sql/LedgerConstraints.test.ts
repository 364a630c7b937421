/**
 * Attacks the ledger's rows with plain SQL: nothing is changed, every link is checked.
 */
import { assert, describe, layer } from "@effect/vitest"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { withCustomer } from "../../src/database/Tenant.ts"
import * as TestDatabase from "../TestDatabase.ts"
import { attack, insertEntry, makeTimeline, refusal } from "./attack.ts"
import { digest, eventFor, Live, live, makeOne, start } from "./fixtures.ts"

describe("the schema", { timeout: 60_000 }, () => {
  layer(Live, live)((it) => {
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
  })
})
