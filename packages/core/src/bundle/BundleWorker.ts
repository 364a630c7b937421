/**
 * One bundle's way: lease → make the file → record it. Every step may be the last before a kill -9: the next attempt
 * starts again, under a name of its own, and only the holder of the newest lease can record its file.
 */
import { Clock, Context, Effect, Layer, Option, Schedule } from "effect"
import type { DatabaseError, LeaseLost } from "../archive/WindowLedger.ts"
import { Sha256Hex } from "../domain/Identifier.ts"
import * as Backoff from "../resilience/Backoff.ts"
import { Kms } from "../secrets/Kms.ts"
import type { StorageError } from "../storage/ObjectStore.ts"
import * as ObjectStoreReader from "../storage/ObjectStoreReader.ts"
import { BundleFailure, isWorthRetry } from "./BundleFailure.ts"
import { BundleFiles } from "./BundleFiles.ts"
import type { BundleJob } from "./BundleJob.ts"
import { type BundleOf, BundleStore } from "./BundleStore.ts"
import { sweepBundle } from "./BundleSweep.ts"
import { makeBundle, mostObjects } from "./MakeBundle.ts"

/** How bundles are made. Times in ms. */
export interface BundleWorkerOptions {
  /** Names this worker in the database. */
  readonly owner: string
  /** How long a worker that is gone holds a bundle. */
  readonly leaseMs: number
  /** How long a finished file is kept. */
  readonly retentionMs: number
  /** Attempts before a bundle has failed. */
  readonly mostAttempts: number
  readonly backoff: Backoff.BackoffOptions
  /** Bytes of the disk that bundles leave free. */
  readonly reservedBytes: number
  readonly mostObjects: number
}

/** Leases of half a minute, five attempts 5 s to 5 min apart, 1 GiB of the disk left free. */
export const defaultBundleWorker: Omit<BundleWorkerOptions, "owner" | "retentionMs"> = {
  leaseMs: 30_000,
  mostAttempts: 5,
  backoff: { baseMs: 5000, capMs: 300_000 },
  reservedBytes: 1024 ** 3,
  mostObjects
}

/** How an attempt ended. `unavailable`: somebody else has the bundle, or it is gone. */
export type BundleOutcome = "ready" | "retried" | "failed" | "lost" | "unavailable"

/** Makes bundles. */
export class BundleWorker extends Context.Service<BundleWorker, {
  /** Makes one bundle as far as it goes. Fails only if the database does not answer; nothing is lost then. */
  readonly work: (of: BundleOf) => Effect.Effect<BundleOutcome, DatabaseError>
}>()("@rainlogs/core/BundleWorker") {
  static readonly layer = (options: BundleWorkerOptions) => Layer.effect(BundleWorker, make(options))
}

/** A finished file is recorded although the database restarts just now. */
const whileDatabaseRestarts = (step: Effect.Effect<void, DatabaseError | LeaseLost>) =>
  Effect.retry(step, {
    while: (error) => error._tag === "DatabaseError",
    times: 6,
    schedule: Schedule.exponential("100 millis")
  })

/** A caller sees progress this fresh, ms. */
const progressMs = 2000

const folderFailure = (error: StorageError) =>
  new BundleFailure({
    code: error.category === "full" ? "disk-full" : "folder-unusable",
    detail: `The bundle's folder cannot be used (${error.detail}).`,
    cause: error
  })

const make = Effect.fnUntraced(function*(options: BundleWorkerOptions) {
  const store = yield* BundleStore
  const files = yield* BundleFiles
  const kms = yield* Kms
  const source = yield* ObjectStoreReader.make

  const attempt = Effect.fnUntraced(function*(job: BundleJob, progress: { entries: number; bytes: number }) {
    if (job.attempts > options.mostAttempts) {
      const detail = `All ${options.mostAttempts} attempts ended without a word: the process was ended during each.`
      return yield* new BundleFailure({ code: "interrupted", detail })
    }
    const { out, temporary } = yield* Effect.mapError(files.prepare(job), folderFailure)
    const { bytes, objects, sha256, size } = yield* makeBundle({
      origin: job.origin,
      chain: job.zone,
      from: job.range.from,
      to: job.range.to,
      mostObjects: options.mostObjects,
      source,
      disclose: job.disclose ? Option.some(kms) : Option.none(),
      out,
      temporary,
      reservedBytes: options.reservedBytes,
      onProgress: ({ entries }) => {
        progress.entries = entries
      },
      onWritten: (written) => {
        progress.bytes = written
      }
    })
    const now = yield* Clock.currentTimeMillis
    const file = { bytes, sha256: Sha256Hex.make(sha256), objects, ledgerSize: size }
    yield* whileDatabaseRestarts(store.finish(job, file, now + options.retentionMs, now))
    yield* Effect.logInfo(`bundle ready: ${objects} objects, ${bytes} bytes`)
    return "ready" as const
  })

  /** Renews the lease until interrupted; ends with `LeaseLost` when somebody took the bundle over or deleted it. */
  const keepLease = (job: BundleJob, progress: BundleJob["progress"]) =>
    Effect.forever(Effect.gen(function*() {
      yield* Effect.sleep(Math.min(progressMs, options.leaseMs / 3))
      const now = yield* Clock.currentTimeMillis
      yield* store.renew(job, progress, now + options.leaseMs, now).pipe(
        // The database is away for a moment: the lease still holds until it runs out.
        Effect.catchTag("DatabaseError", (error) => Effect.logWarning("the lease of a bundle was not renewed", error))
      )
    }))

  const settle = Effect.fnUntraced(function*(job: BundleJob, failure: BundleFailure) {
    const now = yield* Clock.currentTimeMillis
    const { code, detail } = failure
    if (isWorthRetry(failure) && job.attempts < options.mostAttempts) {
      const delay = yield* Backoff.delay(options.backoff, job.attempts - 1, null)
      yield* Effect.logWarning(`bundle not made, it is tried again in ${delay} ms: ${code}: ${detail}`, failure)
      yield* store.retry(job, { code, detail }, now + delay, now)
      return "retried" as const
    }
    yield* Effect.logError(`bundle failed: ${code}: ${failure.message}`, failure)
    yield* store.fail(job, { code, detail }, now)
    return "failed" as const
  })

  /** A stop in the middle gives the bundle back at once, so that the next start does not wait for the lease. */
  const giveBack = (job: BundleJob) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      yield* store.retry(job, "stopped", now, now)
    }).pipe(
      Effect.interruptible,
      Effect.timeout("5 seconds"),
      Effect.catch((error) => Effect.logWarning("a bundle waits for its lease to run out", error))
    )

  /** What the attempt left goes now: it may hold data keys of a bundle that was deleted for that reason. */
  const abandon = (job: BundleJob) =>
    sweepBundle(job).pipe(
      Effect.provideService(BundleStore, store),
      Effect.provideService(BundleFiles, files),
      Effect.catch((error) => Effect.logWarning("the files of a lost attempt are removed later", error)),
      Effect.andThen(Effect.logInfo("a bundle was deleted or taken over")),
      Effect.as("lost" as const)
    )

  const work = Effect.fn("BundleWorker.work")(function*(of: BundleOf) {
    const now = yield* Clock.currentTimeMillis
    const leased = yield* store.lease(of, options.owner, now, now + options.leaseMs)
    if (Option.isNone(leased)) return "unavailable" as const
    const job = leased.value
    const progress = { entries: 0, bytes: 0 }
    const attempted = attempt(job, progress).pipe(
      Effect.catchTag("BundleFailure", (failure) => settle(job, failure)),
      Effect.catchDefect((defect) =>
        settle(job, new BundleFailure({ code: "fault", detail: "Rainlogs met a fault of its own.", cause: defect }))
      )
    )
    return yield* Effect.raceFirst(attempted, keepLease(job, progress)).pipe(
      Effect.catchTag("LeaseLost", () => abandon(job)),
      Effect.onInterrupt(() => giveBack(job)),
      Effect.annotateLogs({ bundle: job.id, zone: job.zone })
    )
  })

  return BundleWorker.of({ work })
})
