/**
 * Writing tiles: the windows of a source and the jobs that fill them. Everything here runs inside an open transaction of
 * the customer that holds the source ({@link lockSource}), so a timeline has one writer at a time.
 */
import type { CustomerId, SourceId } from "@rainlogs/core/domain/Identifier"
import { jobIdOf } from "@rainlogs/core/domain/LogJob"
import type { Source } from "@rainlogs/core/domain/Source"
import type { Window } from "@rainlogs/core/domain/Window"
import { Effect, Option, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { decodeRows, SafeInteger } from "./Row.ts"

const LockedRow = Schema.Struct({ startsAt: SafeInteger })

/**
 * Waits until nobody else changes the source's timeline or jobs; held until the transaction ends. Whoever also needs
 * the ledger's lock takes that one first: one order for all, so nobody waits in a circle. None if there is no such
 * source.
 */
export const lockSource = (sql: SqlClient.SqlClient, customer: CustomerId, source: SourceId) =>
  decodeRows(LockedRow)(sql`
    SELECT starts_at_ms AS "startsAt" FROM sources
    WHERE customer_id = ${customer} AND id = ${source} FOR NO KEY UPDATE`).pipe(
    Effect.map((rows) => Option.fromNullishOr(rows[0]))
  )

const EndRow = Schema.Struct({ plannedTo: SafeInteger })

/** The end of the last tile of a locked source, or the source's start. */
export const readPlannedTo = Effect.fnUntraced(
  function*(sql: SqlClient.SqlClient, customer: CustomerId, source: SourceId, startsAt: number) {
    const [row] = yield* decodeRows(EndRow)(sql`
      SELECT coalesce(last_to_ms, ${startsAt}::bigint) AS "plannedTo" FROM timelines
      WHERE customer_id = ${customer} AND source_id = ${source}`)
    return row === undefined ? startsAt : row.plannedTo
  }
)

/** Adds tiles with their planned jobs. That they join the others without hole or overlap is checked by constraints. */
export const insertPlanned = Effect.fnUntraced(
  function*(sql: SqlClient.SqlClient, source: Source, startsAt: number, windows: ReadonlyArray<Window>, now: number) {
    if (windows.length === 0) return
    const jobs = windows.map((window) => jobIdOf(source.origin, source.zone, source.name, window))
    const from = windows.map((window) => BigInt(window.from))
    const to = windows.map((window) => BigInt(window.to))
    yield* sql`
      INSERT INTO log_jobs (customer_id, id, zone_id, source_id, from_ms, to_ms, state, created_ms, updated_ms)
      SELECT ${source.customer}::uuid, id, ${source.zone}::uuid, ${source.id}::uuid, from_ms, to_ms, 'planned',
        ${now}::bigint, ${now}::bigint
      FROM unnest(${jobs}::uuid[], ${from}::bigint[], ${to}::bigint[]) AS planned (id, from_ms, to_ms)`
    yield* sql`
      INSERT INTO windows (customer_id, source_id, from_ms, to_ms, job_id, follows)
      SELECT ${source.customer}::uuid, ${source.id}::uuid, from_ms, to_ms, id, nullif(from_ms, ${startsAt}::bigint)
      FROM unnest(${jobs}::uuid[], ${from}::bigint[], ${to}::bigint[]) AS planned (id, from_ms, to_ms)`
  }
)
