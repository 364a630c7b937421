/**
 * The object store as the verifier's `ArchiveReader`: what reads an archive for proofs and bundles reads any store.
 */
import { type ArchiveFile, type ArchiveReader, FileTooLargeError } from "@rainlogs/verify/ArchiveReader"
import { Effect, Stream } from "effect"
import { createHash } from "node:crypto"
import { ObjectStore } from "./ObjectStore.ts"

/** The largest file `read` returns, in bytes: a little above the largest legal entry bundle. */
export const largestSmallFile = 32 * 1024 * 1024

/** Reads the archive, and streams its objects. A failure of the store rejects with its `StorageError`. */
export interface ObjectStoreReader extends ArchiveReader {
  /** The bytes of an object; rejects with `ObjectMissing` when it is not there. */
  readonly stream: (key: string) => AsyncIterable<Uint8Array>
}

/** Makes the reader of the store. */
export const make: Effect.Effect<ObjectStoreReader, never, ObjectStore> = Effect.gen(function*() {
  const store = yield* ObjectStore
  const context = yield* Effect.context<never>()
  const run = Effect.runPromiseWith(context)

  const list = (prefix: string): AsyncIterable<ArchiveFile> => Stream.toAsyncIterableWith(store.list(prefix), context)

  const stream = (key: string): AsyncIterable<Uint8Array> => Stream.toAsyncIterableWith(store.get(key), context)

  const read = (key: string): Promise<Uint8Array | null> =>
    run(
      Stream.runFoldEffect(
        store.get(key),
        () => ({ size: 0, parts: [] as Array<Uint8Array> }),
        (found, part) => {
          found.size += part.length
          found.parts.push(part)
          return found.size > largestSmallFile
            ? Effect.fail(new FileTooLargeError(key, found.size, largestSmallFile))
            : Effect.succeed(found)
        }
      ).pipe(
        Effect.map(({ parts, size }): Uint8Array | null => new Uint8Array(Buffer.concat(parts, size))),
        Effect.catchTag("ObjectMissing", () => Effect.succeed(null))
      )
    )

  const hash: ArchiveReader["hash"] = async (key, { maxBytes = Number.POSITIVE_INFINITY, onBytes } = {}) => {
    const digest = createHash("sha256")
    let size = 0
    const found = await run(
      store.get(key).pipe(
        Stream.takeWhile((part) => {
          size += part.length
          if (size > maxBytes) return false
          digest.update(part)
          onBytes?.(part.length)
          return true
        }),
        Stream.runDrain,
        Effect.as(true),
        Effect.catchTag("ObjectMissing", () => Effect.succeed(false))
      )
    )
    return found ? { size, sha256: size > maxBytes ? null : digest.digest("hex") } : null
  }

  return { list, read, hash, stream }
})
