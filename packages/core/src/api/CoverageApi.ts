/**
 * Contract: what the archive holds of a zone, source by source and hour by hour.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { verdicts } from "../coverage/Coverage.ts"
import { GapReason } from "../domain/GapReason.ts"
import { ZoneId } from "../domain/Identifier.ts"
import { SourceName } from "../domain/Source.ts"
import { CustomerAuthorization } from "./Authorization.ts"
import { Instant } from "./Instant.ts"
import { DatabaseUnavailable, InvalidRequest, ZoneNotFound } from "./Problem.ts"
import { SourceStatusResource } from "./ZonesApi.ts"

/** The most hours of one answer: 31 days. */
export const mostCoverageHours = 744

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** A verdict. */
export const CoverageVerdict = Schema.Literals(verdicts).annotate({
  identifier: "CoverageVerdict",
  description:
    "`complete`: every record the source gave. `sampled`: the source gave a sample. `partial`: records are " +
    "known to be missing. `gap`: part of the hour was not collected and will not be. `pending`: not collected yet. " +
    "`unknown`: nothing says what the source had, for instance before the archive began. The worst part of an hour counts."
})

/** One hour of one source. */
export const CoverageHourResource = Schema.Struct({
  start: Instant,
  verdict: CoverageVerdict,
  reasons: Schema.Array(GapReason).annotate({ description: "Why there are gaps in the hour." }),
  records: Count.annotate({ description: "Records of the windows that start in the hour." }),
  ms: Schema.Struct({
    complete: Count,
    sampled: Count,
    partial: Count,
    unknown: Count,
    pending: Count,
    gap: Count
  }).annotate({ description: "The hour's time by verdict; of the hour that is not over, up to now." }),
  hoursToLoss: Schema.NullOr(Schema.Finite).annotate({
    description:
      "Hours until the source forgets the earliest pending record; 0 when that has begun, null if nothing is " +
      "pending or nothing is lost by waiting."
  })
}).annotate({ identifier: "CoverageHour" })

/** The coverage of one source. */
export const SourceCoverageResource = Schema.Struct({
  name: SourceName,
  status: SourceStatusResource,
  startsAt: Instant,
  hoursToLoss: Schema.NullOr(Schema.Finite).annotate({
    description: "The least of its hours; null if none is at risk."
  }),
  hours: Schema.Array(CoverageHourResource)
}).annotate({ identifier: "SourceCoverage" })
export type SourceCoverageResource = typeof SourceCoverageResource.Type

/** The coverage of a zone. */
export const ZoneCoverage = Schema.Struct({
  zone: ZoneId,
  from: Instant,
  to: Instant,
  sources: Schema.Array(SourceCoverageResource)
}).annotate({ identifier: "ZoneCoverage" })
export type ZoneCoverage = typeof ZoneCoverage.Type

/** Coverage. */
export class CoverageApi extends HttpApiGroup.make("coverage")
  .add(
    HttpApiEndpoint.get("zone", "/:id/coverage", {
      params: { id: ZoneId.annotate({ description: "The zone's id in Rainlogs, as `GET /api/v1/zones` shows it." }) },
      query: {
        from: Schema.optionalKey(Instant).annotate({
          description: "Down to a full hour; 24 h before `to` if left out."
        }),
        to: Schema.optionalKey(Instant).annotate({ description: "Up to a full hour, exclusive; now if left out." })
      },
      success: ZoneCoverage,
      error: [ZoneNotFound, InvalidRequest, DatabaseUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Show a zone's coverage",
      description:
        `What the archive holds of each source of the zone, hour by hour (UTC): at most ${mostCoverageHours} ` +
        "hours. It is read from the window ledger; that the windows are what the ledger says is for `rainlogs verify`."
    }))
  )
  .prefix("/api/v1/zones")
  .middleware(CustomerAuthorization)
  .annotateMerge(
    OpenApi.annotations({ title: "Coverage", description: "Which hours are there, which are not, and why." })
  )
{}
