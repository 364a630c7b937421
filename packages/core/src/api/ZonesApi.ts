/**
 * Contract: the zones a customer archives, how far each is, and the jobs of its windows.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { CloudflareZoneId, JobId, ZoneId } from "../domain/Identifier.ts"
import { BlockReason, SourceName } from "../domain/Source.ts"
import { CustomerAuthorization } from "./Authorization.ts"
import { DisplayName } from "./CustomersApi.ts"
import { Instant } from "./Instant.ts"
import { JobPage } from "./JobResource.ts"
import {
  bodyProblems,
  DatabaseUnavailable,
  KeysUnavailable,
  ZoneAlreadyArchived,
  ZoneBlocked,
  ZoneNotFound
} from "./Problem.ts"

/** The most hours a new zone's archive reaches back: Logpull keeps at most seven days. */
export const mostBackfillHours = 168

/** What a new zone is made of. */
export const CreateZone = Schema.Struct({
  name: DisplayName.annotate({ description: "The zone's name, for people; usually its domain." }),
  cloudflareZoneId: CloudflareZoneId.annotate({
    description: "The zone id in the Cloudflare dashboard: 32 hex digits."
  }),
  token: Schema.RedactedFromValue(
    Schema.String.check(
      Schema.isMinLength(20),
      Schema.isMaxLength(512),
      Schema.isPattern(/^[\x21-\x7e]+$/u, { expected: "a Cloudflare API token (printable ASCII without spaces)" })
    )
  ).pipe(Schema.annotateEncoded({
    description: "A Cloudflare API token with `Logs: Read` on the zone. It is stored encrypted and never returned."
  })),
  backfillHours: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: mostBackfillHours }))
  ).annotate({
    description:
      `How many hours back the archive starts, 0 to ${mostBackfillHours}; ${mostBackfillHours} if left out. ` +
      "A full backfill starts 15 minutes later than that, since the oldest minutes expire before they can be pulled."
  })
}).annotate({ identifier: "CreateZone" })

const blockFields = {
  reason: BlockReason,
  since: Schema.NullOr(Instant).annotate({ description: "When it was last known to be collectable; null if never." }),
  remedy: Schema.String
}

/** Whether a source is collected, and if not, why, since when, and what to do. */
export const SourceStatusResource = Schema.Union([
  Schema.Struct({ state: Schema.Literal("active") }),
  Schema.Struct({ state: Schema.Literal("blocked"), ...blockFields })
]).annotate({ identifier: "SourceStatus" })

/** Whether a zone is collected from all, some or none of its sources; reason and remedy of the longest blocked one. */
export const ZoneStatusResource = Schema.Union([
  Schema.Struct({ state: Schema.Literal("active") }),
  Schema.Struct({ state: Schema.Literal("degraded"), ...blockFields }),
  Schema.Struct({ state: Schema.Literal("blocked"), ...blockFields })
]).annotate({ identifier: "ZoneStatus" })

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** How far one source of a zone is. */
export const SourceResource = Schema.Struct({
  name: SourceName,
  status: SourceStatusResource,
  startsAt: Instant.annotate({ description: "Where the source's timeline starts." }),
  plannedTo: Instant.annotate({ description: "The end of the last planned window." }),
  oldestUncommitted: Schema.NullOr(Instant).annotate({
    description: "Start of the oldest window that is neither committed nor a gap; null if there is none."
  }),
  windows: Schema.Struct({
    planned: Count,
    leased: Count,
    stored: Count,
    committed: Count,
    gap: Count,
    split: Count
  }).annotate({ description: "Windows by state. `split` windows were replaced by shorter ones." }),
  records: Count.annotate({ description: "Archived log lines." }),
  plainBytes: Count.annotate({ description: "Archived bytes of NDJSON." }),
  storedBytes: Count.annotate({ description: "Stored bytes: compressed and encrypted." })
}).annotate({ identifier: "Source" })

/** The circuit breaker of one Cloudflare API, as the answering process sees it. */
export const CircuitResource = Schema.Struct({
  api: Schema.String.annotate({ description: "The endpoint, without identifiers: `logs/received`." }),
  state: Schema.Literals(["closed", "open", "half-open"]),
  failures: Count.annotate({ description: "Failures in a row so far." }),
  openUntil: Schema.NullOr(Instant).annotate({ description: "When the next call is let through; null unless open." })
}).annotate({ identifier: "Circuit" })

/** A zone as the API shows it. */
export const ZoneResource = Schema.Struct({
  id: ZoneId,
  name: Schema.String,
  cloudflareZoneId: CloudflareZoneId,
  status: ZoneStatusResource,
  createdAt: Instant,
  sources: Schema.Array(SourceResource),
  circuits: Schema.NullOr(Schema.Array(CircuitResource)).annotate({
    description:
      "Circuit breakers of the zone in the answering process, by API. An API that is not listed is closed and has " +
      "not failed. Null if the zone's token cannot be read."
  })
}).annotate({ identifier: "Zone" })
export type ZoneResource = typeof ZoneResource.Type

/** The sources that Rainlogs pulls; what is pushed has endpoints of its own. */
export const PulledSource = Schema.Literals([
  "cloudflare/logpull/http_requests",
  "cloudflare/graphql/firewall_events",
  "cloudflare/graphql/http_requests",
  "cloudflare/audit_logs/v2"
])

/** A source to add. */
export const AddSource = Schema.Struct({
  name: PulledSource,
  backfillHours: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: mostBackfillHours }))
  ).annotate({
    description: `How many hours back the source starts, 0 to ${mostBackfillHours}; 24 if left out. What it does not ` +
      "keep for so long becomes a gap."
  })
}).annotate({ identifier: "AddSource" })

/** The cursor of a page of jobs: a Unix time in ms, alone or followed by `.` and a job id. */
export const JobCursor = Schema.String.check(
  Schema.isPattern(/^(?:0|[1-9][0-9]{0,15})(?:\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?$/u, {
    expected: "the `next` of the page before, or a Unix time in milliseconds"
  })
)

/** The most jobs of one page. */
export const mostJobsPerPage = 1000

const zoneParameter = {
  id: ZoneId.annotate({ description: "The zone's id in Rainlogs, as `GET /api/v1/zones` shows it." })
}

/** Zones. */
export class ZonesApi extends HttpApiGroup.make("zones")
  .add(
    HttpApiEndpoint.post("create", "/", {
      payload: CreateZone,
      success: ZoneResource.pipe(HttpApiSchema.status(201)),
      error: [...bodyProblems, ZoneAlreadyArchived, DatabaseUnavailable, KeysUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Archive a zone",
      description:
        "Starts archiving a Cloudflare zone: its Logpull source is backfilled oldest first while the newest " +
        "windows are kept fresh. Whether Cloudflare lets the zone be collected shows in its status soon after."
    })),
    HttpApiEndpoint.get("list", "/", {
      success: Schema.Struct({ zones: Schema.Array(ZoneResource) }).annotate({ identifier: "Zones" }),
      error: DatabaseUnavailable
    }).annotateMerge(OpenApi.annotations({
      summary: "List the zones",
      description: "All zones of the customer with status and progress, oldest first."
    })),
    HttpApiEndpoint.get("get", "/:id", {
      params: zoneParameter,
      success: ZoneResource,
      error: [ZoneNotFound, DatabaseUnavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Show a zone", description: "One zone with status and progress." })
    ),
    HttpApiEndpoint.post("addSource", "/:id/sources", {
      params: zoneParameter,
      payload: AddSource,
      success: ZoneResource.pipe(HttpApiSchema.status(201)),
      error: [...bodyProblems, ZoneNotFound, DatabaseUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Add a source",
      description:
        "Collects the zone from one more source, with a timeline of its own. A source that the zone has already " +
        "stays as it is. Whether Cloudflare lets it be collected shows in its status soon after; docs/sources.md says what " +
        "each can give and which permissions its token needs."
    })),
    HttpApiEndpoint.post("pull", "/:id/pull", {
      params: zoneParameter,
      success: Schema.Struct({ jobs: Schema.Array(JobId) }).annotate({ identifier: "PulledJobs" }).pipe(
        HttpApiSchema.status(202)
      ),
      error: [ZoneNotFound, ZoneBlocked, DatabaseUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Pull a zone now",
      description:
        "Plans the zone's settled windows and offers its waiting jobs to the workers, without waiting for the " +
        "next round. Pulling twice does no work twice."
    })),
    HttpApiEndpoint.get("logs", "/:id/logs", {
      params: zoneParameter,
      query: {
        limit: Schema.optionalKey(
          Schema.FiniteFromString.check(
            Schema.isInt(),
            Schema.isBetween({ minimum: 1, maximum: mostJobsPerPage })
          )
        ).pipe(
          Schema.annotateEncoded({ description: `Most jobs of the page: 1 to ${mostJobsPerPage}, 100 if left out.` })
        ),
        before: Schema.optionalKey(JobCursor).annotate({
          description: "The `next` of the page before; or a Unix time in ms: only windows that start earlier."
        })
      },
      success: JobPage,
      error: [ZoneNotFound, DatabaseUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "List a zone's windows",
      description: "The jobs of the zone's windows, newest window first."
    }))
  )
  .prefix("/api/v1/zones")
  .middleware(CustomerAuthorization)
  .annotateMerge(OpenApi.annotations({ title: "Zones", description: "Archived Cloudflare zones." }))
{}
