/**
 * Makes bundles in the background and tidies up: files whose time is over, records that nobody needs any more, and
 * files that no record names. Any number of processes may run one on the same database and folder.
 */
import { Clock, Effect, Layer, Option } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { StorageError } from "../storage/ObjectStore.ts"
import { BundleFiles, type StoredBundle } from "./BundleFiles.ts"
import type { BundleJob } from "./BundleJob.ts"
import { BundleStore } from "./BundleStore.ts"
import { BundleWorker } from "./BundleWorker.ts"

/** The pace, times in ms. */
export interface BundleLoopOptions {
  /** Bundles made at once; 2 when left out, so that a large one does not hold up all others. */
  readonly concurrency?: number
  /** Time between two looks for work; 1 000 when left out. */
  readonly pollMs?: number
  /** Time between two sweeps; 60 000 when left out. */
  readonly sweepMs?: number
}

/** How long the record of a failed or expired bundle is kept, ms: 30 days. */
export const recordRetentionMs = 30 * 86_400_000

/** Ended bundles tidied up in one round. */
const batch = 100

/** Due bundles looked at in one round: other workers may be ahead of us with some. */
const candidates = 16

/** A file has a use: the ready bundle's own, or what the running attempt writes. */
const isWanted = (file: StoredBundle, job: Option.Option<BundleJob>): boolean =>
  Option.exists(
    job,
    ({ fence, state }) => fence === file.fence && (state === "running" || (state === "ready" && file.kind === "whole"))
  )

/** One round of tidying up; what was left half done by a killed round is done by the next. */
export const sweep: Effect.Effect<void, DatabaseError | StorageError, BundleStore | BundleFiles> = Effect.gen(
  function*() {
    const store = yield* BundleStore
    const files = yield* BundleFiles
    const now = yield* Clock.currentTimeMillis
    for (const { customer, id, state } of yield* store.overdue(now, now - recordRetentionMs, batch)) {
      const gone = state === "ready"
        ? yield* store.expire({ customer, id }, now)
        : yield* store.remove({ customer, id })
      if (gone) yield* files.remove({ customer, id })
    }
    for (const customer of yield* files.customers) {
      // Files first, records second: the record of a file that was there is not older than the file.
      for (const file of yield* files.files(customer)) {
        if (isWanted(file, yield* store.bundle({ customer, id: file.id }))) continue
        yield* Effect.logInfo(`removed ${file.name}: no bundle needs it`)
        yield* files.removeFile(customer, file)
      }
    }
  }
)

/** Runs as long as the layer lives; closing the scope gives the bundle in the works back. */
export const layer = (
  options: BundleLoopOptions = {}
): Layer.Layer<never, never, BundleStore | BundleFiles | BundleWorker> => {
  const { concurrency = 2, pollMs = 1000, sweepMs = 60_000 } = options
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
    const tidying = Effect.forever(
      sweep.pipe(
        Effect.catchCause((cause) => Effect.logError("bundles were not tidied up; it is tried again", cause)),
        Effect.andThen(Effect.sleep(sweepMs))
      )
    )
    yield* Effect.forkScoped(tidying)
    for (let index = 0; index < concurrency; index++) yield* Effect.forkScoped(making)
  }))
}
