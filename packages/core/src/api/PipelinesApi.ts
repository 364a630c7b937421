/**
 * Contract: the pipelines of a zone's sources, and the keys of pseudonyms.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Sha256Hex, ZoneId } from "../domain/Identifier.ts"
import { SourceName } from "../domain/Source.ts"
import { Pipeline } from "../pipeline/Pipeline.ts"
import { CustomerAuthorization } from "./Authorization.ts"
import { Instant } from "./Instant.ts"
import {
  bodyProblems,
  DatabaseUnavailable,
  PseudonymKeyInUse,
  PseudonymKeyNotFound,
  SourceNotFound,
  ZoneNotFound
} from "./Problem.ts"

/** The pipeline of one source. */
export const SourcePipelineResource = Schema.Struct({
  source: SourceName,
  version: Schema.Int.annotate({ description: "Grows with every change; 0 where no pipeline was ever set." }),
  setAt: Schema.NullOr(Instant),
  sha256: Schema.NullOr(Sha256Hex).annotate({
    description: "SHA-256 of the pipeline's canonical JSON, as the parameters of the ledger's entries name it."
  }),
  pipeline: Schema.NullOr(Pipeline).annotate({ description: "Null: lines are archived byte for byte." })
}).annotate({ identifier: "SourcePipeline" })
export type SourcePipelineResource = typeof SourcePipelineResource.Type

/** The pipelines of a zone. */
export const ZonePipelines = Schema.Struct({ pipelines: Schema.Array(SourcePipelineResource) }).annotate({
  identifier: "ZonePipelines"
})

/** A period of pseudonyms. */
export const PseudonymKeyResource = Schema.Struct({
  period: Schema.String.annotate({ description: "A day, an ISO 8601 week or a month (UTC), or `never`." }),
  createdAt: Instant,
  destroyedAt: Schema.NullOr(Instant)
}).annotate({ identifier: "PseudonymKey" })

/** All periods of a customer. */
export const PseudonymKeyList = Schema.Struct({ keys: Schema.Array(PseudonymKeyResource) }).annotate({
  identifier: "PseudonymKeys"
})

const zone = { id: ZoneId.annotate({ description: "The zone's id in Rainlogs, as `GET /api/v1/zones` shows it." }) }

/** Pipelines. */
export class PipelinesApi extends HttpApiGroup.make("pipelines")
  .add(
    HttpApiEndpoint.get("show", "/zones/:id/pipeline", {
      params: zone,
      success: ZonePipelines,
      error: [ZoneNotFound, DatabaseUnavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Show pipelines", description: "The pipeline of every source of the zone." })
    ),
    HttpApiEndpoint.put("set", "/zones/:id/pipeline", {
      params: zone,
      payload: Schema.Struct({ source: SourceName, pipeline: Schema.NullOr(Pipeline) }).annotate({
        identifier: "SetPipeline"
      }),
      success: SourcePipelineResource,
      error: [...bodyProblems, ZoneNotFound, SourceNotFound, DatabaseUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Set a pipeline",
      description:
        "Sets the rules of one source, or none with null. They apply to windows whose collection begins afterwards. " +
        "The rules are written to the ledger with the windows they applied to and cannot be erased there: put no " +
        "personal data into them."
    })),
    HttpApiEndpoint.get("keys", "/pseudonym-keys", {
      success: PseudonymKeyList,
      error: DatabaseUnavailable
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List keys of pseudonyms",
        description: "One key per period; without its secret."
      })
    ),
    HttpApiEndpoint.delete("destroyKey", "/pseudonym-keys/:period", {
      params: { period: Schema.String },
      success: PseudonymKeyResource,
      error: [PseudonymKeyNotFound, PseudonymKeyInUse, DatabaseUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Destroy a key of pseudonyms",
      description:
        "Destroys the key of a period that ended eight days ago or earlier, or of `never` when no pipeline uses it. " +
        "Nobody can then compute which value a pseudonym stands for. It cannot be undone."
    }))
  )
  .prefix("/api/v1")
  .middleware(CustomerAuthorization)
  .annotateMerge(OpenApi.annotations({ title: "Pipelines", description: "What is left out before it is archived." }))
{}
