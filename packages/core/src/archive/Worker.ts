/**
 * The running archive: planning rounds, archiving fibers and the watch over blocked sources, for as long as the scope
 * lives. Any number of processes may run one on the same database.
 */
import { Duration, Effect, Layer } from "effect"
import { Archiver } from "./Archiver.ts"
import { BlockedSources } from "./BlockedSources.ts"
import { JobQueue } from "./JobQueue.ts"
import { Planner } from "./Planner.ts"

/** `concurrency` windows at once; a planning round every `planEveryMs`; blocked sources again every `recheckEveryMs`. */
export interface WorkerOptions {
  readonly concurrency: number
  readonly planEveryMs: number
  readonly recheckEveryMs: number
}

/** Two windows at once, a round every two seconds, blocked sources every minute. */
export const defaultWorker: WorkerOptions = { concurrency: 2, planEveryMs: 2000, recheckEveryMs: 60_000 }

/** Repeats `work` every `everyMs`; a failure is logged and the next turn tries again. */
const repeatedly = <A, E, R>(name: string, everyMs: number, work: Effect.Effect<A, E, R>) =>
  Effect.forever(
    work.pipe(
      Effect.catchCause((cause) => Effect.logError(`${name} failed; it is tried again`, cause)),
      Effect.andThen(Effect.sleep(Duration.millis(everyMs)))
    )
  )

/** Runs the archive in the background of the layer's scope; closing the scope gives the leased windows back. */
export const layer = (options: WorkerOptions = defaultWorker) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const planner = yield* Planner
    const archiver = yield* Archiver
    const blocked = yield* BlockedSources
    const queue = yield* JobQueue
    const archiving = queue.take((job) => archiver.archive(job)).pipe(
      Effect.catchCause((cause) =>
        Effect.andThen(Effect.logError("a job was not archived; it is offered again", cause), Effect.sleep("1 second"))
      ),
      Effect.forever
    )
    // A scope closes in reverse: planning stops first, so that no job that is given back is offered once more.
    for (let index = 0; index < options.concurrency; index++) yield* Effect.forkScoped(archiving)
    yield* Effect.forkScoped(repeatedly("rechecking blocked sources", options.recheckEveryMs, blocked.recheck))
    yield* Effect.forkScoped(repeatedly("planning", options.planEveryMs, planner.round))
  }))
