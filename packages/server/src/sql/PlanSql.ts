/**
 * The planner's half of the window ledger: extending timelines, finding what was never collected, declaring gaps.
 */
import {
  type GapRecord,
  type Timeline,
  TimelineMoved,
  type UncollectedRun,
  type WindowLedger
} from "@rainlogs/core/archive/WindowLedger"
import { JobId } from "@rainlogs/core/domain/Identifier"
import { eventJobIdOf, JobState } from "@rainlogs/core/domain/LogJob"
import type { Source } from "@rainlogs/core/domain/Source"
import type { Window } from "@rainlogs/core/domain/Window"
import * as Hex from "@rainlogs/verify/Hex"
import { Effect, Option, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { failAs, inCustomer } from "./CustomerTransaction.ts"
import { appendEntry, lockLedger } from "./LedgerAppend.ts"
import { decodeRows, SafeInteger, sourceColumns, sourceOf, TimelineRow } from "./Row.ts"
import { insertPlanned, lockSource, readPlannedTo } from "./Timeline.ts"

const RunRow = Schema.Struct({ from: SafeInteger, to: SafeInteger, closed: Schema.Boolean })

const TileRow = Schema.Struct({ job: JobId, from: SafeInteger, to: SafeInteger, state: JobState })

const CoveringRow = Schema.Struct({ from: SafeInteger, to: SafeInteger })

/** The planner's methods of the window ledger. */
export const make = (
  sql: SqlClient.SqlClient
): Pick<WindowLedger["Service"], "timelines" | "timelinesOf" | "plan" | "uncollected" | "declareGap" | "resize"> => {
  const columns = sql.literal(`${sourceColumns}, s.planned_to_ms AS "plannedTo"`)

  const timelinesFrom = (statement: Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>) =>
    Effect.map(
      decodeRows(TimelineRow)(statement),
      (rows) => rows.map((row): Timeline => ({ source: sourceOf(row), plannedTo: row.plannedTo }))
    )

  const timelines = timelinesFrom(sql`SELECT ${columns} FROM active_timelines() s`).pipe(
    failAs("WindowLedger.timelines")
  )

  const timelinesOf: WindowLedger["Service"]["timelinesOf"] = (customer, zone) =>
    timelinesFrom(sql`
      SELECT ${columns} FROM source_timelines s
      WHERE s.customer_id = ${customer} AND s.zone_id = ${zone} ORDER BY s.source_id`).pipe(
      inCustomer(sql, "WindowLedger.timelinesOf", customer)
    )

  const lockTimeline = Effect.fnUntraced(function*(source: Source) {
    const locked = yield* lockSource(sql, source.customer, source.id)
    if (Option.isNone(locked)) return yield* new TimelineMoved({ source: source.id })
    const { startsAt } = locked.value
    return { startsAt, plannedTo: yield* readPlannedTo(sql, source.customer, source.id, startsAt) }
  })

  const plan = (timeline: Timeline, windows: ReadonlyArray<Window>, now: number) =>
    Effect.gen(function*() {
      const { source } = timeline
      const { plannedTo, startsAt } = yield* lockTimeline(source)
      if (plannedTo !== timeline.plannedTo) return yield* new TimelineMoved({ source: source.id })
      yield* insertPlanned(sql, source, startsAt, windows, now)
    }).pipe(inCustomer(sql, "WindowLedger.plan", timeline.source.customer))

  // Planned windows are numbered in runs by counting the places where one does not start at the end of the one before.
  const uncollected = (source: Source, before: number) =>
    decodeRows(RunRow)(sql`
      WITH waiting AS (
        SELECT from_ms, to_ms, from_ms IS DISTINCT FROM lag(to_ms) OVER (ORDER BY from_ms) AS starts_run
        FROM log_jobs
        WHERE customer_id = ${source.customer} AND source_id = ${source.id} AND state = 'planned'
          AND from_ms < ${before}::bigint
      ), numbered AS (
        SELECT from_ms, to_ms, count(*) FILTER (WHERE starts_run) OVER (ORDER BY from_ms) AS run FROM waiting
      ), runs AS (
        SELECT min(from_ms::bigint) AS from_ms, max(to_ms::bigint) AS to_ms FROM numbered GROUP BY run
      )
      SELECT r.from_ms AS "from", r.to_ms AS "to", coalesce(j.state IN ('committed', 'gap'), false) AS closed
      FROM runs r
      LEFT JOIN windows w ON w.customer_id = ${source.customer} AND w.source_id = ${source.id} AND w.from_ms = r.to_ms
      LEFT JOIN log_jobs j ON j.customer_id = w.customer_id AND j.id = w.job_id
      ORDER BY r.from_ms`).pipe(
      Effect.map((rows) =>
        rows.map(({ closed, from, to }): UncollectedRun => ({ source, range: { from, to }, closed }))
      ),
      inCustomer(sql, "WindowLedger.uncollected", source.customer)
    )

  /** The tiles that a gap covers, the first and the last of them perhaps in part; none if it may not cover them. */
  const readCovered = Effect.fnUntraced(function*({ range, source }: GapRecord, plannedTo: number) {
    const tiles = yield* decodeRows(TileRow)(sql`
      SELECT w.job_id AS job, w.from_ms AS "from", w.to_ms AS "to", j.state
      FROM windows w JOIN log_jobs j ON j.customer_id = w.customer_id AND j.id = w.job_id
      WHERE w.customer_id = ${source.customer} AND w.source_id = ${source.id}
        AND w.to_ms > ${range.from}::bigint AND w.from_ms < ${range.to}::bigint
      ORDER BY w.from_ms`)
    const first = tiles[0]
    const joins = first === undefined ? range.from === plannedTo : first.from <= range.from
    return joins && tiles.every(({ state }) => state === "planned") ? Option.some(tiles) : Option.none()
  })

  /** Replaces the covered tiles by the gap's one tile and the planned rests of cut ones. */
  const replaceTiles = Effect.fnUntraced(
    function*(gap: GapRecord, job: JobId, startsAt: number, covered: ReadonlyArray<typeof TileRow.Type>) {
      const { detected, document, range, reason, source } = gap
      if (covered.length > 0) {
        const ids = covered.map((tile) => tile.job)
        yield* sql`
          UPDATE log_jobs SET state = 'gap', superseded_by = ${job}, updated_ms = ${detected}
          WHERE customer_id = ${source.customer} AND id = ANY (${ids}::uuid[])`
        yield* sql`
          DELETE FROM windows WHERE customer_id = ${source.customer} AND source_id = ${source.id}
            AND job_id = ANY (${ids}::uuid[])`
      }
      yield* sql`INSERT INTO log_jobs ${
        sql.insert({
          customer_id: source.customer,
          id: job,
          zone_id: source.zone,
          source_id: source.id,
          from_ms: range.from,
          to_ms: range.to,
          state: "gap",
          gap_reason: reason,
          gap_detected_ms: detected,
          gap_document_sha256: Hex.decode(document.sha256, 32),
          created_ms: detected,
          updated_ms: detected
        })
      }`
      yield* sql`INSERT INTO windows ${
        sql.insert({
          customer_id: source.customer,
          source_id: source.id,
          from_ms: range.from,
          to_ms: range.to,
          job_id: job,
          follows: range.from === startsAt ? null : range.from
        })
      }`
      const rests = [
        { from: covered[0]?.from ?? range.from, to: range.from },
        { from: range.to, to: covered.at(-1)?.to ?? range.to }
      ].filter(({ from, to }) => from < to)
      yield* insertPlanned(sql, source, startsAt, rests, detected)
    }
  )

  const declareGap = (gap: GapRecord) =>
    Effect.gen(function*() {
      const { detected, document, range, source } = gap
      // Named after its document, as its ledger entry is: the same gap declared again is the same job.
      const job = eventJobIdOf(source.origin, document.sha256)
      yield* lockLedger(sql, source)
      const { plannedTo, startsAt } = yield* lockTimeline(source)
      const [declared] = yield* decodeRows(CoveringRow)(sql`
        SELECT from_ms AS "from", to_ms AS "to" FROM log_jobs
        WHERE customer_id = ${source.customer} AND source_id = ${source.id} AND id = ${job}`)
      if (declared !== undefined && declared.from === range.from && declared.to === range.to) return
      const covered = yield* readCovered(gap, plannedTo)
      if (Option.isNone(covered)) return yield* new TimelineMoved({ source: source.id })
      yield* replaceTiles(gap, job, startsAt, covered.value)
      yield* appendEntry(sql, source, { kind: "gap", chain: "control", job, document }, detected)
    }).pipe(inCustomer(sql, "WindowLedger.declareGap", gap.source.customer))

  const resize: WindowLedger["Service"]["resize"] = (source, customer, windowMs) =>
    sql`UPDATE sources SET window_ms = ${windowMs} WHERE customer_id = ${customer} AND id = ${source}`.pipe(
      Effect.asVoid,
      inCustomer(sql, "WindowLedger.resize", customer)
    )

  return { timelines, timelinesOf, plan, uncollected, declareGap, resize }
}
