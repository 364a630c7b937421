/**
 * Failures of the ports as the problems a caller sees: handlers for `Effect.catchTag`. What happened goes to the log;
 * the answer names no internals.
 */
import {
  DatabaseUnavailable,
  InternalFault,
  JobNotFound,
  KeysUnavailable,
  LedgerUnavailable,
  ObjectUnreadable,
  StorageUnavailable,
  ZoneNotFound
} from "@rainlogs/core/api/Problem"
import type { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import type { OpenError } from "@rainlogs/core/archive/OpenError"
import type { DatabaseError } from "@rainlogs/core/archive/WindowLedger"
import type { CustomerId, JobId, ZoneId } from "@rainlogs/core/domain/Identifier"
import type { SignerUnavailable } from "@rainlogs/core/ledger/Signer"
import type { KmsError } from "@rainlogs/core/secrets/Kms"
import type { ObjectMissing, StorageError } from "@rainlogs/core/storage/ObjectStore"
import { type Cause, Effect, Option } from "effect"
import { randomUUID } from "node:crypto"

/** Handles `DatabaseError`. */
export const onDatabaseError = (error: DatabaseError): Effect.Effect<never, DatabaseUnavailable> =>
  Effect.andThen(
    Effect.logError("the database failed").pipe(
      Effect.annotateLogs({ operation: error.operation, detail: error.detail })
    ),
    Effect.fail(databaseUnavailable("The database failed; nothing is known to have been done."))
  )

/** The database is not there, for `detail` reasons. */
export const databaseUnavailable = (detail: string): DatabaseUnavailable =>
  new DatabaseUnavailable({
    detail,
    remedy: "Try again in a few seconds. If it lasts, look at the log and at whether PostgreSQL runs."
  })

/** Handles `KmsError`. */
export const onKmsError = (error: KmsError): Effect.Effect<never, KeysUnavailable> =>
  Effect.andThen(
    Effect.logError("the key service failed").pipe(
      Effect.annotateLogs({ operation: error.operation, kek: error.kek, detail: error.detail })
    ),
    Effect.fail(keysUnavailable("The token could not be encrypted, so it was not stored."))
  )

/** Handles `SignerUnavailable`. */
export const onSignerUnavailable = (error: SignerUnavailable): Effect.Effect<never, KeysUnavailable> =>
  Effect.andThen(
    Effect.logError("the signer failed").pipe(Effect.annotateLogs({ origin: error.origin, detail: error.detail })),
    Effect.fail(keysUnavailable("The signer could not make or read the ledger's keys."))
  )

/** Handles `StorageError` of a file of a ledger. */
export const onStorageError = (error: StorageError): Effect.Effect<never, StorageUnavailable> =>
  Effect.andThen(
    Effect.logError("the object store failed").pipe(
      Effect.annotateLogs({ operation: error.operation, key: error.key, detail: error.detail })
    ),
    Effect.fail(
      new StorageUnavailable({
        detail: "The object store failed or is busy. Nothing was sent.",
        remedy: "Try again in a few seconds. If it lasts, the operator's log says why."
      })
    )
  )

/** Keys could not be made, wrapped or read, for `detail` reasons. */
export const keysUnavailable = (detail: string): KeysUnavailable =>
  new KeysUnavailable({ detail, remedy: "Try again. If it lasts, the log says which key is missing." })

/** Handles every failure of `LedgerEvents.open`. */
export const onLedgerNotOpened =
  (origin: string) =>
  (error: { readonly _tag: string; readonly detail: string }): Effect.Effect<never, LedgerUnavailable> =>
    Effect.andThen(
      Effect.logError("a ledger could not be opened").pipe(
        Effect.annotateLogs({ origin, error: error._tag, detail: error.detail })
      ),
      Effect.fail(
        new LedgerUnavailable({
          detail: "The customer's ledger could not be opened, so no API key was given out.",
          remedy: "Create the customer again. If it fails again, the log says why."
        })
      )
    )

/** Handles what `Opener.open` fails with before anything was sent. */
export const onUnreadable =
  (job: JobId) => (error: Unreadable): Effect.Effect<never, ObjectUnreadable | StorageUnavailable> =>
    Effect.andThen(
      logUnreadable(job, error),
      Effect.fail(
        error._tag === "StorageError" && (error.category === "transient" || error.category === "throttled")
          ? new StorageUnavailable({
            detail: "The object store failed or is busy. Nothing was sent.",
            remedy: "Try again in a few seconds."
          })
          : new ObjectUnreadable({
            detail: "The stored object of this window is missing, damaged or cannot be decrypted. Nothing was sent.",
            remedy: "Tell the operator: rainlogs-verify shows what is damaged, and the log says how this read failed."
          })
      )
    )

/** Writes to the log why a job's object cannot be read. */
export const logUnreadable = (job: JobId, error: Unreadable): Effect.Effect<void> =>
  Effect.logError("a stored object cannot be read", error).pipe(Effect.annotateLogs({ job }))

type Unreadable = OpenError | ObjectMissing | StorageError | KmsError

/** A zone that the caller's customer does not have, whether or not another one has it. */
export const zoneNotFound: Effect.Effect<never, ZoneNotFound> = Effect.suspend(() =>
  Effect.fail(
    new ZoneNotFound({
      detail: "This customer has no zone with that id.",
      remedy: "GET /api/v1/zones lists the customer's zones."
    })
  )
)

/** A zone of the customer, with its sealed token; fails with what the caller sees. */
export const ownZone = (customers: CustomerStore["Service"], customer: CustomerId, id: ZoneId) =>
  customers.zone(customer, id).pipe(
    Effect.catchTag("DatabaseError", onDatabaseError),
    Effect.flatMap(Option.match({ onNone: () => zoneNotFound, onSome: Effect.succeed }))
  )

/** A job that the caller's customer does not have, whether or not another one has it. */
export const jobNotFound: Effect.Effect<never, JobNotFound> = Effect.suspend(() =>
  Effect.fail(
    new JobNotFound({
      detail: "This customer has no job with that id.",
      remedy: "GET /api/v1/zones/<zone id>/logs lists a zone's jobs."
    })
  )
)

/** Logs a fault of ours with a fresh id and returns the problem that carries the same id. */
export const internalFault = (cause: Cause.Cause<unknown>): Effect.Effect<InternalFault> =>
  Effect.suspend(() => {
    const instance = `urn:uuid:${randomUUID()}`
    return Effect.as(
      Effect.logError("request failed", cause).pipe(Effect.annotateLogs({ instance })),
      new InternalFault({
        instance,
        detail: "Rainlogs met a fault of its own.",
        remedy: "Try again. If it lasts, give the operator the instance: the log tells its cause."
      })
    )
  })
