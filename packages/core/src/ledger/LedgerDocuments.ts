/**
 * The documents of a ledger's events in the object store, content-addressed at `event/<sha256>` below its prefix.
 */
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { eventPath, ledgerKey } from "@rainlogs/verify/Layout"
import { Effect } from "effect"
import type { Origin } from "../domain/Customer.ts"
import { eventJobIdOf } from "../domain/LogJob.ts"
import { type ObjectStore, StorageError } from "../storage/ObjectStore.ts"
import type { EventDraft } from "./EntryDraft.ts"

/** A stored document: its SHA-256 (hex) and size in bytes. */
export interface StoredDocument {
  readonly sha256: string
  readonly size: number
}

const corrupt = (operation: string, key: string, detail: string): StorageError =>
  new StorageError({ operation, key, category: "corrupt", detail })

/** Makes the document durable; again, it is the same object. */
export const putDocument = Effect.fnUntraced(
  function*(objects: ObjectStore["Service"], origin: Origin, bytes: Uint8Array) {
    const hash = Hex.encode(sha256(bytes))
    const key = ledgerKey(origin, eventPath(hash))
    yield* objects.putBytes(key, bytes).pipe(
      Effect.catchTag(
        "ObjectExists",
        () => Effect.fail(corrupt("putBytes", key, "the key of a document holds other bytes than its SHA-256 says"))
      )
    )
    return { sha256: hash, size: bytes.length }
  }
)

/** Reads a document by its SHA-256 (hex) with `parse`; one that is missing, changed or malformed is corrupt. */
export const readDocument = Effect.fnUntraced(
  function*<A>(objects: ObjectStore["Service"], origin: Origin, hash: string, parse: (bytes: Uint8Array) => A) {
    const key = ledgerKey(origin, eventPath(hash))
    const bytes = yield* objects.getBytes(key).pipe(
      Effect.catchTag(
        "ObjectMissing",
        () => Effect.fail(corrupt("getBytes", key, "a document of the ledger is missing"))
      )
    )
    if (Hex.encode(sha256(bytes)) !== hash) return yield* corrupt("getBytes", key, "the document was changed")
    return yield* Effect.try({ try: () => parse(bytes), catch: (error) => corrupt("getBytes", key, String(error)) })
  }
)

/** The event that chains a stored document. */
export const draftOf = (origin: Origin, kind: EventDraft["kind"], document: StoredDocument): EventDraft => ({
  kind,
  chain: "control",
  job: eventJobIdOf(origin, document.sha256),
  document
})
