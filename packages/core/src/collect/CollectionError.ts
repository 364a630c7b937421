/**
 * What can go wrong while a window is collected. `category` is what retry policies match on (house style):
 * `throttled` and `transient` are retried, `unauthorised` and `blocked` stop the zone, `rejected` is our bug,
 * `expired` is past the source's retention, `oversize` is split in time, `malformed` is retried and never committed.
 */
import { Schema } from "effect"

/** What a caller can do about a failure: each category has its own retry policy. */
export const CollectionCategory = Schema.Literals([
  "throttled",
  "transient",
  "malformed",
  "oversize",
  "not-ready",
  "expired",
  "unauthorised",
  "blocked",
  "rejected"
])
export type CollectionCategory = typeof CollectionCategory.Type

/** A window could not be collected. `retryAfterMs` is the server's own wish, in ms. */
export class CollectionError extends Schema.TaggedError<CollectionError>()("CollectionError", {
  category: CollectionCategory,
  /** Stable machine name, e.g. `truncated-stream`, `too-early`, `retention-off`, `idle-timeout`. */
  code: Schema.String,
  /** What happened, for people; never contains log content or credentials. */
  detail: Schema.String,
  /** What to do, for people. */
  remedy: Schema.NullOr(Schema.String),
  retryAfterMs: Schema.NullOr(Schema.Finite)
}) {
  override get message(): string {
    return `${this.code}: ${this.detail}`
  }
}
