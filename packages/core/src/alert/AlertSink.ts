/**
 * Port: where notices go.
 */
import { Context, type Effect, Schema } from "effect"
import type { Notice } from "./Alert.ts"

/** A notice was not delivered. `permanent`: trying again as it is will not help (a wrong address, say). */
export class AlertUndelivered extends Schema.TaggedError<AlertUndelivered>()("AlertUndelivered", {
  sink: Schema.String,
  permanent: Schema.Boolean,
  /** Why, for people; without address or credential. */
  detail: Schema.String,
  /** The other side's wish, ms, or null. */
  retryAfterMs: Schema.NullOr(Schema.Finite)
}) {
  override get message(): string {
    return `${this.sink}: ${this.detail}`
  }
}

/** One way to tell somebody. */
export interface AlertSink {
  readonly id: string
  /** Succeeds when the other side has taken the notice. */
  readonly send: (notice: Notice) => Effect.Effect<void, AlertUndelivered>
}

/** The configured sinks; none when nothing is configured. */
export class AlertSinks extends Context.Service<AlertSinks, ReadonlyArray<AlertSink>>()("@rainlogs/core/AlertSinks") {}
