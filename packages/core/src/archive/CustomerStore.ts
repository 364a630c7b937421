/**
 * Port: customers, their API keys and their zones, in SQL. Every method but `authenticate` and `create` works inside
 * one customer; row-level security holds even if a query forgets it.
 */
import { Context, type Effect, type Option, Schema } from "effect"
import type { Customer } from "../domain/Customer.ts"
import type { CustomerId, ZoneId } from "../domain/Identifier.ts"
import type { BlockReason, Zone } from "../domain/Zone.ts"
import type { Wrapped } from "../secrets/Kms.ts"
import type { DatabaseError } from "./WindowLedger.ts"

/** The customer already archives this Cloudflare zone. */
export class ZoneExists extends Schema.TaggedError<ZoneExists>()("ZoneExists", { cloudflareZone: Schema.String }) {}

/** Customers, their API keys and their zones. */
export class CustomerStore extends Context.Service<CustomerStore, {
  /** Stores a new customer with its first API key (SHA-256 of the secret, hex; `prefix` finds it). */
  readonly create: (
    customer: Customer,
    apiKey: { readonly prefix: string; readonly sha256: string }
  ) => Effect.Effect<void, DatabaseError>
  /** The customer and secret hash (hex) behind an API key prefix, whoever it belongs to. */
  readonly authenticate: (
    prefix: string
  ) => Effect.Effect<Option.Option<{ readonly customer: Customer; readonly sha256: string }>, DatabaseError>
  readonly customer: (id: CustomerId) => Effect.Effect<Option.Option<Customer>, DatabaseError>
  /** Stores a zone, its sealed Cloudflare token and its first source, whose timeline starts at `startsAt` (Unix ms). */
  readonly createZone: (
    zone: Zone,
    token: Wrapped,
    source: { readonly name: string; readonly startsAt: number; readonly windowMs: number }
  ) => Effect.Effect<void, ZoneExists | DatabaseError>
  readonly zones: (customer: CustomerId) => Effect.Effect<ReadonlyArray<Zone>, DatabaseError>
  readonly zone: (
    customer: CustomerId,
    zone: ZoneId
  ) => Effect.Effect<Option.Option<{ readonly zone: Zone; readonly token: Wrapped }>, DatabaseError>
  /** Records that the source answered at `now` (Unix ms) that the zone can be collected; written at most once a minute. */
  readonly checked: (customer: CustomerId, zone: ZoneId, now: number) => Effect.Effect<void, DatabaseError>
  /**
   * Marks a zone as blocked. Its `since` becomes the last time it was known to be collectable (`checked`), or 0 if it
   * never was. A zone that is blocked already keeps its `since`, and the reason `retention-off` too, whatever comes on
   * top of it: logs were lost, and a gap has to say so when the zone goes on.
   */
  readonly block: (
    customer: CustomerId,
    zone: ZoneId,
    block: { readonly reason: BlockReason; readonly remedy: string }
  ) => Effect.Effect<void, DatabaseError>
  /** Marks a zone as active again. */
  readonly unblock: (customer: CustomerId, zone: ZoneId) => Effect.Effect<void, DatabaseError>
  /** Blocked zones of all customers, to be checked again. */
  readonly blocked: Effect.Effect<
    ReadonlyArray<{ readonly customer: CustomerId; readonly zone: ZoneId }>,
    DatabaseError
  >
}>()("@rainlogs/core/CustomerStore") {}
