/**
 * The signer's sealed keys in the archive, at `catalog/signer/<hex SHA-256 of the origin>/<log key id>`: with the
 * wrapping key on the recovery sheet a lost signer is made again from them. They are sealed under that key and not under
 * the master key, so that whoever decrypts logs cannot sign.
 */
import { originHash } from "@rainlogs/verify/Layout"
import { parseVerifierKey, printKeyId } from "@rainlogs/verify/VerifierKey"
import { Effect, Stream } from "effect"
import type { Origin } from "../domain/Customer.ts"
import type { Signer } from "../ledger/Signer.ts"
import { type ObjectStore, StorageError } from "../storage/ObjectStore.ts"

/** Where all sealed keys lie. */
export const signerCatalogPrefix = "catalog/signer/"

const prefixOf = (origin: Origin): string => `${signerCatalogPrefix}${originHash(origin)}/`

const keyOf = (origin: Origin, log: string): string => `${prefixOf(origin)}${printKeyId(parseVerifierKey(log).id)}`

/** Keeps the keys that the signer has now, in use and prepared; again, it is the same objects. */
export const keepSealedKeys = Effect.fn("SignerCatalog.keep")(
  function*(signer: Signer["Service"], objects: ObjectStore["Service"], origin: Origin) {
    for (const { bytes, log } of yield* signer.sealedKeys(origin)) {
      const key = keyOf(origin, log)
      const present = yield* objects.head(key).pipe(
        Effect.as(true),
        Effect.catchTag("ObjectMissing", () => Effect.succeed(false))
      )
      if (present) continue
      yield* objects.putBytes(key, bytes).pipe(
        Effect.catchTag("ObjectExists", () =>
          new StorageError({
            operation: "putBytes",
            key,
            category: "corrupt",
            detail: "other sealed keys of the same id lie there"
          }))
      )
    }
  }
)

/**
 * Removes the sealed keys that the signer no longer has: those before a change that is done. What cannot be removed now
 * is logged, and tried again when the ledger is opened the next time.
 */
export const dropFormerKeys = Effect.fn("SignerCatalog.drop")(
  function*(signer: Signer["Service"], objects: ObjectStore["Service"], origin: Origin) {
    const current = (yield* signer.sealedKeys(origin)).map(({ log }) => keyOf(origin, log))
    if (current.length === 0) return
    yield* objects.list(prefixOf(origin)).pipe(
      Stream.filter(({ key }) => !current.includes(key)),
      Stream.runForEach(({ key }) => objects.remove(key)),
      Effect.catchTag(
        "StorageError",
        (error) => Effect.logWarning(`former sealed keys of ${origin} could not be removed`, error)
      )
    )
  }
)
