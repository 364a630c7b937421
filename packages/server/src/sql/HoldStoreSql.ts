/**
 * Adapter: legal holds in PostgreSQL.
 */
import type { CustomerId } from "@rainlogs/core/domain/Identifier"
import { type HoldRecord, HoldStore } from "@rainlogs/core/lifecycle/HoldStore"
import * as Hex from "@rainlogs/verify/Hex"
import type { Hold } from "@rainlogs/verify/Hold"
import { Array as Arr, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { inCustomer } from "./CustomerTransaction.ts"
import { decodeRows, SafeInteger } from "./Row.ts"

const Scope = Schema.Struct({ chain: Schema.String, from: Schema.Int, to: Schema.Int })

const HoldRow = Schema.Struct({
  id: Schema.String,
  origin: Schema.String,
  basis: Schema.String,
  issued: SafeInteger,
  document: Schema.String,
  releasedAt: Schema.NullOr(SafeInteger),
  releaseDocument: Schema.NullOr(Schema.String),
  scopes: Schema.Array(Scope)
})

/** The row of a hold whose entry has this job and document. */
export const holdRow = (
  customer: CustomerId,
  { basis, id, issued }: Hold,
  { document, job }: { readonly document: string; readonly job: string }
) => ({
  customer_id: customer,
  id,
  basis,
  issued_ms: issued,
  job_id: job,
  document: Hex.decode(document, 32)
})

/** Inserts the scopes of a hold whose row is there. */
export const insertScopes = Effect.fnUntraced(
  function*(sql: SqlClient.SqlClient, customer: CustomerId, { id, scopes }: Hold) {
    if (!Arr.isReadonlyArrayNonEmpty(scopes)) return
    yield* sql`INSERT INTO hold_scopes ${
      sql.insert(
        Arr.map(
          scopes,
          ({ chain, from, to }) => ({ customer_id: customer, hold_id: id, chain, from_ms: from, to_ms: to })
        )
      )
    }`
  }
)

const recordOf = (row: typeof HoldRow.Type): HoldRecord => {
  const { basis, document, id, issued, origin, releasedAt, releaseDocument, scopes } = row
  return {
    hold: { origin, id, scopes, basis, issued },
    document,
    released: releasedAt === null || releaseDocument === null ? null : { at: releasedAt, document: releaseDocument }
  }
}

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const holdsWhere = (where: Statement.Fragment) =>
    Effect.map(
      decodeRows(HoldRow)(sql`
        SELECT h.id, c.origin, h.basis, h.issued_ms AS issued, encode(h.document, 'hex') AS document,
          h.released_ms AS "releasedAt", encode(h.release_document, 'hex') AS "releaseDocument", (
            SELECT jsonb_agg(jsonb_build_object('chain', s.chain, 'from', s.from_ms, 'to', s.to_ms)
              ORDER BY s.chain COLLATE "C", s.from_ms, s.to_ms)
            FROM hold_scopes s WHERE s.customer_id = h.customer_id AND s.hold_id = h.id
          ) AS scopes
        FROM holds h JOIN customers c ON c.id = h.customer_id
        WHERE ${where}`),
      (rows) => rows.map(recordOf)
    )

  return HoldStore.of({
    active: (customer: CustomerId) =>
      holdsWhere(sql`h.customer_id = ${customer} AND h.released_ms IS NULL ORDER BY h.issued_ms, h.id`).pipe(
        Effect.map((records) => records.map(({ hold }) => hold)),
        inCustomer(sql, "HoldStore.active", customer)
      ),

    hold: (customer, id) =>
      holdsWhere(sql`h.customer_id = ${customer} AND h.id = ${id}`).pipe(
        Effect.map((records) => Option.fromNullishOr(records[0])),
        inCustomer(sql, "HoldStore.hold", customer)
      ),

    holds: (customer, { before, limit }) =>
      holdsWhere(sql`h.customer_id = ${customer}
        AND (h.issued_ms, h.id) < (${before?.issued ?? Number.MAX_SAFE_INTEGER}::bigint,
          ${before?.id ?? "ffffffff-ffff-ffff-ffff-ffffffffffff"}::uuid)
        ORDER BY h.issued_ms DESC, h.id DESC LIMIT ${limit}::bigint`).pipe(
        inCustomer(sql, "HoldStore.holds", customer)
      ),

    place: (customer, hold, { document, job }) =>
      Effect.gen(function*() {
        yield* sql`INSERT INTO holds ${sql.insert(holdRow(customer, hold, { document, job }))}`
        yield* insertScopes(sql, customer, hold)
      }).pipe(inCustomer(sql, "HoldStore.place", customer)),

    release: (customer, id, released, { document, job }) =>
      sql`UPDATE holds SET released_ms = ${released}, release_job = ${job},
          release_document = ${Hex.decode(document, 32)}
        WHERE customer_id = ${customer} AND id = ${id}`.pipe(
        inCustomer(sql, "HoldStore.release", customer),
        Effect.asVoid
      )
  })
})

/** The legal holds on the `SqlClient`. */
export const layer: Layer.Layer<HoldStore, never, SqlClient.SqlClient> = Layer.effect(HoldStore, make)
