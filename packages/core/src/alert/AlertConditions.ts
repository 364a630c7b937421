/**
 * Port: what is wrong now.
 */
import { Context, type Effect } from "effect"
import type { AlertKind, Condition } from "./Alert.ts"
import type { CountedEvent } from "./AlertBook.ts"

/** One look. */
export interface AlertLook {
  readonly conditions: ReadonlyArray<Condition>
  readonly events: ReadonlyArray<CountedEvent>
  /** Kinds that could not be looked at. */
  readonly unseen: ReadonlySet<AlertKind>
}

/** Looks at the archive. */
export class AlertConditions extends Context.Service<AlertConditions, {
  /** Never fails: what cannot be read is a condition of its own. */
  readonly look: Effect.Effect<AlertLook>
}>()("@rainlogs/core/AlertConditions") {}
