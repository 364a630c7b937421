/**
 * Adapter: erasures and the windows they name in PostgreSQL.
 */
import { type CustomerId, JobId, Sha256Hex } from "@rainlogs/core/domain/Identifier"
import {
  type Erasure,
  ErasureMethod,
  ErasureReason,
  ErasureState,
  type ErasureTarget
} from "@rainlogs/core/lifecycle/Erasure"
import { ErasureStore, type Selection, type SelectionSize } from "@rainlogs/core/lifecycle/ErasureStore"
import * as Hex from "@rainlogs/verify/Hex"
import { Effect, Layer, Option, Schema } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { inCustomer } from "./CustomerTransaction.ts"
import { decodeRows, SafeInteger } from "./Row.ts"

/** The longest `last_error` kept, in UTF-16 units. */
const longestError = 2000

const TargetRow = Schema.Struct({
  job: JobId,
  chain: Schema.String,
  seq: SafeInteger,
  object: Schema.String,
  hash: Schema.String,
  key: Schema.String,
  dek: Schema.NullOr(Schema.String),
  from: SafeInteger,
  to: SafeInteger,
  archived: SafeInteger,
  size: SafeInteger,
  erasure: Schema.NullOr(Schema.String)
})

const targetOf = ({ from, to, ...row }: typeof TargetRow.Type): ErasureTarget => ({ ...row, window: { from, to } })

const SizeRow = Schema.Struct({
  windows: SafeInteger,
  storedBytes: SafeInteger,
  oldest: Schema.NullOr(SafeInteger),
  newest: Schema.NullOr(SafeInteger)
})

const ErasureRow = Schema.Struct({
  id: Schema.String,
  state: ErasureState,
  reason: ErasureReason,
  method: ErasureMethod,
  basis: Schema.String,
  policy: Sha256Hex,
  requested: SafeInteger,
  notBefore: SafeInteger,
  targets: Schema.Int,
  intentDocument: Sha256Hex,
  intentHash: Sha256Hex,
  intentTime: SafeInteger,
  executed: Schema.NullOr(SafeInteger),
  done: Schema.NullOr(Sha256Hex),
  lastError: Schema.NullOr(Schema.String)
})

const erasureOf = ({ intentDocument, intentHash, intentTime, ...row }: typeof ErasureRow.Type): Erasure => ({
  ...row,
  intent: { document: intentDocument, hash: intentHash, time: intentTime }
})

const ExecutingRow = Schema.Struct({ id: Schema.String, windows: SafeInteger, from: SafeInteger, to: SafeInteger })

/** The row of an erasure that is announced and not begun; `intent` is its entry, `updated` in Unix ms. */
export const announcedRow = (
  customer: CustomerId,
  erasure: Pick<Erasure, "id" | "reason" | "method" | "basis" | "requested" | "notBefore" | "targets"> & {
    readonly policy: string
  },
  intent: { readonly job: string; readonly document: string },
  updated: number
) => ({
  customer_id: customer,
  id: erasure.id,
  state: "announced",
  reason: erasure.reason,
  method: erasure.method,
  basis: erasure.basis,
  policy: Hex.decode(erasure.policy, 32),
  requested_ms: erasure.requested,
  not_before_ms: erasure.notBefore,
  targets: erasure.targets,
  intent_job: intent.job,
  intent_document: Hex.decode(intent.document, 32),
  updated_ms: updated
})

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const targetColumns = sql.literal(`j.id AS job, e.chain, e.seq, encode(e.object, 'hex') AS object,
    encode(e.hash, 'hex') AS hash, j.object_key AS key, j.dek, j.from_ms AS "from", j.to_ms AS "to",
    e.time_ms AS archived, j.object_size AS size, j.erasure_id AS erasure`)
  const joined = sql.literal(
    "log_jobs j JOIN ledger_entries e ON e.customer_id = j.customer_id AND e.job_id = j.id AND e.kind = 'object'"
  )

  const targetsWhere = (where: Statement.Fragment) =>
    Effect.map(
      decodeRows(TargetRow)(sql`SELECT ${targetColumns} FROM ${joined} WHERE ${where}`),
      (rows) => rows.map(targetOf)
    )

  const selected = (customer: CustomerId, { dueBefore, from, held, to, zone }: Selection) =>
    sql.and([
      sql`j.customer_id = ${customer} AND j.state = 'committed' AND j.object_key IS NOT NULL AND j.erasure_id IS NULL`,
      sql`j.from_ms >= ${from}::bigint AND j.to_ms <= ${to}::bigint`,
      ...zone === null ? [] : [sql`j.zone_id = ${zone}`],
      ...dueBefore === null
        ? []
        : [sql`j.to_ms <= ${dueBefore}::bigint AND e.time_ms <= ${dueBefore}::bigint`],
      ...held === "included"
        ? []
        : [sql`NOT EXISTS (
            SELECT FROM holds h JOIN hold_scopes s ON s.customer_id = h.customer_id AND s.hold_id = h.id
            WHERE h.customer_id = j.customer_id AND h.released_ms IS NULL AND s.chain IN ('*', j.zone_id::text)
              AND s.from_ms < j.to_ms AND j.from_ms < s.to_ms)`]
    ])

  const erasuresWhere = (where: Statement.Fragment) =>
    Effect.map(
      decodeRows(ErasureRow)(sql`
        SELECT r.id, r.state, r.reason, r.method, r.basis, encode(r.policy, 'hex') AS policy,
          r.requested_ms AS requested, r.not_before_ms AS "notBefore", r.targets,
          encode(r.intent_document, 'hex') AS "intentDocument", encode(e.hash, 'hex') AS "intentHash",
          e.time_ms AS "intentTime", r.executed_ms AS executed, encode(r.done_document, 'hex') AS done,
          r.last_error AS "lastError"
        FROM erasures r JOIN ledger_entries e ON e.customer_id = r.customer_id AND e.job_id = r.intent_job
        WHERE ${where}`),
      (rows) => rows.map(erasureOf)
    )

  const update = (customer: CustomerId, id: string, assignments: Statement.Fragment) =>
    sql`UPDATE erasures SET ${assignments} WHERE customer_id = ${customer} AND id = ${id}`

  return ErasureStore.of({
    select: (customer, selection, { after, limit }) =>
      targetsWhere(sql`${selected(customer, selection)}
        AND (j.to_ms, j.id) > (${after?.to ?? -1}::bigint, ${
        after?.job ?? "00000000-0000-0000-0000-000000000000"
      }::uuid)
        ORDER BY j.to_ms, j.id LIMIT ${limit}::bigint`).pipe(inCustomer(sql, "ErasureStore.select", customer)),

    size: (customer, selection) =>
      decodeRows(SizeRow)(sql`
        SELECT count(*) AS windows, coalesce(sum(j.object_size), 0)::bigint AS "storedBytes",
          min(j.from_ms)::bigint AS oldest, max(j.to_ms)::bigint AS newest
        FROM ${joined} WHERE ${selected(customer, selection)}`).pipe(
        Effect.map((rows): SelectionSize => rows[0] ?? { windows: 0, storedBytes: 0, oldest: null, newest: null }),
        inCustomer(sql, "ErasureStore.size", customer)
      ),

    windows: (customer, places) =>
      targetsWhere(sql`j.customer_id = ${customer} AND j.object_key IS NOT NULL AND (e.chain, e.seq) IN (
        SELECT chain, seq::bigint FROM jsonb_to_recordset(${
        JSON.stringify(places)
      }::jsonb) AS wanted(chain text, seq bigint)
      )`).pipe(inCustomer(sql, "ErasureStore.windows", customer)),

    announce: (customer, { erasure, intent, jobs }) =>
      Effect.gen(function*() {
        yield* sql`INSERT INTO erasures ${sql.insert(announcedRow(customer, erasure, intent, erasure.requested))}`
        yield* sql`
          UPDATE log_jobs SET erasure_id = ${erasure.id}
          WHERE customer_id = ${customer} AND id IN (
            SELECT value::uuid FROM jsonb_array_elements_text(${JSON.stringify(jobs)}::jsonb)
          )`
      }).pipe(inCustomer(sql, "ErasureStore.announce", customer)),

    begin: (customer, id, now) =>
      update(customer, id, sql`state = 'executing', updated_ms = ${now}`).pipe(
        inCustomer(sql, "ErasureStore.begin", customer),
        Effect.asVoid
      ),

    failed: (customer, id, detail, now) =>
      sql`UPDATE erasures SET last_error = ${detail.slice(0, longestError).replaceAll("\0", "\uFFFD").toWellFormed()},
          updated_ms = ${now}
        WHERE customer_id = ${customer} AND id = ${id} AND state = 'executing'`.pipe(
        inCustomer(sql, "ErasureStore.failed", customer),
        Effect.asVoid
      ),

    finish: (customer, id, { document, executed, job }) =>
      update(
        customer,
        id,
        sql`state = 'done', done_job = ${job}, done_document = ${Hex.decode(document, 32)}, executed_ms = ${executed},
          last_error = NULL, updated_ms = ${executed}`
      ).pipe(inCustomer(sql, "ErasureStore.finish", customer), Effect.asVoid),

    erasure: (customer, id) =>
      erasuresWhere(sql`r.customer_id = ${customer} AND r.id = ${id}`).pipe(
        Effect.map((rows) => Option.fromNullishOr(rows[0])),
        inCustomer(sql, "ErasureStore.erasure", customer)
      ),

    targets: (customer, id) =>
      targetsWhere(
        sql`j.customer_id = ${customer} AND j.erasure_id = ${id} ORDER BY e.chain COLLATE "C", e.seq`
      ).pipe(inCustomer(sql, "ErasureStore.targets", customer)),

    erasures: (customer, { before, limit }) =>
      erasuresWhere(sql`r.customer_id = ${customer}
        AND (r.requested_ms, r.id) < (${before?.requested ?? Number.MAX_SAFE_INTEGER}::bigint,
          ${before?.id ?? "ffffffff-ffff-ffff-ffff-ffffffffffff"}::uuid)
        ORDER BY r.requested_ms DESC, r.id DESC LIMIT ${limit}::bigint`).pipe(
        inCustomer(sql, "ErasureStore.erasures", customer)
      ),

    open: (customer, limit) =>
      erasuresWhere(sql`r.customer_id = ${customer} AND r.state <> 'done'
        ORDER BY r.requested_ms, r.id LIMIT ${limit}::bigint`).pipe(inCustomer(sql, "ErasureStore.open", customer)),

    executingIn: (customer, { chain, from, to }) =>
      decodeRows(ExecutingRow)(sql`
        SELECT r.id, count(*) AS windows, min(j.from_ms)::bigint AS "from", max(j.to_ms)::bigint AS "to"
        FROM erasures r JOIN log_jobs j ON j.customer_id = r.customer_id AND j.erasure_id = r.id
        WHERE r.customer_id = ${customer} AND r.state = 'executing' AND ${chain} IN ('*', j.zone_id::text)
          AND j.from_ms < ${to}::bigint AND j.to_ms > ${from}::bigint
        GROUP BY r.id ORDER BY r.id LIMIT 1`).pipe(
        Effect.map((rows) => Option.fromNullishOr(rows[0])),
        inCustomer(sql, "ErasureStore.executingIn", customer)
      )
  })
})

/** The erasures on the `SqlClient`. */
export const layer: Layer.Layer<ErasureStore, never, SqlClient.SqlClient> = Layer.effect(ErasureStore, make)
