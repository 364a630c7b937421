/**
 * Port: customers, their API keys and their zones, in SQL. Every method but `authenticate` and `create` works inside
 * one customer; row-level security holds even if a query forgets it.
 */
import { Context, type Effect, type Option, Schema } from "effect"
import type { Customer } from "../domain/Customer.ts"
import type { CustomerId, SourceId, ZoneId } from "../domain/Identifier.ts"
import type { BlockReason, SourceName } from "../domain/Source.ts"
import type { Zone } from "../domain/Zone.ts"
import type { Wrapped } from "../secrets/Kms.ts"
import type { DatabaseError } from "./WindowLedger.ts"

/** The customer already archives this Cloudflare zone. */
export class ZoneExists extends Schema.TaggedError<ZoneExists>()("ZoneExists", { cloudflareZone: Schema.String }) {}

/** A source to begin: its timeline starts at `startsAt` (Unix ms), its longest window is `windowMs`. */
export interface NewSource {
  readonly name: SourceName
  readonly startsAt: number
  readonly windowMs: number
}

/** Customers, their API keys, their zones and sources. */
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
  /** Stores a zone, its sealed Cloudflare token and its sources. */
  readonly createZone: (
    zone: Omit<Zone, "status">,
    token: Wrapped,
    sources: ReadonlyArray<NewSource>
  ) => Effect.Effect<void, ZoneExists | DatabaseError>
  /** Adds a source to a zone; false if the zone has it already, and then nothing changes. */
  readonly addSource: (
    customer: CustomerId,
    zone: ZoneId,
    source: NewSource
  ) => Effect.Effect<boolean, DatabaseError>
  readonly zones: (customer: CustomerId) => Effect.Effect<ReadonlyArray<Zone>, DatabaseError>
  readonly zone: (
    customer: CustomerId,
    zone: ZoneId
  ) => Effect.Effect<Option.Option<{ readonly zone: Zone; readonly token: Wrapped }>, DatabaseError>
  /** Records that the source answered at `now` (Unix ms) that it can be collected; written at most once a minute. */
  readonly checked: (customer: CustomerId, source: SourceId, now: number) => Effect.Effect<void, DatabaseError>
  /**
   * Marks a source as blocked. Its `since` becomes the last time it was known to be collectable (`checked`), or 0 if it
   * never was. A source that is blocked already keeps its `since`, and the reason `retention-off` too, whatever comes on
   * top of it: logs were lost, and a gap has to say so when the source goes on.
   */
  readonly block: (
    customer: CustomerId,
    source: SourceId,
    block: { readonly reason: BlockReason; readonly remedy: string }
  ) => Effect.Effect<void, DatabaseError>
  /** Marks a source as active again. */
  readonly unblock: (customer: CustomerId, source: SourceId) => Effect.Effect<void, DatabaseError>
  /** Blocked sources of all customers, to be checked again. */
  readonly blocked: Effect.Effect<
    ReadonlyArray<{ readonly customer: CustomerId; readonly zone: ZoneId; readonly source: SourceId }>,
    DatabaseError
  >
}>()("@rainlogs/core/CustomerStore") {}
