/**
 * Bundles as the API shows them, and the problems it answers instead.
 */
import type { BundleResource } from "@rainlogs/core/api/BundleResource"
import {
  BundleExpired,
  BundleLimitReached,
  BundleNotFound,
  BundleNotReady,
  BundleUnreadable,
  BundleWithdrawn,
  IdempotencyKeyReused,
  StorageUnavailable
} from "@rainlogs/core/api/Problem"
import { BundleFailureCode, remedies } from "@rainlogs/core/bundle/BundleFailure"
import type { BundleFileLost } from "@rainlogs/core/bundle/BundleFiles"
import type { BundleId, BundleJob } from "@rainlogs/core/bundle/BundleJob"
import type { IdempotencyConflict, TooManyBundles } from "@rainlogs/core/bundle/BundleStore"
import type { StorageError } from "@rainlogs/core/storage/ObjectStore"
import { DateTime, Effect, Schema } from "effect"

const time = DateTime.makeUnsafe

const ledgerReveals =
  "Time, size, line count and hash of every window of all zones in the customer's ledger, and every event in it."

/** What the file of a bundle tells whoever has it. */
export const reveals = ({ disclose }: Pick<BundleJob, "disclose">): string =>
  disclose
    ? `${ledgerReveals} Also every log line of the zone in the range: the file holds the objects and the keys to read ` +
      "them. It stays readable after the archive has erased them, so hand it over like the logs themselves."
    : `${ledgerReveals} No log line: the objects of the range are encrypted as they are archived, and no key is in it.`

const isCode = Schema.is(BundleFailureCode)

/** A bundle as the API shows it. */
export const bundleResource = (job: BundleJob): BundleResource => ({
  id: job.id,
  zone: job.zone,
  from: time(job.range.from),
  to: time(job.range.to),
  disclose: job.disclose,
  reveals: reveals(job),
  state: job.state,
  attempts: job.attempts,
  progress: job.progress,
  file: job.file,
  error: job.error === null
    ? null
    : { ...job.error, remedy: remedies[isCode(job.error.code) ? job.error.code : "fault"] },
  withdrawnBy: job.withdrawnBy,
  createdAt: time(job.createdAt),
  updatedAt: time(job.updatedAt),
  expiresAt: job.expiresAt === null ? null : time(job.expiresAt)
})

/** A bundle that the caller's customer does not have, whether or not another one has it. */
export const bundleNotFound: Effect.Effect<never, BundleNotFound> = Effect.suspend(() =>
  Effect.fail(
    new BundleNotFound({
      detail: "This customer has no bundle with that id.",
      remedy: "GET /api/v1/bundles lists the customer's bundles."
    })
  )
)

/** A bundle whose file was removed because its time was over. */
export const expired: Effect.Effect<never, BundleExpired> = Effect.suspend(() =>
  Effect.fail(
    new BundleExpired({
      detail: "The bundle's time was over, so its file was removed.",
      remedy: "POST /api/v1/bundles with the same range makes it again, with the ledger as it is then."
    })
  )
)

/** A bundle whose file was removed because a window in it was erased. */
export const withdrawn = (erasure: string): Effect.Effect<never, BundleWithdrawn> =>
  Effect.fail(
    new BundleWithdrawn({
      erasure,
      detail: "A window in the bundle was erased, so the bundle's file was removed.",
      remedy: "POST /api/v1/bundles with the same range makes it again, without the erased window's object."
    })
  )

/** A bundle without a file. */
export const notReady = ({ error, state }: BundleJob): Effect.Effect<never, BundleNotReady> =>
  Effect.fail(
    new BundleNotReady({
      state,
      detail: state === "failed"
        ? `The bundle could not be made: ${error?.detail ?? "the reason is not known."}`
        : "The bundle is not finished.",
      remedy: state === "failed"
        ? "GET the bundle: its error says what to do."
        : "Ask for the bundle until its state is ready."
    })
  )

/** Handles `TooManyBundles`. */
export const onTooManyBundles = ({ kind, limit }: TooManyBundles): Effect.Effect<never, BundleLimitReached> =>
  Effect.fail(
    kind === "open"
      ? new BundleLimitReached({
        limit,
        detail: `This customer has ${limit} bundles that wait or are being made, and may not have more.`,
        remedy: "Ask again when one is ready, or delete one."
      })
      : new BundleLimitReached({
        limit,
        detail: `This customer has ${limit} bundles, and may not have more.`,
        remedy: "Download and delete those that are ready, or wait until they expire."
      })
  )

/** Handles `IdempotencyConflict`. */
export const onIdempotencyConflict = ({ bundle }: IdempotencyConflict): Effect.Effect<never, IdempotencyKeyReused> =>
  Effect.fail(
    new IdempotencyKeyReused({
      detail: `The idempotency key was used for bundle ${bundle}, with another zone, range or disclosure.`,
      remedy: "Use a new key for a new request."
    })
  )

/** Handles what opening a ready bundle's file fails with. */
export const onBundleUnreadable =
  (bundle: BundleId) =>
  (error: BundleFileLost | StorageError): Effect.Effect<never, BundleUnreadable | StorageUnavailable> =>
    Effect.andThen(
      Effect.logError("the file of a bundle cannot be read", error).pipe(Effect.annotateLogs({ bundle })),
      Effect.fail(
        error._tag === "StorageError" && error.category === "transient"
          ? new StorageUnavailable({
            detail: "The bundle's file cannot be read just now. Nothing was sent.",
            remedy: "Try again in a few seconds."
          })
          : new BundleUnreadable({
            detail: "The bundle's file is missing or is not the one that was made. Nothing was sent.",
            remedy: "Delete the bundle and ask for it again. If it lasts, tell the operator."
          })
      )
    )
