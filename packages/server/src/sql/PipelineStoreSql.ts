/**
 * Adapter: pipelines of sources in PostgreSQL.
 */
import { SourceName } from "@rainlogs/core/domain/Source"
import { canonicalJson, Pipeline } from "@rainlogs/core/pipeline/Pipeline"
import { PipelineStore, type SourcePipeline } from "@rainlogs/core/pipeline/PipelineStore"
import { Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { inCustomer } from "./CustomerTransaction.ts"
import { decodeRows, SafeInteger } from "./Row.ts"

const Document = Schema.NullOr(Schema.fromJsonString(Pipeline))

const VersionRow = Schema.Struct({
  source: SourceName,
  version: Schema.Int,
  pipeline: Document,
  setAt: Schema.NullOr(SafeInteger)
})

const make = Effect.map(SqlClient.SqlClient, (sql) => {
  const newest = (where: ReturnType<typeof sql.and>) =>
    decodeRows(VersionRow)(sql`
      SELECT s.name AS source, coalesce(p.version, 0) AS version, p.document AS pipeline, p.set_ms AS "setAt"
      FROM sources s LEFT JOIN LATERAL (
        SELECT v.version, v.document, v.set_ms FROM source_pipelines v
        WHERE v.customer_id = s.customer_id AND v.source_id = s.id ORDER BY v.version DESC LIMIT 1
      ) p ON true
      WHERE ${where} ORDER BY s.name`)

  const set: PipelineStore["Service"]["set"] = (customer, zone, source, pipeline, now) =>
    Effect.gen(function*() {
      // The row of the source orders two who set at once.
      const [row] = yield* decodeRows(Schema.Struct({ id: Schema.String }))(sql`
        SELECT id FROM sources WHERE customer_id = ${customer} AND zone_id = ${zone} AND name = ${source} FOR UPDATE`)
      if (row === undefined) return Option.none<SourcePipeline>()
      const where = sql.and([sql`s.customer_id = ${customer}`, sql`s.id = ${row.id}`])
      const [before] = yield* newest(where)
      const document = pipeline === null ? null : canonicalJson(pipeline)
      const same = before !== undefined &&
        (before.pipeline === null ? document === null : canonicalJson(before.pipeline) === document)
      if (!same) {
        yield* sql`INSERT INTO source_pipelines ${
          sql.insert({
            customer_id: customer,
            source_id: row.id,
            version: (before?.version ?? 0) + 1,
            document,
            set_ms: now
          })
        }`
      }
      return Option.fromNullishOr((yield* newest(where))[0])
    }).pipe(inCustomer(sql, "PipelineStore.set", customer))

  return PipelineStore.of({
    current: (customer, source) =>
      newest(sql.and([sql`s.customer_id = ${customer}`, sql`s.id = ${source}`])).pipe(
        Effect.map(([row]) => Option.fromNullishOr(row?.pipeline)),
        inCustomer(sql, "PipelineStore.current", customer)
      ),
    ofZone: (customer, zone) =>
      newest(sql.and([sql`s.customer_id = ${customer}`, sql`s.zone_id = ${zone}`])).pipe(
        inCustomer(sql, "PipelineStore.ofZone", customer)
      ),
    set
  })
})

/** The pipelines on the `SqlClient`. */
export const layer: Layer.Layer<PipelineStore, never, SqlClient.SqlClient> = Layer.effect(PipelineStore, make)
