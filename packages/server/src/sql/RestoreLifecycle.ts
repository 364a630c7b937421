/**
 * Puts a hold, a release or a tombstone of the ledger back into the tables, in the order of the ledger: what the
 * transaction that appended the entry wrote the first time.
 */
import type { CustomerId } from "@rainlogs/core/domain/Identifier"
import type { LifecycleDocument } from "@rainlogs/core/recovery/CustomerRecords"
import type { Entry } from "@rainlogs/verify/Entry"
import * as Hex from "@rainlogs/verify/Hex"
import type { Hold } from "@rainlogs/verify/Hold"
import type { Release } from "@rainlogs/verify/Release"
import type { Tombstone } from "@rainlogs/verify/Tombstone"
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import { announcedRow } from "./ErasureStoreSql.ts"
import { holdRow, insertScopes } from "./HoldStoreSql.ts"

const insertHold = Effect.fnUntraced(
  function*(sql: SqlClient.SqlClient, customer: CustomerId, entry: Entry, hold: Hold) {
    // A hold that was placed again under the id of an active one is a notice to the verifier, and the first one holds.
    const inserted = yield* sql`INSERT INTO holds ${
      sql.insert(holdRow(customer, hold, { document: entry.object, job: entry.job }))
    } ON CONFLICT DO NOTHING RETURNING id`
    if (inserted.length === 0) return
    yield* insertScopes(sql, customer, hold)
  }
)

const insertRelease = (sql: SqlClient.SqlClient, customer: CustomerId, entry: Entry, release: Release) =>
  sql`UPDATE holds SET released_ms = ${entry.time}, release_job = ${entry.job},
      release_document = ${Hex.decode(entry.object, 32)}
    WHERE customer_id = ${customer} AND id = ${release.hold} AND released_ms IS NULL`

const insertIntent = Effect.fnUntraced(
  function*(sql: SqlClient.SqlClient, customer: CustomerId, entry: Entry, tombstone: Tombstone) {
    yield* sql`INSERT INTO erasures ${
      sql.insert(announcedRow(
        customer,
        { ...tombstone, targets: tombstone.targets.length },
        { job: entry.job, document: entry.object },
        entry.time
      ))
    }`
    const places = JSON.stringify(tombstone.targets.map(({ chain, hash, seq }) => ({ chain, hash, seq })))
    yield* sql`
      UPDATE log_jobs j SET erasure_id = ${tombstone.id}
      FROM jsonb_to_recordset(${places}::jsonb) AS wanted(chain text, hash text, seq bigint)
      JOIN ledger_entries e ON e.customer_id = ${customer} AND e.chain = wanted.chain AND e.seq = wanted.seq
        AND e.hash = decode(wanted.hash, 'hex')
      WHERE j.customer_id = ${customer} AND j.id = e.job_id AND j.erasure_id IS NULL AND j.object_key IS NOT NULL`
  }
)

const insertReport = Effect.fnUntraced(
  function*(sql: SqlClient.SqlClient, customer: CustomerId, entry: Entry, id: string, executed: number) {
    yield* sql`UPDATE erasures SET state = 'executing' WHERE customer_id = ${customer} AND id = ${id}`
    yield* sql`
      UPDATE erasures SET state = 'done', done_job = ${entry.job}, done_document = ${Hex.decode(entry.object, 32)},
        executed_ms = ${executed}, updated_ms = ${entry.time}
      WHERE customer_id = ${customer} AND id = ${id}`
  }
)

/** Restores what one entry says; the entry itself and those before it are there. */
export const restoreLifecycle = Effect.fnUntraced(
  function*(sql: SqlClient.SqlClient, customer: CustomerId, entry: Entry, document: LifecycleDocument) {
    switch (document.kind) {
      case "hold":
        return yield* insertHold(sql, customer, entry, document.hold)
      case "release":
        yield* insertRelease(sql, customer, entry, document.release)
        return
      case "tombstone": {
        const { done, id } = document.tombstone
        return yield* done === null
          ? insertIntent(sql, customer, entry, document.tombstone)
          : insertReport(sql, customer, entry, id, done.executed)
      }
    }
  }
)
