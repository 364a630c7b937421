/**
 * Contract: Logpush to this appliance. The batches themselves come to `POST /ingest/logpush/<source>`.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { SourceId, ZoneId } from "../domain/Identifier.ts"
import { SourceName } from "../domain/Source.ts"
import { CustomerAuthorization } from "./Authorization.ts"
import { bodyProblems, DatabaseUnavailable, ZoneNotFound } from "./Problem.ts"

/** The datasets that can be pushed. */
export const LogpushDataset = Schema.Literals(["http_requests", "firewall_events"])
export type LogpushDataset = typeof LogpushDataset.Type

/** What a Logpush job needs. */
export const LogpushReceiverResource = Schema.Struct({
  source: SourceId,
  name: SourceName,
  path: Schema.String.annotate({ description: "Where batches go: this path on the appliance's public HTTPS address." }),
  header: Schema.Literal("Authorization"),
  secret: Schema.RedactedFromValue(
    Schema.String.annotate({
      description: "The value of the header is `Bearer <secret>`. It is shown this once; only its SHA-256 is kept."
    })
  ),
  destination: Schema.RedactedFromValue(Schema.String).annotate({
    description:
      "`destination_conf` of the job, with the placeholder `HOST` for the public address. Cloudflare sends the parameter " +
      "`header_Authorization` as a header and takes it out of the URL."
  })
}).annotate({ identifier: "LogpushReceiver" })

/** Logpush. */
export class LogpushApi extends HttpApiGroup.make("logpush")
  .add(
    HttpApiEndpoint.post("accept", "/:id/logpush", {
      params: { id: ZoneId.annotate({ description: "The zone's id in Rainlogs, as `GET /api/v1/zones` shows it." }) },
      payload: Schema.Struct({ dataset: LogpushDataset }).annotate({ identifier: "AcceptLogpush" }),
      success: LogpushReceiverResource.pipe(HttpApiSchema.status(201)),
      error: [...bodyProblems, ZoneNotFound, DatabaseUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Accept Logpush",
      description:
        "Makes a source that a Logpush job can send to, and its secret. Again for the same dataset it makes a new secret; " +
        "the old one is refused within ten seconds, and Cloudflare sends again what was refused."
    }))
  )
  .prefix("/api/v1/zones")
  .middleware(CustomerAuthorization)
  .annotateMerge(OpenApi.annotations({ title: "Logpush", description: "Cloudflare pushes, the appliance receives." }))
{}
