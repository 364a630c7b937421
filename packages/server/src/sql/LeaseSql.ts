/**
 * The worker's half of the window ledger: leases and what their holder may write. Every write compares the fence, so a
 * worker whose lease was taken over changes nothing; the state table is checked by the schema.
 */
import { type LeasedJob, LeaseLost, type WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { SourceId } from "@rainlogs/core/domain/Identifier"
import { JobState } from "@rainlogs/core/domain/LogJob"
import type { LogObject } from "@rainlogs/core/domain/LogObject"
import { cut } from "@rainlogs/core/domain/Window"
import * as Hex from "@rainlogs/verify/Hex"
import { Effect, Option, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { inCustomer } from "./CustomerTransaction.ts"
import { appendEntry, lockLedger } from "./LedgerAppend.ts"
import { decodeRows, jobColumns, jobOf, JobRow, objectOf, sourceColumns, sourceOf, SourceRow } from "./Row.ts"
import { insertPlanned, lockSource } from "./Timeline.ts"

/** The longest `last_error` kept, in UTF-16 units. */
const longestError = 2000

/** Text that PostgreSQL stores: no NUL, no lone surrogate, not endless. */
const storable = (text: string): string => text.slice(0, longestError).replaceAll("\0", "\uFFFD").toWellFormed()

const objectAssignments = (object: LogObject) => ({
  object_key: object.key,
  object_sha256: Hex.decode(object.sha256, 32),
  object_size: object.size,
  codec: object.codec,
  encryption: object.encryption,
  dek: object.dek,
  records: object.records,
  plain_size: object.plainSize,
  fidelity: object.fidelity,
  params_sha256: object.params === null ? null : Hex.decode(object.params, 32),
  records_root: object.recordsRoot === null ? null : Hex.decode(object.recordsRoot, 32)
})

const StateRow = Schema.Struct({
  state: JobState,
  fence: Schema.Int,
  sha256: Schema.NullOr(Schema.String)
})

/** The worker's methods of the window ledger. */
export const make = (
  sql: SqlClient.SqlClient
): Pick<WindowLedger["Service"], "lease" | "renew" | "stored" | "commit" | "retry" | "split"> => {
  const lost = ({ fence, job }: LeasedJob) => new LeaseLost({ job: job.id, fence })

  const held = ({ fence, job }: LeasedJob) => sql`customer_id = ${job.customer} AND id = ${job.id} AND fence = ${fence}`

  /**
   * For a write that changed no row: succeeds if this very lease has made the step before (its answer was lost with the
   * connection, say), else the lease is lost.
   */
  const unlessDone = Effect.fnUntraced(function*(leased: LeasedJob, state: JobState, sha256: string | null) {
    const [row] = yield* decodeRows(StateRow)(sql`
      SELECT state, fence, encode(object_sha256, 'hex') AS sha256 FROM log_jobs WHERE ${held(leased)}`)
    if (row?.state !== state || (sha256 !== null && row.sha256 !== sha256)) return yield* lost(leased)
  })

  const lease: WindowLedger["Service"]["lease"] = ({ customer, job }, owner, now, until) =>
    Effect.gen(function*() {
      const [named] = yield* decodeRows(Schema.Struct({ source: SourceId }))(sql`
        SELECT source_id AS source FROM log_jobs WHERE customer_id = ${customer} AND id = ${job}`)
      if (named === undefined) return Option.none<LeasedJob>()
      yield* lockSource(sql, customer, named.source)
      const [row] = yield* decodeRows(JobRow)(sql`
        UPDATE log_jobs j
        SET state = 'leased', fence = j.fence + 1, attempts = j.attempts + 1, lease_owner = ${owner},
          lease_until_ms = ${until}, updated_ms = ${now}
        FROM sources s
        WHERE s.customer_id = j.customer_id AND s.id = j.source_id AND s.status = 'active'
          AND NOT EXISTS (
            SELECT FROM quota_usage(${now}::bigint) q WHERE q.customer_id = ${customer} AND q.paused IS NOT NULL
          )
          AND j.customer_id = ${customer} AND j.id = ${job} AND j.state IN ('planned', 'leased', 'stored')
          AND j.not_before_ms <= ${now} AND (j.lease_until_ms IS NULL OR j.lease_until_ms <= ${now})
        RETURNING ${sql.literal(jobColumns)}`)
      if (row === undefined) return Option.none<LeasedJob>()
      const [source] = yield* decodeRows(SourceRow)(sql`
        SELECT ${sql.literal(sourceColumns)} FROM source_timelines s
        WHERE s.customer_id = ${customer} AND s.source_id = ${named.source}`)
      if (source === undefined) return yield* Effect.die(new Error(`job ${job} has no source`))
      return Option.some<LeasedJob>({
        job: jobOf(row, source.sourceName),
        source: sourceOf(source),
        fence: row.fence,
        stored: objectOf(row)
      })
    }).pipe(inCustomer(sql, "WindowLedger.lease", customer))

  const renew = (leased: LeasedJob, until: number) =>
    Effect.gen(function*() {
      const renewed = yield* sql`
        UPDATE log_jobs SET lease_until_ms = ${until}
        WHERE ${held(leased)} AND state IN ('leased', 'stored') RETURNING id`
      if (renewed.length === 0) return yield* lost(leased)
    }).pipe(inCustomer(sql, "WindowLedger.renew", leased.job.customer))

  const stored = (leased: LeasedJob, object: LogObject, now: number) =>
    Effect.gen(function*() {
      yield* lockSource(sql, leased.job.customer, leased.source.id)
      const changed = yield* sql`
        UPDATE log_jobs SET ${sql.update({ ...objectAssignments(object), state: "stored", updated_ms: now })}
        WHERE ${held(leased)} AND state = 'leased' RETURNING id`
      if (changed.length === 0) yield* unlessDone(leased, "stored", object.sha256)
    }).pipe(inCustomer(sql, "WindowLedger.stored", leased.job.customer))

  const commit = (leased: LeasedJob, object: LogObject, now: number) =>
    Effect.gen(function*() {
      const { job, source } = leased
      yield* lockLedger(sql, source)
      yield* lockSource(sql, source.customer, source.id)
      const changed = yield* sql`
        UPDATE log_jobs SET ${
        sql.update({
          ...objectAssignments(object),
          state: "committed",
          lease_owner: null,
          lease_until_ms: null,
          last_error: null,
          updated_ms: now
        })
      }
        WHERE ${held(leased)} AND state IN ('leased', 'stored') RETURNING id`
      if (changed.length === 0) return yield* unlessDone(leased, "committed", object.sha256)
      const { id, sourceName, window, zone } = job
      yield* appendEntry(sql, source, { kind: "object", chain: zone, job: id, window, source: sourceName, object }, now)
    }).pipe(inCustomer(sql, "WindowLedger.commit", leased.job.customer))

  const retry: WindowLedger["Service"]["retry"] = (leased, failure, notBefore, now) =>
    Effect.gen(function*() {
      yield* lockSource(sql, leased.job.customer, leased.source.id)
      const changed = yield* sql`
        UPDATE log_jobs
        SET state = 'planned', lease_owner = NULL, lease_until_ms = NULL, not_before_ms = ${notBefore},
          failures = failures + ${failure.counts === "failure" ? 1 : 0},
          last_error = ${storable(`${failure.code}: ${failure.detail}`)}, updated_ms = ${now}
        WHERE ${held(leased)} AND state IN ('leased', 'stored') RETURNING id`
      if (changed.length === 0) yield* unlessDone(leased, "planned", null)
    }).pipe(inCustomer(sql, "WindowLedger.retry", leased.job.customer))

  const split = (leased: LeasedJob, at: number, now: number) =>
    Effect.gen(function*() {
      const { job, source } = leased
      if (!(job.window.from < at && at < job.window.to)) {
        return yield* Effect.die(new RangeError(`${at} does not lie inside [${job.window.from}, ${job.window.to})`))
      }
      const locked = yield* lockSource(sql, source.customer, source.id)
      const changed = yield* sql`
        UPDATE log_jobs SET state = 'split', lease_owner = NULL, lease_until_ms = NULL, updated_ms = ${now}
        WHERE ${held(leased)} AND state = 'leased' RETURNING id`
      if (Option.isNone(locked) || changed.length === 0) return yield* unlessDone(leased, "split", null)
      yield* sql`
        DELETE FROM windows
        WHERE customer_id = ${source.customer} AND source_id = ${source.id} AND job_id = ${job.id}`
      yield* insertPlanned(sql, source, locked.value.startsAt, cut(job.window, at), now)
    }).pipe(inCustomer(sql, "WindowLedger.split", leased.job.customer))

  return { lease, renew, stored, commit, retry, split }
}
