/**
 * Contract: the policy of the customer's ledger, and how it is changed.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Sha256Hex } from "../domain/Identifier.ts"
import { CustomerAuthorization } from "./Authorization.ts"
import { LedgerDocument, SubmittedDocument } from "./LedgerDocument.ts"
import {
  bodyProblems,
  DatabaseUnavailable,
  KeysUnavailable,
  LedgerUnavailable,
  PolicyNotAllowed,
  StorageUnavailable
} from "./Problem.ts"

const days = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 36_500 }))

/** The policy in force. */
export const PolicyResource = Schema.Struct({
  version: Schema.Int,
  sha256: Sha256Hex.annotate({ description: "SHA-256 of its document, stored at `event/<sha256>`." }),
  retentionDays: Schema.Int,
  retentionMinimumDays: Schema.Int,
  eraseQuorum: Schema.Int.annotate({
    description: "Approvers that an erasure for other reasons than retention needs."
  }),
  approvers: Schema.Array(Schema.String).annotate({ description: "Their public keys (C2SP vkey form)." }),
  document: LedgerDocument
}).annotate({ identifier: "Policy" })
export type PolicyResource = typeof PolicyResource.Type

/** What the next policy changes; what is left out stays. */
export const DraftPolicy = Schema.Struct({
  retentionDays: Schema.optionalKey(days),
  retentionMinimumDays: Schema.optionalKey(days),
  eraseQuorum: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 }))),
  approvers: Schema.optionalKey(
    Schema.Array(Schema.String.check(Schema.isMaxLength(500))).check(Schema.isMaxLength(100))
  ).annotate({ description: "All approvers of the next policy: public keys as `rainlogs approver new` prints them." })
}).annotate({ identifier: "DraftPolicy" })

/** The policy. */
export class PolicyApi extends HttpApiGroup.make("policy")
  .add(
    HttpApiEndpoint.get("show", "/", {
      success: PolicyResource,
      error: [DatabaseUnavailable, StorageUnavailable, LedgerUnavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Show the policy", description: "The policy in force." })),
    HttpApiEndpoint.post("draft", "/drafts", {
      payload: DraftPolicy,
      success: Schema.Struct({ document: LedgerDocument }).annotate({ identifier: "PolicyDraft" }),
      error: [...bodyProblems, PolicyNotAllowed, DatabaseUnavailable, StorageUnavailable, LedgerUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Draft the next policy",
      description: "The next version of the policy as a text for approvers to sign. Nothing is stored."
    })),
    HttpApiEndpoint.post("apply", "/", {
      payload: SubmittedDocument,
      success: PolicyResource,
      error: [
        ...bodyProblems,
        PolicyNotAllowed,
        DatabaseUnavailable,
        StorageUnavailable,
        KeysUnavailable,
        LedgerUnavailable
      ]
    }).annotateMerge(OpenApi.annotations({
      summary: "Apply a policy",
      description: "Puts a policy in force. A change that only lengthens retention, and the naming of the first " +
        "approvers, need nobody's signature; every other change needs the quorum of the policy before."
    }))
  )
  .prefix("/api/v1/policy")
  .middleware(CustomerAuthorization)
  .annotateMerge(OpenApi.annotations({ title: "Policy", description: "Retention, approvers and quorum." }))
{}
