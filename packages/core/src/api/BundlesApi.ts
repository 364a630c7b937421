/**
 * Contract: evidence bundles, made in the background and downloaded when they are ready.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { BundleId } from "../bundle/BundleJob.ts"
import { CustomerAuthorization } from "./Authorization.ts"
import { BundleCursor, BundlePage, BundleResource, CreateBundle, mostBundlesPerPage } from "./BundleResource.ts"
import {
  bodyProblems,
  BundleExpired,
  BundleLimitReached,
  BundleNotFound,
  BundleNotReady,
  BundleUnreadable,
  BundleWithdrawn,
  DatabaseUnavailable,
  IdempotencyKeyReused,
  StorageUnavailable,
  ZoneNotFound
} from "./Problem.ts"

const bundleParameter = { id: BundleId.annotate({ description: "The bundle's id." }) }

/** The headers of a download. */
const ContentHeaders = Schema.Struct({
  "content-disposition": Schema.String.annotate({ description: "Suggests `evidence-<zone>-<from>-<to>.zip`." }),
  "content-length": Schema.String.annotate({ description: "Bytes of the ZIP; a shorter body is a failed download." }),
  "accept-ranges": Schema.String.annotate({ description: "`bytes`: a broken download can be continued." }),
  etag: Schema.String.annotate({ description: "SHA-256 of the whole ZIP, quoted." })
})

/** Evidence bundles. */
export class BundlesApi extends HttpApiGroup.make("bundles")
  .add(
    HttpApiEndpoint.post("create", "/", {
      headers: {
        "idempotency-key": Schema.optionalKey(
          Schema.String.check(
            Schema.isPattern(/^[\x21-\x7e]{1,255}$/u, {
              expected: "1 to 255 printable ASCII characters without spaces"
            })
          )
        ).annotate({ description: "A name of your own for this request: sent again, it is the same bundle." })
      },
      payload: CreateBundle,
      success: HttpApiSchema.WithHeaders(
        BundleResource,
        Schema.Struct({ location: Schema.String.annotate({ description: "Where the bundle is." }) })
      ).pipe(HttpApiSchema.status(202)),
      error: [...bodyProblems, ZoneNotFound, IdempotencyKeyReused, BundleLimitReached, DatabaseUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Ask for a bundle",
      description:
        "Starts making an evidence bundle: one ZIP with the whole ledger of the customer at its published checkpoint " +
        "and the stored objects of the zone's windows in the range, for anyone to verify offline. With `disclose` it " +
        "also holds the data keys of those objects; `reveals` says what that means. Ask for the bundle until it is " +
        "`ready`, then download its content."
    })),
    HttpApiEndpoint.get("list", "/", {
      query: {
        limit: Schema.optionalKey(
          Schema.FiniteFromString.check(
            Schema.isInt(),
            Schema.isBetween({ minimum: 1, maximum: mostBundlesPerPage })
          )
        ).pipe(
          Schema.annotateEncoded({
            description: `Most bundles of the page: 1 to ${mostBundlesPerPage}, which it is if left out.`
          })
        ),
        after: Schema.optionalKey(BundleCursor).annotate({ description: "The `next` of the page before." })
      },
      success: BundlePage,
      error: DatabaseUnavailable
    }).annotateMerge(OpenApi.annotations({
      summary: "List the bundles",
      description: "Bundles of the customer, newest first. Failed, expired and withdrawn ones are listed for 30 days."
    })),
    HttpApiEndpoint.get("get", "/:id", {
      params: bundleParameter,
      success: BundleResource,
      error: [BundleNotFound, DatabaseUnavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Show a bundle", description: "State, progress and file of one bundle." })
    ),
    HttpApiEndpoint.get("content", "/:id/content", {
      params: bundleParameter,
      success: HttpApiSchema.WithHeaders(
        HttpApiSchema.StreamUint8Array({ contentType: "application/zip" }),
        ContentHeaders
      ),
      error: [
        BundleNotFound,
        BundleNotReady,
        BundleExpired,
        BundleWithdrawn,
        BundleUnreadable,
        DatabaseUnavailable,
        StorageUnavailable
      ]
    }).annotateMerge(OpenApi.annotations({
      summary: "Download a bundle",
      description:
        "The ZIP. A request with one `Range: bytes=…` gets 206 and that part, or 416 if the file has no such part " +
        "(RFC 9110 §14); `If-Range` with the ETag is understood. Check what you received against `file.sha256`."
    })),
    HttpApiEndpoint.delete("remove", "/:id", {
      params: bundleParameter,
      success: HttpApiSchema.NoContent,
      error: [BundleNotFound, DatabaseUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Delete a bundle",
      description: "Stops making it if it is being made, and removes its file. The archive is not touched."
    }))
  )
  .prefix("/api/v1/bundles")
  .middleware(CustomerAuthorization)
  .annotateMerge(OpenApi.annotations({ title: "Bundles", description: "Evidence to hand over, verifiable offline." }))
{}
