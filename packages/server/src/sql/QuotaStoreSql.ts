/**
 * Adapter: quotas and usage in PostgreSQL.
 */
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { PauseReason, QuotaStore, type QuotaUsage } from "@rainlogs/core/quota/Quota"
import { Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { failAs, inCustomer } from "./CustomerTransaction.ts"
import { decodeRows, SafeInteger } from "./Row.ts"

const UsageRow = Schema.Struct({
  dayLimit: Schema.NullOr(SafeInteger),
  storedLimit: Schema.NullOr(SafeInteger),
  today: SafeInteger,
  stored: SafeInteger,
  paused: Schema.NullOr(PauseReason)
})

const usageOf = ({ dayLimit, paused, stored, storedLimit, today }: typeof UsageRow.Type): QuotaUsage => ({
  quota: { bytesPerDay: dayLimit, storedBytes: storedLimit },
  today,
  stored,
  paused
})

const make = Effect.map(SqlClient.SqlClient, (sql) =>
  QuotaStore.of({
    usage: (customer, now) =>
      decodeRows(UsageRow)(sql`
        SELECT day_limit AS "dayLimit", stored_limit AS "storedLimit", day_bytes AS today, stored_bytes AS stored, paused
        FROM quota_usage(${now}::bigint) WHERE customer_id = ${customer}`).pipe(
        Effect.map((rows) => Option.map(Option.fromNullishOr(rows[0]), usageOf)),
        inCustomer(sql, "QuotaStore.usage", customer)
      ),

    set: (customer, { bytesPerDay, storedBytes }) =>
      sql`
        UPDATE customers SET quota_day_bytes = ${bytesPerDay}, quota_stored_bytes = ${storedBytes}
        WHERE id = ${customer} RETURNING id`.pipe(
        Effect.map((changed) => changed.length > 0),
        inCustomer(sql, "QuotaStore.set", customer)
      ),

    paused: (now) =>
      decodeRows(Schema.Struct({ customer: CustomerId, reason: PauseReason }))(sql`
        SELECT customer_id AS customer, paused AS reason FROM paused_customers(${now}::bigint)`).pipe(
        failAs("QuotaStore.paused")
      )
  }))

/** The quotas on the `SqlClient`. */
export const layer: Layer.Layer<QuotaStore, never, SqlClient.SqlClient> = Layer.effect(QuotaStore, make)
