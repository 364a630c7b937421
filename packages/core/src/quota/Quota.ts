/**
 * Quotas: how much of a customer's logs is archived per day and kept in all. At a limit collection pauses; windows stay
 * planned and are collected when there is room again. Nothing is dropped.
 */
import { Context, type Effect, type Option, Schema } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import { CustomerId } from "../domain/Identifier.ts"

const Limit = Schema.NullOr(Schema.Int.check(Schema.isGreaterThan(0)))

/** The limits of a customer; null: none. */
export const Quota = Schema.Struct({
  /** Bytes of log lines (NDJSON) archived in one UTC day. */
  bytesPerDay: Limit,
  /** Bytes of stored objects, compressed and encrypted, without those that were erased. */
  storedBytes: Limit
})
export type Quota = typeof Quota.Type

/** No limit, as every customer begins. */
export const unlimited: Quota = { bytesPerDay: null, storedBytes: null }

/** Which limit is reached. */
export const PauseReason = Schema.Literals(["day", "stored"])
export type PauseReason = typeof PauseReason.Type

/** What a customer may use and uses, bytes; `paused` names the limit that is reached, null if none is. */
export interface QuotaUsage {
  readonly quota: Quota
  readonly today: number
  readonly stored: number
  readonly paused: PauseReason | null
}

/** Port: quotas and what they are compared with, in SQL. */
export class QuotaStore extends Context.Service<QuotaStore, {
  /** The customer's quota and usage at `now` (Unix ms); none if there is no such customer. */
  readonly usage: (customer: CustomerId, now: number) => Effect.Effect<Option.Option<QuotaUsage>, DatabaseError>
  /** Sets the limits; false if there is no such customer. */
  readonly set: (customer: CustomerId, quota: Quota) => Effect.Effect<boolean, DatabaseError>
  /** The customers that are at a limit at `now` (Unix ms). */
  readonly paused: (
    now: number
  ) => Effect.Effect<ReadonlyArray<{ readonly customer: CustomerId; readonly reason: PauseReason }>, DatabaseError>
}>()("@rainlogs/core/QuotaStore") {}
