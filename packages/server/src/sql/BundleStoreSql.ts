/**
 * Adapter: bundle jobs in PostgreSQL. Every write of a worker compares the fence; the state table is checked by the
 * schema.
 */
import { LeaseLost } from "@rainlogs/core/archive/WindowLedger"
import { BundleId, type BundleJob, BundleState } from "@rainlogs/core/bundle/BundleJob"
import { type BundleOf, BundleStore, IdempotencyConflict, TooManyBundles } from "@rainlogs/core/bundle/BundleStore"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId, Sha256Hex, ZoneId } from "@rainlogs/core/domain/Identifier"
import * as Hex from "@rainlogs/verify/Hex"
import { Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { failAs, inCustomer } from "./CustomerTransaction.ts"
import { decodeRows, SafeInteger } from "./Row.ts"

const columns = `b.id, b.customer_id AS customer, c.origin, b.zone_id AS zone, b.from_ms AS "from", b.to_ms AS "to",
  b.disclose, b.state, b.attempts, b.fence, b.progress_entries AS entries, b.progress_bytes AS written,
  b.file_bytes AS bytes, encode(b.file_sha256, 'hex') AS sha256, b.file_objects AS objects,
  b.file_ledger_size AS "ledgerSize", b.error_code AS code, b.error_detail AS detail, b.withdrawn_by AS "withdrawnBy", b.created_ms AS "createdAt",
  b.updated_ms AS "updatedAt", b.expires_ms AS "expiresAt"`

const BundleRow = Schema.Struct({
  id: BundleId,
  customer: CustomerId,
  origin: Origin,
  zone: ZoneId,
  from: SafeInteger,
  to: SafeInteger,
  disclose: Schema.Boolean,
  state: BundleState,
  attempts: Schema.Int,
  fence: Schema.Int,
  entries: SafeInteger,
  written: SafeInteger,
  bytes: Schema.NullOr(SafeInteger),
  sha256: Schema.NullOr(Sha256Hex),
  objects: Schema.NullOr(SafeInteger),
  ledgerSize: Schema.NullOr(SafeInteger),
  code: Schema.NullOr(Schema.String),
  detail: Schema.NullOr(Schema.String),
  withdrawnBy: Schema.NullOr(Schema.String),
  createdAt: SafeInteger,
  updatedAt: SafeInteger,
  expiresAt: Schema.NullOr(SafeInteger)
})

const fileOf = ({ bytes, ledgerSize, objects, sha256 }: typeof BundleRow.Type): BundleJob["file"] =>
  bytes === null || sha256 === null || objects === null || ledgerSize === null
    ? null
    : { bytes, sha256, objects, ledgerSize }

const jobOf = (row: typeof BundleRow.Type): BundleJob => ({
  id: row.id,
  customer: row.customer,
  origin: row.origin,
  zone: row.zone,
  range: { from: row.from, to: row.to },
  disclose: row.disclose,
  state: row.state,
  attempts: row.attempts,
  fence: row.fence,
  progress: { entries: row.entries, bytes: row.written },
  file: fileOf(row),
  error: row.code === null || row.detail === null ? null : { code: row.code, detail: row.detail },
  withdrawnBy: row.withdrawnBy,
  createdAt: row.createdAt,
  updatedAt: row.updatedAt,
  expiresAt: row.expiresAt
})

const CountsRow = Schema.Struct({ open: SafeInteger, kept: SafeInteger })
const KeyRow = Schema.Struct({ id: BundleId })
const OfRow = Schema.Struct({ customer: CustomerId, id: BundleId })
const OverdueRow = Schema.Struct({ ...OfRow.fields, state: BundleState })
const OpenRow = Schema.Struct({
  requested: SafeInteger,
  running: SafeInteger,
  oldest: Schema.NullOr(SafeInteger)
})

/** Text that PostgreSQL stores: no NUL, no lone surrogate, not endless. */
const storable = (text: string): string => text.slice(0, 2000).replaceAll("\0", "\uFFFD").toWellFormed()

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const find = ({ customer, id }: BundleOf) =>
    decodeRows(BundleRow)(sql`
      SELECT ${sql.literal(columns)} FROM bundle_jobs b JOIN customers c ON c.id = b.customer_id
      WHERE b.customer_id = ${customer} AND b.id = ${id}`).pipe(
      Effect.map((rows) => Option.map(Option.fromNullishOr(rows[0]), jobOf))
    )

  const request: BundleStore["Service"]["request"] = (bundle, limits, now) =>
    Effect.gen(function*() {
      const { customer, disclose, id, idempotencyKey, range, zone } = bundle
      // One request of a customer at a time: limits are counted, and two with one key are one.
      yield* sql`SELECT pg_advisory_xact_lock(hashtextextended(${`rainlogs-bundles ${customer}`}, 0))`
      if (idempotencyKey !== null) {
        const [named] = yield* decodeRows(KeyRow)(sql`
          SELECT id FROM bundle_jobs WHERE customer_id = ${customer} AND idempotency_key = ${idempotencyKey}`)
        const found = named === undefined ? Option.none<BundleJob>() : yield* find({ customer, id: named.id })
        if (Option.isSome(found)) {
          const same = found.value.zone === zone && found.value.disclose === disclose &&
            found.value.range.from === range.from && found.value.range.to === range.to
          return same ? found.value : yield* new IdempotencyConflict({ bundle: found.value.id })
        }
      }
      const [counts] = yield* decodeRows(CountsRow)(sql`
        SELECT count(*) FILTER (WHERE state <> 'ready') AS open, count(*) AS kept FROM bundle_jobs
        WHERE customer_id = ${customer} AND state IN ('requested', 'running', 'ready')`)
      if (counts !== undefined && counts.open >= limits.open) {
        return yield* new TooManyBundles({ kind: "open", limit: limits.open })
      }
      if (counts !== undefined && counts.kept >= limits.kept) {
        return yield* new TooManyBundles({ kind: "kept", limit: limits.kept })
      }
      yield* sql`INSERT INTO bundle_jobs ${
        sql.insert({
          customer_id: customer,
          id,
          zone_id: zone,
          from_ms: range.from,
          to_ms: range.to,
          disclose,
          idempotency_key: idempotencyKey,
          created_ms: now,
          updated_ms: now
        })
      }`
      return Option.getOrThrow(yield* find({ customer, id }))
    }).pipe(inCustomer(sql, "BundleStore.request", bundle.customer))

  const bundles: BundleStore["Service"]["bundles"] = (customer, { after, limit }) =>
    decodeRows(BundleRow)(sql`
      SELECT ${sql.literal(columns)} FROM bundle_jobs b JOIN customers c ON c.id = b.customer_id
      WHERE b.customer_id = ${customer}
        ${
      after === null ? sql.literal("") : sql`AND (b.created_ms, b.id) < (${after.createdAt}::bigint, ${after.id}::uuid)`
    }
      ORDER BY b.created_ms DESC, b.id DESC LIMIT ${limit}::bigint`).pipe(
      Effect.map((rows) => rows.map(jobOf)),
      inCustomer(sql, "BundleStore.bundles", customer)
    )

  const remove = ({ customer, id }: BundleOf) =>
    sql`DELETE FROM bundle_jobs WHERE customer_id = ${customer} AND id = ${id} RETURNING id`.pipe(
      Effect.map((removed) => removed.length > 0),
      inCustomer(sql, "BundleStore.remove", customer)
    )

  const due = (now: number, limit: number) =>
    decodeRows(OfRow)(sql`
      SELECT customer_id AS customer, bundle_id AS id FROM due_bundles(${now}::bigint, ${limit}::integer)`).pipe(
      failAs("BundleStore.due")
    )

  const lease: BundleStore["Service"]["lease"] = (of, owner, now, until) =>
    Effect.gen(function*() {
      const leased = yield* sql`
        UPDATE bundle_jobs SET state = 'running', fence = fence + 1, attempts = attempts + 1, lease_owner = ${owner},
          lease_until_ms = ${until}, progress_entries = 0, progress_bytes = 0, updated_ms = ${now}
        WHERE (id, customer_id) IN (
          SELECT id, customer_id FROM bundle_jobs
          WHERE customer_id = ${of.customer} AND id = ${of.id} AND state IN ('requested', 'running')
            AND not_before_ms <= ${now} AND (lease_until_ms IS NULL OR lease_until_ms <= ${now})
          FOR UPDATE SKIP LOCKED)
        RETURNING id`
      return leased.length === 0 ? Option.none<BundleJob>() : yield* find(of)
    }).pipe(inCustomer(sql, "BundleStore.lease", of.customer))

  /** A worker's write. A lost lease, and an answer that was lost with the connection, change no row: both are "lost". */
  const write = (operation: string, { customer, fence, id }: BundleJob, assignments: Record<string, unknown>) =>
    Effect.gen(function*() {
      const changed = yield* sql`
        UPDATE bundle_jobs SET ${sql.update(assignments)}
        WHERE customer_id = ${customer} AND id = ${id} AND fence = ${fence} AND state = 'running' RETURNING id`
      if (changed.length === 0) return yield* new LeaseLost({ job: id, fence })
    }).pipe(inCustomer(sql, `BundleStore.${operation}`, customer))

  const released = { lease_owner: null, lease_until_ms: null }

  const renew: BundleStore["Service"]["renew"] = (leased, { bytes, entries }, until, now) =>
    write("renew", leased, {
      lease_until_ms: until,
      progress_entries: entries,
      progress_bytes: bytes,
      updated_ms: now
    })

  const finish: BundleStore["Service"]["finish"] = (leased, file, expiresAt, now) =>
    write("finish", leased, {
      ...released,
      state: "ready",
      progress_entries: file.ledgerSize,
      progress_bytes: file.bytes,
      file_bytes: file.bytes,
      file_sha256: Hex.decode(file.sha256, 32),
      file_objects: file.objects,
      file_ledger_size: file.ledgerSize,
      error_code: null,
      error_detail: null,
      expires_ms: expiresAt,
      updated_ms: now
    })

  const reasonOf = ({ code, detail }: { readonly code: string; readonly detail: string }) => ({
    error_code: code,
    error_detail: storable(detail)
  })

  const retry: BundleStore["Service"]["retry"] = (leased, reason, notBefore, now) =>
    write("retry", leased, {
      ...released,
      ...reason === "stopped" ? { attempts: leased.attempts - 1 } : reasonOf(reason),
      state: "requested",
      not_before_ms: notBefore,
      updated_ms: now
    })

  const fail: BundleStore["Service"]["fail"] = (leased, reason, now) =>
    write("fail", leased, { ...released, ...reasonOf(reason), state: "failed", updated_ms: now })

  const overdue: BundleStore["Service"]["overdue"] = (now, endedBefore, limit) =>
    decodeRows(OverdueRow)(sql`
      SELECT customer_id AS customer, bundle_id AS id, state
      FROM overdue_bundles(${now}::bigint, ${endedBefore}::bigint, ${limit}::integer)`).pipe(
      failAs("BundleStore.overdue")
    )

  const expire: BundleStore["Service"]["expire"] = ({ customer, id }, now) =>
    sql`
      UPDATE bundle_jobs SET state = 'expired', updated_ms = ${now}
      WHERE customer_id = ${customer} AND id = ${id} AND state = 'ready' AND expires_ms <= ${now} RETURNING id`.pipe(
      Effect.map((expired) => expired.length > 0),
      inCustomer(sql, "BundleStore.expire", customer)
    )

  // One statement: a bundle that becomes ready meanwhile is withdrawn, for PostgreSQL reads the row again under its lock.
  const withdraw: BundleStore["Service"]["withdraw"] = (customer, erasure, now) =>
    sql`
      UPDATE bundle_jobs b SET
        state = CASE b.state WHEN 'ready' THEN 'withdrawn' ELSE 'requested' END,
        withdrawn_by = CASE b.state WHEN 'ready' THEN ${erasure}::uuid END,
        attempts = b.attempts - (b.state = 'running')::integer,
        lease_owner = NULL, lease_until_ms = NULL, updated_ms = ${now}::bigint
      WHERE b.customer_id = ${customer} AND b.state IN ('running', 'ready') AND EXISTS (
        SELECT FROM log_jobs j
        WHERE j.customer_id = b.customer_id AND j.erasure_id = ${erasure}::uuid AND j.zone_id = b.zone_id
          AND j.from_ms < b.to_ms AND b.from_ms < j.to_ms)
      RETURNING b.id`.pipe(
      Effect.map((changed) => changed.length),
      inCustomer(sql, "BundleStore.withdraw", customer)
    )

  const open = decodeRows(OpenRow)(sql`SELECT requested, running, oldest_ms AS oldest FROM open_bundles()`).pipe(
    Effect.map(([row]) => row ?? { requested: 0, running: 0, oldest: null }),
    failAs("BundleStore.open")
  )

  return BundleStore.of({
    request,
    bundle: (of) => find(of).pipe(inCustomer(sql, "BundleStore.bundle", of.customer)),
    bundles,
    remove,
    due,
    lease,
    renew,
    finish,
    retry,
    fail,
    overdue,
    expire,
    withdraw,
    open
  })
})

/** The bundle store on the `SqlClient`. */
export const layer: Layer.Layer<BundleStore, never, SqlClient.SqlClient> = Layer.effect(BundleStore, make)
