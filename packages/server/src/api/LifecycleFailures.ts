/**
 * Failures of holds, erasures and policies as the problems a caller sees.
 */
import {
  type DatabaseUnavailable,
  ErasureNotAllowed,
  ErasureNotFound,
  ErasureUnfinished,
  HoldNotAllowed,
  HoldNotFound,
  KeysUnavailable,
  PolicyNotAllowed,
  StorageUnavailable
} from "@rainlogs/core/api/Problem"
import type { DatabaseError } from "@rainlogs/core/archive/WindowLedger"
import type { PolicyRefused } from "@rainlogs/core/ledger/PolicyChanges"
import type { SignerUnavailable } from "@rainlogs/core/ledger/Signer"
import type { ErasureIncomplete, ErasureRefused, HoldRefused } from "@rainlogs/core/lifecycle/LifecycleError"
import type { StorageError } from "@rainlogs/core/storage/ObjectStore"
import { Effect } from "effect"
import { onDatabaseError } from "./Failures.ts"

/** Handlers of `Effect.catchTags` for what every step may meet. */
export const onUnavailable = {
  DatabaseError: (error: DatabaseError): Effect.Effect<never, DatabaseUnavailable> => onDatabaseError(error),
  StorageError: (error: StorageError): Effect.Effect<never, StorageUnavailable> =>
    Effect.andThen(
      Effect.logError("the object store failed", error),
      Effect.fail(
        new StorageUnavailable({
          detail: `The object store failed (${error.category}); nothing is known to have been done.`,
          remedy: "Try again: what was done already is not done twice. If it lasts, the log says what failed."
        })
      )
    )
}

/** The same for the signer. */
export const onSigner = {
  SignerUnavailable: (error: SignerUnavailable): Effect.Effect<never, KeysUnavailable> =>
    Effect.andThen(
      Effect.logError("the signer failed").pipe(Effect.annotateLogs({ origin: error.origin, detail: error.detail })),
      Effect.fail(
        new KeysUnavailable({
          detail: "The signer could not sign the document, so nothing was chained.",
          remedy: "Try again. If it lasts, the log says which key is missing."
        })
      )
    )
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`

/** Handlers for holds. */
export const onHold = {
  HoldRefused: ({ detail, remedy }: HoldRefused) =>
    Effect.fail(new HoldNotAllowed({ detail: sentence(detail), remedy })),
  HoldMissing: () =>
    Effect.fail(
      new HoldNotFound({
        detail: "This customer has no hold with that id.",
        remedy: "GET /api/v1/holds lists the customer's holds."
      })
    )
}

/** An erasure that the caller's customer does not have, whether or not another one has it. */
export const erasureNotFound = Effect.suspend(() =>
  Effect.fail(
    new ErasureNotFound({
      detail: "This customer has no erasure with that id.",
      remedy: "GET /api/v1/erasures lists the customer's erasures."
    })
  )
)

/** Handlers for erasures. */
export const onErasure = {
  ErasureRefused: ({ detail, remedy }: ErasureRefused) =>
    Effect.fail(new ErasureNotAllowed({ detail: sentence(detail), remedy }))
}

/** Handlers for the execution of erasures. */
export const onExecution = {
  ...onErasure,
  ErasureMissing: () => erasureNotFound,
  ErasureIncomplete: ({ detail, id, key }: ErasureIncomplete) =>
    Effect.fail(
      new ErasureUnfinished({
        erasure: id,
        detail: `${key}: ${detail}. The erasure is not reported as done.`,
        remedy: "It is tried again every minute, and by executing it again. If it lasts, look at the object store."
      })
    )
}

/** Handlers for changes of policy. */
export const onPolicy = {
  PolicyRefused: ({ detail }: PolicyRefused) =>
    Effect.fail(
      new PolicyNotAllowed({
        detail: sentence(detail),
        remedy: "GET /api/v1/policy shows the policy in force and its approvers, who sign with rainlogs approver sign."
      })
    )
}
