/**
 * Contract: erasures. Each is announced in the ledger, executed, and reported in the ledger.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Sha256Hex, ZoneId } from "../domain/Identifier.ts"
import { ErasureId, ErasureMethod, ErasureReason, ErasureState, mostTargets } from "../lifecycle/Erasure.ts"
import { CustomerAuthorization } from "./Authorization.ts"
import { Instant } from "./Instant.ts"
import { Basis, LedgerDocument, SubmittedDocument } from "./LedgerDocument.ts"
import { NextPage, PageCursor, pageQuery } from "./Page.ts"
import {
  bodyProblems,
  DatabaseUnavailable,
  ErasureNotAllowed,
  ErasureNotFound,
  ErasureUnfinished,
  KeysUnavailable,
  StorageUnavailable,
  ZoneNotFound
} from "./Problem.ts"

/** What is to be erased, why and how. */
export const DraftErasure = Schema.Struct({
  zone: Schema.NullOr(ZoneId).annotate({ description: "One zone; null for all zones of the customer." }),
  from: Schema.NullOr(Instant).annotate({ description: "Windows that start here or later; null from the beginning." }),
  to: Schema.NullOr(Instant).annotate({ description: "Windows that end here or earlier; null without an end." }),
  reason: ErasureReason,
  method: ErasureMethod.annotate({
    description: "`delete` removes the object and its key; `crypto-erase` destroys the key and leaves the object."
  }),
  basis: Basis,
  after: Schema.optionalKey(PageCursor).annotate({ description: "The `next` of the draft before." })
}).annotate({ identifier: "DraftErasure" })

/** The announcement of an erasure before it is signed. */
export const ErasureDraftResource = Schema.Struct({
  id: Schema.String,
  document: LedgerDocument,
  targets: Schema.Int.annotate({ description: `Windows it names, at most ${mostTargets}.` }),
  quorum: Schema.Int.annotate({ description: "Approvers who must sign it before it is submitted." }),
  next: NextPage
}).annotate({ identifier: "ErasureDraft" })

/** An erasure. */
export const ErasureResource = Schema.Struct({
  id: Schema.String,
  state: ErasureState.annotate({
    description:
      "`announced`: nothing is gone. `executing`: some may be gone. `done`: all is gone, and the ledger says so."
  }),
  reason: ErasureReason,
  method: ErasureMethod,
  basis: Schema.String,
  targets: Schema.Int,
  policy: Sha256Hex.annotate({ description: "SHA-256 of the policy it was announced under." }),
  requestedAt: Instant,
  notBefore: Instant,
  executedAt: Schema.NullOr(Instant),
  intent: Sha256Hex.annotate({ description: "SHA-256 of the announcement, stored at `event/<sha256>`." }),
  report: Schema.NullOr(Sha256Hex).annotate({ description: "SHA-256 of the report; null until it is done." }),
  lastError: Schema.NullOr(Schema.String).annotate({ description: "Why the last try did not come to its end." })
}).annotate({ identifier: "Erasure" })
export type ErasureResource = typeof ErasureResource.Type

/** What is past its retention. */
export const RetentionResource = Schema.Struct({
  days: Schema.Int.annotate({ description: "Days that the policy in force keeps windows." }),
  windows: Schema.Int.annotate({ description: "Windows that a retention run would delete now." }),
  storedBytes: Schema.Int.annotate({ description: "Bytes of their objects." }),
  oldest: Schema.NullOr(Instant),
  newest: Schema.NullOr(Instant),
  held: Schema.Int.annotate({ description: "Windows past retention that a legal hold keeps." })
}).annotate({ identifier: "RetentionDue" })

const unavailable = [DatabaseUnavailable, StorageUnavailable, KeysUnavailable] as const
const parameter = { id: ErasureId.annotate({ description: "The erasure's id." }) }

/** Erasures. */
export class ErasuresApi extends HttpApiGroup.make("erasures")
  .add(
    HttpApiEndpoint.post("draft", "/drafts", {
      payload: DraftErasure,
      success: Schema.Struct({ draft: Schema.NullOr(ErasureDraftResource) }).annotate({ identifier: "ErasureDrafts" }),
      error: [...bodyProblems, ZoneNotFound, ErasureNotAllowed, DatabaseUnavailable, StorageUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Draft an erasure",
      description: `The announcement of at most ${mostTargets} windows, for approvers to sign; \`next\` asks for the ` +
        "following ones. Null if no window is left: those under a hold, or named by an erasure, are left out. " +
        "Nothing is stored."
    })),
    HttpApiEndpoint.post("request", "/", {
      payload: SubmittedDocument,
      success: ErasureResource.pipe(HttpApiSchema.status(201)),
      error: [...bodyProblems, ErasureNotAllowed, ...unavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Announce an erasure",
      description:
        "Chains the announcement, with the signatures that the policy asks for. The same document again is " +
        "the same erasure."
    })),
    HttpApiEndpoint.get("list", "/", {
      query: pageQuery,
      success: Schema.Struct({ erasures: Schema.Array(ErasureResource), next: NextPage }).annotate({
        identifier: "Erasures"
      }),
      error: DatabaseUnavailable
    }).annotateMerge(OpenApi.annotations({ summary: "List the erasures", description: "All erasures, newest first." })),
    HttpApiEndpoint.get("get", "/:id", {
      params: parameter,
      success: ErasureResource,
      error: [ErasureNotFound, DatabaseUnavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Show an erasure", description: "One erasure and how far it is." })
    ),
    HttpApiEndpoint.post("execute", "/:id/execute", {
      params: parameter,
      success: ErasureResource,
      error: [ErasureNotFound, ErasureNotAllowed, ErasureUnfinished, ...unavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Execute an erasure",
      description: "Erases what was announced, makes sure that the store has nothing left, and chains the report. It " +
        "cannot be undone. Again, it changes nothing."
    })),
    HttpApiEndpoint.get("retentionDue", "/retention/due", {
      success: RetentionResource,
      error: [DatabaseUnavailable, StorageUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Show what is past retention",
      description: "What a retention run would delete now; nothing is changed."
    })),
    HttpApiEndpoint.post("retentionRun", "/retention/run", {
      success: Schema.Struct({ erasure: Schema.NullOr(ErasureResource) }).annotate({ identifier: "RetentionRun" }),
      error: [ErasureNotAllowed, ErasureUnfinished, ...unavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Delete what is past retention",
      description: `Announces, executes and reports the deletion of at most ${mostTargets} windows that are past ` +
        "retention. Null when none is left."
    }))
  )
  .prefix("/api/v1/erasures")
  .middleware(CustomerAuthorization)
  .annotateMerge(OpenApi.annotations({ title: "Erasures", description: "Erasures that prove themselves." }))
{}
