/**
 * How columns become values of the domain. A row that does not decode is a defect: the constraints of the schema and
 * these schemas say the same.
 */
import { Origin } from "@rainlogs/core/domain/Customer"
import { GapReason } from "@rainlogs/core/domain/GapReason"
import { CustomerId, JobId, SourceId, ZoneId } from "@rainlogs/core/domain/Identifier"
import { JobState, type LogJob } from "@rainlogs/core/domain/LogJob"
import { LogObject } from "@rainlogs/core/domain/LogObject"
import { active, BlockReason, type Source, SourceName, type SourceStatus } from "@rainlogs/core/domain/Source"
import { ErasureState } from "@rainlogs/core/lifecycle/Erasure"
import { Effect, Schema, SchemaTransformation } from "effect"
import type { SqlError } from "effect/sql"

/** A `bigint` column that JavaScript holds exactly; the schema's domains allow nothing larger. */
export const SafeInteger = Schema.BigInt.pipe(
  Schema.decodeTo(Schema.Int, SchemaTransformation.transform({ decode: Number, encode: BigInt }))
)

/** Runs a statement and decodes its rows. */
export const decodeRows = <A, I>(schema: Schema.Codec<A, I>) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(schema))
  return (
    statement: Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>
  ): Effect.Effect<ReadonlyArray<A>, SqlError.SqlError> =>
    Effect.flatMap(statement, (rows) => Effect.orDie(decode(rows)))
}

/** Columns of a source, of `source_timelines s`. */
export const sourceColumns = `s.source_id AS "sourceId", s.customer_id AS "customer", s.origin, s.zone_id AS "zone",
  s.name AS "sourceName", s.starts_at_ms AS "startsAt", s.window_ms AS "windowMs", s.block_reason AS "blockReason",
  s.block_since_ms AS "blockSince", s.block_remedy AS "blockRemedy"`

const sourceFields = {
  sourceId: SourceId,
  customer: CustomerId,
  origin: Origin,
  zone: ZoneId,
  sourceName: SourceName,
  startsAt: SafeInteger,
  windowMs: SafeInteger,
  blockReason: Schema.NullOr(BlockReason),
  blockSince: Schema.NullOr(SafeInteger),
  blockRemedy: Schema.NullOr(Schema.String)
}

/** The status of a source; the columns of a block are there together or not at all. */
export const sourceStatusOf = (row: {
  readonly blockReason: BlockReason | null
  readonly blockSince: number | null
  readonly blockRemedy: string | null
}): SourceStatus =>
  row.blockReason === null || row.blockSince === null || row.blockRemedy === null
    ? active
    : { state: "blocked", reason: row.blockReason, since: row.blockSince, remedy: row.blockRemedy }

/** A source's status as columns, for {@link sourceStatusOf}. */
export const sourceStatusColumns = (status: SourceStatus) =>
  status.state === "active" ? { status: status.state } : {
    status: status.state,
    block_reason: status.reason,
    block_since_ms: status.since,
    block_remedy: status.remedy
  }

/** A row with {@link sourceColumns}. */
export const SourceRow = Schema.Struct(sourceFields)

/** The source of a row. */
export const sourceOf = (row: typeof SourceRow.Type): Source => ({
  id: row.sourceId,
  customer: row.customer,
  origin: row.origin,
  zone: row.zone,
  name: row.sourceName,
  status: sourceStatusOf(row),
  startsAt: row.startsAt,
  windowMs: row.windowMs
})

/** A row with {@link sourceColumns} and the end of the timeline as `plannedTo`. */
export const TimelineRow = Schema.Struct({ ...sourceFields, plannedTo: SafeInteger })

/** Columns of `source_progress s`, with {@link sourceColumns}. */
export const progressColumns = `${sourceColumns}, s.planned_to_ms AS "plannedTo", s.planned, s.leased, s.stored,
  s.committed, s.gap, s.split, s.records, s.plain_bytes AS "plainBytes", s.stored_bytes AS "storedBytes",
  s.oldest_open_ms AS "oldestUncommitted"`

/** A row with {@link progressColumns}. */
export const ProgressRow = Schema.Struct({
  ...sourceFields,
  plannedTo: SafeInteger,
  planned: SafeInteger,
  leased: SafeInteger,
  stored: SafeInteger,
  committed: SafeInteger,
  gap: SafeInteger,
  split: SafeInteger,
  records: SafeInteger,
  plainBytes: SafeInteger,
  storedBytes: SafeInteger,
  oldestUncommitted: Schema.NullOr(SafeInteger)
})

/** Columns of `log_jobs j`. */
export const jobColumns = `j.id, j.customer_id AS "customer", j.zone_id AS "zone", j.source_id AS "source",
  j.from_ms AS "from", j.to_ms AS "to", j.state, j.attempts, j.failures, j.fence, j.not_before_ms AS "notBefore",
  j.last_error AS "lastError", j.created_ms AS "createdAt", j.updated_ms AS "updatedAt",
  j.object_key AS "key", encode(j.object_sha256, 'hex') AS "sha256", j.object_size AS "size", j.codec, j.encryption,
  j.dek, j.records, j.plain_size AS "plainSize", j.fidelity, encode(j.params_sha256, 'hex') AS "params",
  encode(j.records_root, 'hex') AS "recordsRoot"`

const jobFields = {
  id: JobId,
  customer: CustomerId,
  zone: ZoneId,
  source: SourceId,
  from: SafeInteger,
  to: SafeInteger,
  state: JobState,
  attempts: Schema.Int,
  failures: Schema.Int,
  fence: Schema.Int,
  notBefore: SafeInteger,
  lastError: Schema.NullOr(Schema.String),
  createdAt: SafeInteger,
  updatedAt: SafeInteger,
  key: Schema.NullOr(Schema.String),
  sha256: Schema.NullOr(LogObject.fields.sha256),
  size: Schema.NullOr(SafeInteger),
  codec: Schema.NullOr(LogObject.fields.codec),
  encryption: Schema.NullOr(LogObject.fields.encryption),
  dek: Schema.NullOr(Schema.String),
  records: Schema.NullOr(SafeInteger),
  plainSize: Schema.NullOr(SafeInteger),
  fidelity: Schema.NullOr(LogObject.fields.fidelity),
  params: LogObject.fields.params,
  recordsRoot: LogObject.fields.recordsRoot
}

/** A row with {@link jobColumns}. */
export const JobRow = Schema.Struct(jobFields)
type JobRow = typeof JobRow.Type

/** A row with {@link jobColumns}, the source's name, the place of the job's ledger entry, a gap's reason and the erasure. */
export const JobViewRow = Schema.Struct({
  ...jobFields,
  sourceName: SourceName,
  leafIndex: Schema.NullOr(SafeInteger),
  seq: Schema.NullOr(SafeInteger),
  gapReason: Schema.NullOr(GapReason),
  erasureId: Schema.NullOr(Schema.String),
  erasureState: Schema.NullOr(ErasureState),
  erasureExecuted: Schema.NullOr(SafeInteger),
  tombstone: Schema.NullOr(LogObject.fields.sha256)
})

/** The job of a row. */
export const jobOf = (row: JobRow, sourceName: SourceName): LogJob => ({
  id: row.id,
  customer: row.customer,
  zone: row.zone,
  source: row.source,
  sourceName,
  window: { from: row.from, to: row.to },
  state: row.state,
  attempts: row.attempts,
  failures: row.failures,
  fence: row.fence,
  notBefore: row.notBefore,
  lastError: row.lastError,
  createdAt: row.createdAt,
  updatedAt: row.updatedAt
})

/** The object of a row; null if none was ever stored. The columns are there together or not at all. */
export const objectOf = (row: JobRow): LogObject | null => {
  const { codec, dek, encryption, fidelity, key, params, plainSize, records, recordsRoot, sha256, size } = row
  return sha256 === null || size === null || codec === null || encryption === null || records === null ||
      plainSize === null || fidelity === null
    ? null
    : { key, sha256, size, codec, encryption, dek, records, plainSize, fidelity, params, recordsRoot }
}
