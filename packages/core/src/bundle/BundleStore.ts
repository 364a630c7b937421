/**
 * Port: the bundle jobs, in SQL. Leases are fenced, so a worker that lost its lease cannot write. Every method but
 * `due`, `overdue` and `open` works inside one customer; row-level security holds even if a query forgets it.
 */
import { Context, type Effect, type Option, Schema } from "effect"
import { type DatabaseError, type LeaseLost } from "../archive/WindowLedger.ts"
import type { CustomerId, ZoneId } from "../domain/Identifier.ts"
import type { Window } from "../domain/Window.ts"
import type { BundleFile, BundleId, BundleJob, BundleState } from "./BundleJob.ts"

/** The customer has as many bundles as it may have; `state` says of which kind. Nothing was stored. */
export class TooManyBundles extends Schema.TaggedError<TooManyBundles>()("TooManyBundles", {
  kind: Schema.Literals(["open", "kept"]),
  limit: Schema.Int
}) {}

/** The idempotency key belongs to another request of the customer. Nothing was stored. */
export class IdempotencyConflict extends Schema.TaggedError<IdempotencyConflict>()("IdempotencyConflict", {
  bundle: Schema.String
}) {}

/** What is asked for; `idempotencyKey` names the request for the caller. */
export interface NewBundle {
  readonly id: BundleId
  readonly customer: CustomerId
  readonly zone: ZoneId
  readonly range: Window
  readonly disclose: boolean
  readonly idempotencyKey: string | null
}

/** The most bundles of one customer: `open` that wait or run, `kept` with the ready ones. */
export interface BundleLimits {
  readonly open: number
  readonly kept: number
}

/** Names one bundle. */
export interface BundleOf {
  readonly customer: CustomerId
  readonly id: BundleId
}

/** Bundles that wait or run, over all customers; `oldest` is when the first was asked for (Unix ms), null for none. */
export interface OpenBundles {
  readonly requested: number
  readonly running: number
  readonly oldest: number | null
}

/** The bundle jobs. Times are Unix ms. */
export class BundleStore extends Context.Service<BundleStore, {
  /** Stores a request, or answers the job that its idempotency key names already. */
  readonly request: (
    bundle: NewBundle,
    limits: BundleLimits,
    now: number
  ) => Effect.Effect<BundleJob, TooManyBundles | IdempotencyConflict | DatabaseError>
  readonly bundle: (of: BundleOf) => Effect.Effect<Option.Option<BundleJob>, DatabaseError>
  /** Bundles of the customer, newest first: at most `limit`, after the one that `after` names. */
  readonly bundles: (
    customer: CustomerId,
    page: { readonly limit: number; readonly after: { readonly createdAt: number; readonly id: string } | null }
  ) => Effect.Effect<ReadonlyArray<BundleJob>, DatabaseError>
  /** Forgets a bundle in whatever state it is; answers whether there was one. Who makes it has lost the lease. */
  readonly remove: (of: BundleOf) => Effect.Effect<boolean, DatabaseError>
  /** Bundles that may be leased now; customers take turns. */
  readonly due: (now: number, limit: number) => Effect.Effect<ReadonlyArray<BundleOf>, DatabaseError>
  /** Leases a due bundle, or takes over one whose lease ran out; none if somebody else holds it or it is gone. */
  readonly lease: (
    of: BundleOf,
    owner: string,
    now: number,
    until: number
  ) => Effect.Effect<Option.Option<BundleJob>, DatabaseError>
  /** Prolongs a lease to `until` and records the progress. */
  readonly renew: (
    leased: BundleJob,
    progress: BundleJob["progress"],
    until: number,
    now: number
  ) => Effect.Effect<void, LeaseLost | DatabaseError>
  /** Records the finished file, which is durable under its name. */
  readonly finish: (
    leased: BundleJob,
    file: BundleFile,
    expiresAt: number,
    now: number
  ) => Effect.Effect<void, LeaseLost | DatabaseError>
  /** Gives the bundle back, not to be leased before `notBefore`; a `stopped` attempt does not count. */
  readonly retry: (
    leased: BundleJob,
    reason: { readonly code: string; readonly detail: string } | "stopped",
    notBefore: number,
    now: number
  ) => Effect.Effect<void, LeaseLost | DatabaseError>
  /** Ends the bundle without a file. */
  readonly fail: (
    leased: BundleJob,
    reason: { readonly code: string; readonly detail: string },
    now: number
  ) => Effect.Effect<void, LeaseLost | DatabaseError>
  /** Ready bundles whose time is over, and failed, expired or withdrawn ones that were last changed before `endedBefore`. */
  readonly overdue: (
    now: number,
    endedBefore: number,
    limit: number
  ) => Effect.Effect<ReadonlyArray<BundleOf & { readonly state: BundleState }>, DatabaseError>
  /** Marks a ready bundle whose time is over as expired; answers whether it did. */
  readonly expire: (of: BundleOf, now: number) => Effect.Effect<boolean, DatabaseError>
  /**
   * Withdraws the customer's ready bundles whose zone and range overlap a window that the erasure names, and gives back
   * those that are being made, whose attempt then has lost its lease. Answers how many it changed.
   */
  readonly withdraw: (customer: CustomerId, erasure: string, now: number) => Effect.Effect<number, DatabaseError>
  /** For metrics. */
  readonly open: Effect.Effect<OpenBundles, DatabaseError>
}>()("@rainlogs/core/BundleStore") {}
