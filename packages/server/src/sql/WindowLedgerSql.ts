/**
 * Adapter: timelines and jobs in PostgreSQL. Here is what only reads; planning and leasing have files of their own.
 */
import { type JobView, type SourceProgress, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { CustomerId, JobId } from "@rainlogs/core/domain/Identifier"
import { Effect, Layer, Option, Schema } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { failAs, inCustomer } from "./CustomerTransaction.ts"
import * as LeaseSql from "./LeaseSql.ts"
import * as PlanSql from "./PlanSql.ts"
import { decodeRows, jobColumns, jobOf, JobViewRow, objectOf, progressColumns, ProgressRow, sourceOf } from "./Row.ts"

const DueRow = Schema.Struct({ customer: CustomerId, job: JobId })

const erasureOf = ({ erasureExecuted, erasureId, erasureState, tombstone }: typeof JobViewRow.Type) =>
  erasureId === null || erasureState === null || tombstone === null
    ? null
    : { id: erasureId, state: erasureState, executed: erasureExecuted, tombstone }

const viewOf = (row: typeof JobViewRow.Type): JobView => ({
  job: jobOf(row, row.sourceName),
  object: row.state === "committed" ? objectOf(row) : null,
  entry: row.leafIndex === null || row.seq === null ? null : { leafIndex: row.leafIndex, seq: row.seq },
  gapReason: row.gapReason,
  erasure: erasureOf(row)
})

const progressOf = (row: typeof ProgressRow.Type): SourceProgress => {
  const { committed, gap, leased, oldestUncommitted, plainBytes, planned, plannedTo, records, split, stored } = row
  return {
    source: sourceOf(row),
    plannedTo,
    windows: { planned, leased, stored, committed, gap, split },
    records,
    plainBytes,
    storedBytes: row.storedBytes,
    oldestUncommitted
  }
}

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const due = (now: number, limit: number) =>
    decodeRows(DueRow)(sql`
      SELECT customer_id AS customer, job_id AS job FROM due_jobs(${now}::bigint, ${limit}::integer)`).pipe(
      failAs("WindowLedger.due")
    )

  // A job that a gap covers shows that gap's reason and entry.
  const views = (where: Statement.Fragment) =>
    decodeRows(JobViewRow)(sql`
      SELECT ${sql.literal(jobColumns)}, s.name AS "sourceName", e.leaf_index AS "leafIndex", e.seq,
        coalesce(j.gap_reason, g.gap_reason) AS "gapReason", r.id AS "erasureId", r.state AS "erasureState",
        r.executed_ms AS "erasureExecuted", encode(coalesce(r.done_document, r.intent_document), 'hex') AS tombstone
      FROM log_jobs j
      JOIN sources s ON s.customer_id = j.customer_id AND s.id = j.source_id
      LEFT JOIN log_jobs g ON g.customer_id = j.customer_id AND g.id = j.superseded_by
      LEFT JOIN ledger_entries e ON e.customer_id = j.customer_id AND e.job_id = coalesce(j.entry_job, j.superseded_by)
      LEFT JOIN erasures r ON r.customer_id = j.customer_id AND r.id = j.erasure_id
      ${where}`)

  // One job a window: those replaced by a split or a gap are reachable by their id only.
  const jobs: WindowLedger["Service"]["jobs"] = (customer, zone, page) =>
    views(sql`
      WHERE j.customer_id = ${customer} AND j.zone_id = ${zone} AND j.tile_job IS NOT NULL
        AND j.from_ms < ${page.before ?? Number.MAX_SAFE_INTEGER}::bigint
      ORDER BY j.from_ms DESC LIMIT ${page.limit}::bigint`).pipe(
      Effect.map((rows) => rows.map(viewOf)),
      inCustomer(sql, "WindowLedger.jobs", customer)
    )

  const job: WindowLedger["Service"]["job"] = (customer, id) =>
    views(sql`WHERE j.customer_id = ${customer} AND j.id = ${id}`).pipe(
      Effect.map((rows) => Option.map(Option.fromNullishOr(rows[0]), viewOf)),
      inCustomer(sql, "WindowLedger.job", customer)
    )

  const progress: WindowLedger["Service"]["progress"] = (customer) => {
    const columns = sql.literal(progressColumns)
    const rows = customer === null
      ? decodeRows(ProgressRow)(sql`SELECT ${columns} FROM all_progress() s`).pipe(failAs("WindowLedger.progress"))
      : decodeRows(ProgressRow)(sql`
          SELECT ${columns} FROM source_progress s WHERE s.customer_id = ${customer} ORDER BY s.source_id`).pipe(
        inCustomer(sql, "WindowLedger.progress", customer)
      )
    return Effect.map(rows, (rows) => rows.map(progressOf))
  }

  return WindowLedger.of({ ...PlanSql.make(sql), ...LeaseSql.make(sql), due, jobs, job, progress })
})

/** The window ledger on the `SqlClient`. */
export const layer: Layer.Layer<WindowLedger, never, SqlClient.SqlClient> = Layer.effect(WindowLedger, make)
