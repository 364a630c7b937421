/**
 * Port: legal holds in SQL. Placing and releasing are called inside `LedgerStore.appendAt`, so that a row and its ledger
 * entry are committed together, under the ledger's lock.
 */
import type { Hold } from "@rainlogs/verify/Hold"
import { Context, type Effect, type Option } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { CustomerId, JobId } from "../domain/Identifier.ts"

/** A hold and, if it has ended, when (Unix ms) and the SHA-256 of its release. */
export interface HoldRecord {
  readonly hold: Hold
  readonly document: string
  readonly released: { readonly at: number; readonly document: string } | null
}

/** Job id and SHA-256 of an event's entry. */
export interface EventPlace {
  readonly job: JobId
  readonly document: string
}

/** Legal holds in SQL. */
export class HoldStore extends Context.Service<HoldStore, {
  /** All holds that have not been released. */
  readonly active: (customer: CustomerId) => Effect.Effect<ReadonlyArray<Hold>, DatabaseError>
  readonly hold: (customer: CustomerId, id: string) => Effect.Effect<Option.Option<HoldRecord>, DatabaseError>
  /** Holds by the time they were issued, newest first: at most `limit`, before `before`. */
  readonly holds: (
    customer: CustomerId,
    page: { readonly limit: number; readonly before: { readonly issued: number; readonly id: string } | null }
  ) => Effect.Effect<ReadonlyArray<HoldRecord>, DatabaseError>
  readonly place: (customer: CustomerId, hold: Hold, entry: EventPlace) => Effect.Effect<void, DatabaseError>
  readonly release: (
    customer: CustomerId,
    id: string,
    released: number,
    entry: EventPlace
  ) => Effect.Effect<void, DatabaseError>
}>()("@rainlogs/core/HoldStore") {}
