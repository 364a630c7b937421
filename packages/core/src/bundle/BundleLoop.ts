/**
 * Makes bundles in the background and tidies up after them. Any number of processes may run one on the same database and folder.
 */
import { Clock, Effect, Layer } from "effect"
import type { BundleFiles } from "./BundleFiles.ts"
import { BundleStore } from "./BundleStore.ts"
import { sweepOrphans, sweepOverdue } from "./BundleSweep.ts"
import { BundleWorker } from "./BundleWorker.ts"

/** The pace, times in ms. */
export interface BundleLoopOptions {
  /** Bundles made at once; 2 when left out, so that a large one does not hold up all others. */
  readonly concurrency?: number
  /** Time between two looks for work; 1 000 when left out. */
  readonly pollMs?: number
  /** Time between two looks for bundles whose time is over; 60 000 when left out. */
  readonly sweepMs?: number
  /** Time between two looks at every file; ten minutes when left out. */
  readonly orphanMs?: number
}

/** Due bundles looked at in one round: other workers may be ahead of us with some. */
const candidates = 16

/** Repeats `work` every `everyMs`, from now on; a failure is logged and the next turn tries again. */
const repeatedly = <E, R>(what: string, everyMs: number, work: Effect.Effect<void, E, R>) =>
  Effect.forever(
    work.pipe(
      Effect.catchCause((cause) => Effect.logError(`${what} failed; it is tried again`, cause)),
      Effect.andThen(Effect.sleep(everyMs))
    )
  )

/** Runs as long as the layer lives; closing the scope gives the bundle in the works back. */
export const layer = (
  options: BundleLoopOptions = {}
): Layer.Layer<never, never, BundleStore | BundleFiles | BundleWorker> => {
  const { concurrency = 2, pollMs = 1000, sweepMs = 60_000, orphanMs = 600_000 } = options
  return Layer.effectDiscard(Effect.gen(function*() {
    const store = yield* BundleStore
    const worker = yield* BundleWorker
    // Asked again after each bundle: whoever came meanwhile with few bundles goes before the rest of one with many.
    const round = Effect.gen(function*() {
      for (const of of yield* store.due(yield* Clock.currentTimeMillis, candidates)) {
        if ((yield* worker.work(of)) !== "unavailable") return
      }
      yield* Effect.sleep(pollMs)
    })
    const making = Effect.forever(
      Effect.catchCause(
        round,
        (cause) =>
          Effect.andThen(Effect.logError("a bundle was not made; it is tried again", cause), Effect.sleep(pollMs))
      )
    )
    yield* Effect.forkScoped(repeatedly("ending bundles", sweepMs, sweepOverdue))
    yield* Effect.forkScoped(repeatedly("removing files of no bundle", orphanMs, sweepOrphans))
    for (let index = 0; index < concurrency; index++) yield* Effect.forkScoped(making)
  }))
}
