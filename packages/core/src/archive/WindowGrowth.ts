/**
 * How long a source's windows are: halved when a window had to be split, doubled again after a run of windows that
 * went well. The length is kept in the database; the run only in memory.
 */
import { Context, Effect, Layer } from "effect"
import { CollectionStrategies } from "../collect/CollectionStrategies.ts"
import type { SourceId } from "../domain/Identifier.ts"
import type { LogObject } from "../domain/LogObject.ts"
import type { Source } from "../domain/Source.ts"
import { duration, type Window } from "../domain/Window.ts"
import { type DatabaseError, WindowLedger } from "./WindowLedger.ts"

/** So many full-length windows must go well in a row before the next are twice as long. */
export const successesBeforeGrowth = 12

/** Windows whose records already take this many bytes do not grow. */
export const largestForGrowth = 1024 ** 3

/** The planner makes no window shorter than this (ms) of its own accord. */
export const shortestPlanned = 60_000

/** Adapts the length of the windows that are planned next. */
export class WindowGrowth extends Context.Service<WindowGrowth, {
  /** A window of `lengthMs` was split: plan windows half as long from now on. */
  readonly shrink: (source: Source, lengthMs: number) => Effect.Effect<void, DatabaseError>
  /** A window was committed. */
  readonly succeeded: (source: Source, window: Window, object: LogObject) => Effect.Effect<void, DatabaseError>
}>()("@rainlogs/core/WindowGrowth") {
  static readonly layer = Layer.effect(
    WindowGrowth,
    Effect.gen(function*() {
      const ledger = yield* WindowLedger
      const strategies = yield* CollectionStrategies
      const runs = new Map<SourceId, number>()
      return WindowGrowth.of({
        shrink: Effect.fn("WindowGrowth.shrink")(function*(source, lengthMs) {
          runs.delete(source.id)
          // Whole minutes: bounds below a second are for the source to round as it likes.
          const half = Math.max(Math.floor(lengthMs / 2 / 60_000) * 60_000, shortestPlanned)
          if (half < source.windowMs) yield* ledger.resize(source.id, source.customer, half)
        }),
        succeeded: Effect.fn("WindowGrowth.succeeded")(function*(source, window, object) {
          const longest = strategies.of(source.name)?.limits.longestWindowMs ?? 0
          if (source.windowMs >= longest || duration(window) < source.windowMs) return
          if (object.plainSize > largestForGrowth) return
          const run = (runs.get(source.id) ?? 0) + 1
          runs.set(source.id, run)
          if (run < successesBeforeGrowth) return
          runs.delete(source.id)
          yield* ledger.resize(source.id, source.customer, Math.min(source.windowMs * 2, longest))
        })
      })
    })
  )
}
