/**
 * Adapter: pushed sources in PostgreSQL.
 */
import { Sha256Hex } from "@rainlogs/core/domain/Identifier"
import { sourceIdOf } from "@rainlogs/core/domain/Source"
import { PushSource, PushSources } from "@rainlogs/core/receiver/PushSources"
import * as Hex from "@rainlogs/verify/Hex"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { failAs, inCustomer } from "./CustomerTransaction.ts"
import { decodeRows } from "./Row.ts"
import { insertSource } from "./SourceInsert.ts"

const SenderRow = Schema.Struct({ ...PushSource.fields, secretSha256: Sha256Hex })

const make = Effect.map(SqlClient.SqlClient, (sql) =>
  PushSources.of({
    accept: Effect.fn("PushSources.accept")(function*({ customer, secretSha256, zone }, begin, spool, now) {
      const source = sourceIdOf(zone, begin.name)
      yield* Effect.gen(function*() {
        yield* insertSource(sql, customer, zone, begin)
        yield* sql`INSERT INTO push_sources ${
          sql.insert({
            customer_id: customer,
            source_id: source,
            secret_sha256: Hex.decode(secretSha256, 32),
            spool,
            updated_ms: now
          })
        } ON CONFLICT (source_id, customer_id) DO UPDATE
          SET secret_sha256 = excluded.secret_sha256, spool = excluded.spool, updated_ms = excluded.updated_ms`
      }).pipe(inCustomer(sql, "PushSources.accept", customer))
      return source
    }),

    of: (spool) =>
      decodeRows(SenderRow)(sql`
        SELECT customer_id AS customer, zone_id AS zone, source_id AS source, name,
          encode(secret_sha256, 'hex') AS "secretSha256"
        FROM push_sources_of(${spool})`).pipe(failAs("PushSources.of"))
  }))

/** The pushed sources on the `SqlClient`. */
export const layer: Layer.Layer<PushSources, never, SqlClient.SqlClient> = Layer.effect(PushSources, make)
