/**
 * Adapter: keys of pseudonyms in PostgreSQL, each under the key of its customer.
 */
import type { CustomerId } from "@rainlogs/core/domain/Identifier"
import { PseudonymKeyDestroyed } from "@rainlogs/core/pipeline/PipelineError"
import { pseudonymKeyAad, PseudonymKeys } from "@rainlogs/core/pipeline/PseudonymKeys"
import { Kms } from "@rainlogs/core/secrets/Kms"
import { Clock, Effect, Layer, Redacted, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"
import { inCustomer } from "./CustomerTransaction.ts"
import { decodeRows, SafeInteger } from "./Row.ts"

const KeyRow = Schema.Struct({ sealed: Schema.NullOr(Schema.Uint8Array), kek: Schema.NullOr(Schema.String) })

const PeriodRow = Schema.Struct({
  period: Schema.String,
  createdAt: SafeInteger,
  destroyedAt: Schema.NullOr(SafeInteger)
})

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const kms = yield* Kms

  const find = (customer: CustomerId, period: string) =>
    decodeRows(KeyRow)(sql`
      SELECT sealed, kek FROM pseudonym_keys WHERE customer_id = ${customer} AND period = ${period}`).pipe(
      Effect.map(([row]) => row),
      inCustomer(sql, "PseudonymKeys.key", customer)
    )

  const add = Effect.fnUntraced(function*(customer: CustomerId, period: string) {
    const secret = Redacted.make(new Uint8Array(randomBytes(32)), { label: "pseudonym key" })
    const { bytes, kek } = yield* kms.wrap(customer, secret, pseudonymKeyAad(customer, period))
    const now = yield* Clock.currentTimeMillis
    // Whoever comes first has made the key of all.
    yield* sql`INSERT INTO pseudonym_keys ${
      sql.insert({ customer_id: customer, period, sealed: bytes, kek, created_ms: now })
    } ON CONFLICT (customer_id, period) DO NOTHING`.pipe(inCustomer(sql, "PseudonymKeys.key", customer))
  })

  const key: PseudonymKeys["Service"]["key"] = Effect.fnUntraced(function*(customer, period) {
    let row = yield* find(customer, period)
    if (row === undefined) {
      yield* add(customer, period)
      row = yield* find(customer, period)
    }
    if (row === undefined || row.sealed === null || row.kek === null) {
      return yield* new PseudonymKeyDestroyed({ period })
    }
    const secret = yield* kms.unwrap(
      customer,
      { kek: row.kek, bytes: row.sealed },
      pseudonymKeyAad(customer, period)
    )
    return { period, secret }
  })

  return PseudonymKeys.of({
    key,
    periods: (customer) =>
      decodeRows(PeriodRow)(sql`
        SELECT period, created_ms AS "createdAt", destroyed_ms AS "destroyedAt" FROM pseudonym_keys
        WHERE customer_id = ${customer} ORDER BY period`).pipe(inCustomer(sql, "PseudonymKeys.periods", customer)),
    destroy: (customer, period, now) =>
      Effect.gen(function*() {
        if (period === "never") {
          // Whoever sets a pipeline locks its source's row; these rows stay as they are until the key is gone.
          yield* sql`SELECT id FROM sources WHERE customer_id = ${customer} ORDER BY id FOR UPDATE`
          const used = yield* sql`
            SELECT 1 FROM source_pipelines p WHERE p.customer_id = ${customer}
              AND p.document LIKE '%"rotate":"never"%' AND NOT EXISTS (
                SELECT 1 FROM source_pipelines n
                WHERE n.customer_id = p.customer_id AND n.source_id = p.source_id AND n.version > p.version
              ) LIMIT 1`
          if (used.length > 0) return "in-use" as const
        }
        yield* sql`
          UPDATE pseudonym_keys SET sealed = NULL, kek = NULL, destroyed_ms = ${now}
          WHERE customer_id = ${customer} AND period = ${period} AND destroyed_ms IS NULL`
        const rows = yield* sql`SELECT 1 FROM pseudonym_keys WHERE customer_id = ${customer} AND period = ${period}`
        return rows.length > 0 ? "destroyed" as const : "missing" as const
      }).pipe(inCustomer(sql, "PseudonymKeys.destroy", customer))
  })
})

/** The keys on the `SqlClient`. */
export const layer: Layer.Layer<PseudonymKeys, never, SqlClient.SqlClient | Kms> = Layer.effect(PseudonymKeys, make)
