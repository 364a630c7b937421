/**
 * Contract: customers. Only the operator creates them.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Origin } from "../domain/Customer.ts"
import { CustomerId } from "../domain/Identifier.ts"
import { AdminAuthorization } from "./Authorization.ts"
import { Instant } from "./Instant.ts"
import { bodyProblems, DatabaseUnavailable, KeysUnavailable, LedgerUnavailable } from "./Problem.ts"

/** Text a person reads: 1–200 characters, no control characters, no space at either end. */
export const DisplayName = Schema.String.check(
  Schema.isMaxLength(200),
  Schema.isPattern(/^[^\s\p{C}](?:[^\p{C}]*[^\s\p{C}])?$/u, {
    expected: "text without control characters and without space at either end"
  })
)

/** What a new customer is made of. */
export const CreateCustomer = Schema.Struct({
  name: DisplayName.annotate({ description: "The customer's name, for people. It never enters the ledger." })
}).annotate({ identifier: "CreateCustomer" })

/** A new customer with the only copy of its API key. */
export const CreatedCustomer = Schema.Struct({
  id: CustomerId,
  name: Schema.String,
  origin: Origin.annotate({ description: "The name of the customer's ledger: `<archive domain>/t/<customer id>`." }),
  vkey: Schema.String.annotate({
    description: "The ledger's public key (C2SP signed-note form). Keep it outside Rainlogs: the verifier trusts it."
  }),
  clockVkey: Schema.String.annotate({
    description: "The public key of the ledger's clock (timestamped cosignatures)."
  }),
  apiKey: Schema.RedactedFromValue(
    Schema.String.annotate({ description: "The API key. It is shown this once; only its SHA-256 is kept." })
  ),
  createdAt: Instant
}).annotate({ identifier: "CreatedCustomer" })

/** Customers. */
export class CustomersApi extends HttpApiGroup.make("customers")
  .add(
    HttpApiEndpoint.post("create", "/customers", {
      payload: CreateCustomer,
      success: CreatedCustomer.pipe(HttpApiSchema.status(201)),
      error: [...bodyProblems, DatabaseUnavailable, KeysUnavailable, LedgerUnavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Create a customer",
      description:
        "Creates a customer with its own ledger (genesis and policy) and its first API key, which is returned " +
        "only here. If the answer is lost, create another customer: the key cannot be shown again."
    }))
  )
  .middleware(AdminAuthorization)
  .annotateMerge(OpenApi.annotations({ title: "Customers", description: "Tenants of the archive; for the operator." }))
{}
