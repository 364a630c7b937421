/**
 * Contract: a customer's quota. The operator sets it, the customer sees it.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { CustomerId } from "../domain/Identifier.ts"
import { PauseReason, Quota } from "../quota/Quota.ts"
import { AdminAuthorization, CustomerAuthorization } from "./Authorization.ts"
import { Instant } from "./Instant.ts"
import { bodyProblems, CustomerNotFound, DatabaseUnavailable } from "./Problem.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** Limits and usage of a customer. */
export const QuotaResource = Schema.Struct({
  state: Schema.Literals(["collecting", "paused"]).annotate({
    description: "`paused`: a limit is reached. No window is collected until there is room; none is dropped."
  }),
  reason: Schema.NullOr(PauseReason).annotate({
    description: "`day`: the bytes of today are used up. `stored`: the stored bytes are. Null while collecting."
  }),
  resumesAt: Schema.NullOr(Instant).annotate({
    description:
      "When collection goes on by itself: the start of the next day (UTC). Null while collecting, and where " +
      "only a higher limit or an erasure makes room."
  }),
  remedy: Schema.NullOr(Schema.String),
  limits: Schema.Struct({
    bytesPerDay: Quota.fields.bytesPerDay.annotate({ description: "Bytes of log lines archived in one UTC day." }),
    storedBytes: Quota.fields.storedBytes.annotate({ description: "Bytes of stored objects." })
  }),
  used: Schema.Struct({ today: Count, stored: Count })
}).annotate({ identifier: "Quota" })
export type QuotaResource = typeof QuotaResource.Type

/** The customer's own quota. */
export class QuotaApi extends HttpApiGroup.make("quota")
  .add(
    HttpApiEndpoint.get("show", "/", { success: QuotaResource, error: DatabaseUnavailable }).annotateMerge(
      OpenApi.annotations({
        summary: "Show the quota",
        description: "The customer's limits, and what it uses of them."
      })
    )
  )
  .prefix("/api/v1/quota")
  .middleware(CustomerAuthorization)
  .annotateMerge(OpenApi.annotations({ title: "Quota", description: "How much may be archived." }))
{}

const parameter = { id: CustomerId.annotate({ description: "The customer's id, as `POST /customers` returned it." }) }

/** The quotas of customers; for the operator. */
export class CustomerQuotasApi extends HttpApiGroup.make("customerQuotas")
  .add(
    HttpApiEndpoint.get("show", "/:id/quota", {
      params: parameter,
      success: QuotaResource,
      error: [CustomerNotFound, DatabaseUnavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Show a customer's quota", description: "Limits and usage of one customer." })
    ),
    HttpApiEndpoint.put("set", "/:id/quota", {
      params: parameter,
      payload: Quota.annotate({ identifier: "SetQuota" }),
      success: QuotaResource,
      error: [...bodyProblems, CustomerNotFound, DatabaseUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Set a customer's quota",
      description:
        "Both limits at once; null is no limit. Windows under way are finished, so a limit can be passed by " +
        "them. At a limit windows stay planned and are collected when there is room, unless the source forgets them first: " +
        "then they become gaps, like any other that could not be collected in time."
    }))
  )
  .prefix("/customers")
  .middleware(AdminAuthorization)
  .annotateMerge(OpenApi.annotations({ title: "Customers' quotas", description: "For the operator." }))
{}
