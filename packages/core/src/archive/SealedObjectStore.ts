/**
 * Stores a sealed window: first the key record, then the object. An object without its key could never be opened; a
 * key without its object harms nobody.
 */
import { Effect } from "effect"
import type { LogObject } from "../domain/LogObject.ts"
import { keyRecordKey } from "../secrets/KeyRecord.ts"
import { readFile } from "../storage/FileBytes.ts"
import { type ObjectExists, ObjectStore, type StorageError } from "../storage/ObjectStore.ts"

/** A window sealed into a spool file, which lives as long as the scope it was sealed in. */
export interface SealedWindow {
  readonly object: LogObject
  /** Where the stored bytes wait and the bytes of the key record; null for an empty window, for which nothing is stored. */
  readonly spooled: { readonly file: string; readonly keyRecord: Uint8Array } | null
}

/** Stores key record and object durably; doing it again is fine. "exists" when both were there, or nothing is to be stored. */
export const storeSealed: (
  sealed: SealedWindow
) => Effect.Effect<"created" | "exists", ObjectExists | StorageError, ObjectStore> = Effect.fn(
  "SealedObjectStore.store"
)(
  function*({ object, spooled }: SealedWindow) {
    const { dek, key, sha256, size } = object
    if (spooled === null || key === null || dek === null) return "exists"
    const store = yield* ObjectStore
    yield* store.putBytes(keyRecordKey(dek), spooled.keyRecord)
    return yield* store.put(key, { size, sha256, bytes: readFile("seal", key, spooled.file) })
  }
)
