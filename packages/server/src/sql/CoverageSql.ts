/**
 * Adapter: how windows cover hours, summed by PostgreSQL: one statement whatever the number of windows.
 */
import { hourMs } from "@rainlogs/core/coverage/Coverage"
import { CoverageStore } from "@rainlogs/core/coverage/CoverageStore"
import { GapReason } from "@rainlogs/core/domain/GapReason"
import { SourceName } from "@rainlogs/core/domain/Source"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { inCustomer } from "./CustomerTransaction.ts"
import { decodeRows, SafeInteger } from "./Row.ts"

const PartRow = Schema.Struct({
  source: SourceName,
  hour: SafeInteger,
  verdict: Schema.Literals(["complete", "sampled", "partial", "pending", "gap"]),
  gapReason: Schema.NullOr(GapReason),
  ms: SafeInteger,
  records: SafeInteger,
  earliest: SafeInteger
})

const make = Effect.map(SqlClient.SqlClient, (sql) =>
  CoverageStore.of({
    parts: (customer, zone, { from, to }) =>
      decodeRows(PartRow)(sql`
        SELECT s.name AS source, (h.hour * ${hourMs}::bigint) AS hour, k.verdict, j.gap_reason AS "gapReason",
          sum(least(w.to_ms, (h.hour + 1) * ${hourMs}::bigint) - greatest(w.from_ms, h.hour * ${hourMs}::bigint))::bigint
            AS ms,
          coalesce(sum(j.records) FILTER (WHERE w.from_ms >= h.hour * ${hourMs}::bigint), 0)::bigint AS records,
          min(w.from_ms)::bigint AS earliest
        FROM sources s
        JOIN windows w ON w.customer_id = s.customer_id AND w.source_id = s.id
          AND w.from_ms < ${to}::bigint AND w.to_ms > ${from}::bigint
        JOIN log_jobs j ON j.customer_id = w.customer_id AND j.id = w.job_id
        CROSS JOIN LATERAL (
          SELECT CASE WHEN j.state = 'gap' THEN 'gap' WHEN j.state = 'committed' THEN j.fidelity ELSE 'pending' END
            AS verdict
        ) k
        CROSS JOIN LATERAL generate_series(
          greatest(w.from_ms, ${from}::bigint) / ${hourMs}::bigint,
          (least(w.to_ms, ${to}::bigint) - 1) / ${hourMs}::bigint
        ) AS h (hour)
        WHERE s.customer_id = ${customer} AND s.zone_id = ${zone}
        GROUP BY s.name, h.hour, k.verdict, j.gap_reason
        ORDER BY s.name, h.hour`).pipe(inCustomer(sql, "CoverageStore.parts", customer))
  }))

/** The coverage of hours on the `SqlClient`. */
export const layer: Layer.Layer<CoverageStore, never, SqlClient.SqlClient> = Layer.effect(CoverageStore, make)
