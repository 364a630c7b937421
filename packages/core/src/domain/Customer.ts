/**
 * A customer: the tenant that owns zones, one ledger and one origin.
 */
import { Schema } from "effect"
import { CustomerId, Timestamp } from "./Identifier.ts"

/** The name of a customer's ledger: `<archive-domain>/t/<customer uuid>` (ledger format §1). */
export const Origin = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(/^[a-z0-9][a-z0-9.-]*(?::[0-9]+)?\/t\/[0-9a-f-]{36}$/u, { expected: "<archive-domain>/t/<uuid>" })
  ),
  Schema.brand("Origin")
)
export type Origin = typeof Origin.Type

/** The origin of a customer on an archive domain. */
export const makeOrigin = (archiveDomain: string, customer: CustomerId): Origin =>
  Origin.make(`${archiveDomain}/t/${customer}`)

/** A tenant of the archive. */
export const Customer = Schema.Struct({
  id: CustomerId,
  name: Schema.NonEmptyString,
  origin: Origin,
  createdAt: Timestamp
})
export type Customer = typeof Customer.Type
