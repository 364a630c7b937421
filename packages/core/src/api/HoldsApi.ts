/**
 * Contract: legal holds. While one is active, nothing in its scope can be erased.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { ZoneId } from "../domain/Identifier.ts"
import { ErasureId } from "../lifecycle/Erasure.ts"
import { CustomerAuthorization } from "./Authorization.ts"
import { Instant } from "./Instant.ts"
import { Basis, LedgerDocument, SubmittedDocument } from "./LedgerDocument.ts"
import { NextPage, pageQuery } from "./Page.ts"
import {
  bodyProblems,
  DatabaseUnavailable,
  HoldNotAllowed,
  HoldNotFound,
  KeysUnavailable,
  StorageUnavailable,
  ZoneNotFound
} from "./Problem.ts"

const scopeFields = {
  zone: Schema.NullOr(ZoneId).annotate({ description: "One zone; null for all zones of the customer." }),
  from: Schema.NullOr(Instant).annotate({ description: "First moment of the windows; null from the beginning." }),
  to: Schema.NullOr(Instant).annotate({ description: "End of the windows, exclusive; null without an end." })
}

/** The windows that a hold keeps. */
export const HoldScopeResource = Schema.Struct(scopeFields).annotate({ identifier: "HoldScope" })

/** What a hold is made of. */
export const PlaceHold = Schema.Struct({
  id: Schema.optionalKey(ErasureId).annotate({
    description: "A UUID of your own: the same request again is the same hold. Made up if left out."
  }),
  scopes: Schema.Array(HoldScopeResource).check(Schema.isMinLength(1), Schema.isMaxLength(100)),
  basis: Basis
}).annotate({ identifier: "PlaceHold" })

/** A legal hold. */
export const HoldResource = Schema.Struct({
  id: Schema.String,
  state: Schema.Literals(["active", "released"]),
  scopes: Schema.Array(HoldScopeResource),
  basis: Schema.String,
  issuedAt: Instant,
  releasedAt: Schema.NullOr(Instant),
  document: Schema.String.annotate({ description: "SHA-256 of the hold in the ledger, stored at `event/<sha256>`." }),
  release: Schema.NullOr(Schema.String).annotate({ description: "SHA-256 of its release." })
}).annotate({ identifier: "Hold" })
export type HoldResource = typeof HoldResource.Type

const unavailable = [DatabaseUnavailable, StorageUnavailable, KeysUnavailable] as const
const parameter = { id: ErasureId.annotate({ description: "The hold's id." }) }

/** Legal holds. */
export class HoldsApi extends HttpApiGroup.make("holds")
  .add(
    HttpApiEndpoint.post("place", "/", {
      payload: PlaceHold,
      success: HoldResource.pipe(HttpApiSchema.status(201)),
      error: [...bodyProblems, ZoneNotFound, HoldNotAllowed, ...unavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Place a hold",
      description: "Keeps windows from being erased, from the moment of the answer on, whatever their retention."
    })),
    HttpApiEndpoint.get("list", "/", {
      query: pageQuery,
      success: Schema.Struct({ holds: Schema.Array(HoldResource), next: NextPage }).annotate({ identifier: "Holds" }),
      error: DatabaseUnavailable
    }).annotateMerge(
      OpenApi.annotations({ summary: "List the holds", description: "Active and released holds, newest first." })
    ),
    HttpApiEndpoint.post("draftRelease", "/:id/release-drafts", {
      params: parameter,
      payload: Schema.Struct({ basis: Basis }).annotate({ identifier: "DraftRelease" }),
      success: Schema.Struct({ document: LedgerDocument }).annotate({ identifier: "ReleaseDraft" }),
      error: [...bodyProblems, HoldNotFound, HoldNotAllowed, DatabaseUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Draft a release",
      description: "The text that approvers sign (`rainlogs approver sign`) to end a hold. Nothing is stored."
    })),
    HttpApiEndpoint.post("release", "/:id/release", {
      params: parameter,
      payload: SubmittedDocument,
      success: HoldResource,
      error: [...bodyProblems, HoldNotFound, HoldNotAllowed, ...unavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Release a hold",
      description: "Ends a hold with a release that the quorum of the policy's approvers signed."
    }))
  )
  .prefix("/api/v1/holds")
  .middleware(CustomerAuthorization)
  .annotateMerge(OpenApi.annotations({ title: "Holds", description: "Legal holds." }))
{}
