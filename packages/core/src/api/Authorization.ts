/**
 * Who may ask: a customer with an API key, or the operator with the admin token. Both are bearer tokens (RFC 6750).
 */
import { Context } from "effect"
import { HttpApiMiddleware, HttpApiSecurity, OpenApi } from "effect/http-api"
import type { Customer } from "../domain/Customer.ts"
import { AdministrationClosed, AdminUnauthorised, DatabaseUnavailable, Unauthorised } from "./Problem.ts"

/** The customer whose API key the request carries. Every lookup of a handler is inside this customer. */
export class CurrentCustomer extends Context.Service<CurrentCustomer, Customer>()("@rainlogs/core/CurrentCustomer") {}

/** Demands an API key and provides its customer. */
export class CustomerAuthorization extends HttpApiMiddleware.Service<CustomerAuthorization, {
  provides: CurrentCustomer
}>()("@rainlogs/core/CustomerAuthorization", {
  requiredForClient: true,
  security: {
    apiKey: HttpApiSecurity.bearer.pipe(
      HttpApiSecurity.annotateMerge(OpenApi.annotations({
        description: "A customer's API key: `rl_<16 hex digits>_<64 hex digits>`, as `POST /customers` returned it."
      }))
    )
  },
  error: [Unauthorised, DatabaseUnavailable]
}) {}

/** Demands the operator's token; closed if none is configured. */
export class AdminAuthorization
  extends HttpApiMiddleware.Service<AdminAuthorization>()("@rainlogs/core/AdminAuthorization", {
    requiredForClient: true,
    security: {
      adminToken: HttpApiSecurity.bearer.pipe(
        HttpApiSecurity.annotateMerge(OpenApi.annotations({
          description: "The operator's token: `RAINLOGS_ADMIN_TOKEN`, or the one in the data directory."
        }))
      )
    },
    error: [AdminUnauthorised, AdministrationClosed]
  })
{}
