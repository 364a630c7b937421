/**
 * Contract: one window's job, and its log lines.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { JobId } from "../domain/Identifier.ts"
import { CustomerAuthorization } from "./Authorization.ts"
import { JobResource } from "./JobResource.ts"
import {
  DatabaseUnavailable,
  JobNotCommitted,
  JobNotFound,
  ObjectUnreadable,
  StorageUnavailable,
  WindowErased
} from "./Problem.ts"

/** The headers of a download. */
const DownloadHeaders = Schema.Struct({
  "content-disposition": Schema.String.annotate({ description: "Suggests `<zone>-<start>-<end>.ndjson`." }),
  "content-length": Schema.String.annotate({ description: "Bytes of NDJSON; a shorter body is a failed download." }),
  etag: Schema.String.annotate({ description: "SHA-256 of the stored object, quoted." })
})

const jobParameter = { id: JobId.annotate({ description: "The job's id, as `GET /api/v1/zones/{id}/logs` shows it." }) }

/** Log lines. */
export class LogsApi extends HttpApiGroup.make("logs")
  .add(
    HttpApiEndpoint.get("job", "/:id", {
      params: jobParameter,
      success: JobResource,
      error: [JobNotFound, DatabaseUnavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Show a job", description: "One window's job and what it archived." })
    ),
    HttpApiEndpoint.get("download", "/:id/download", {
      params: jobParameter,
      success: HttpApiSchema.WithHeaders(
        HttpApiSchema.StreamUint8Array({ contentType: "application/x-ndjson" }),
        DownloadHeaders
      ),
      error: [JobNotFound, JobNotCommitted, WindowErased, ObjectUnreadable, DatabaseUnavailable, StorageUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Download a window",
      description:
        "The window's log lines exactly as Cloudflare sent them, decrypted and decompressed, as NDJSON. An empty " +
        "window is an empty body. If the stored object turns out to be damaged while it is sent, the connection is broken " +
        "off before `content-length` bytes: a complete answer is a verified answer."
    }))
  )
  .prefix("/api/v1/logs/jobs")
  .middleware(CustomerAuthorization)
  .annotateMerge(OpenApi.annotations({ title: "Logs", description: "Archived windows and their log lines." }))
{}
