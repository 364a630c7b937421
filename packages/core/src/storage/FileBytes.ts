/**
 * Bytes of files as streams, with bounded memory: one block is in flight at a time.
 */
import { Effect, Stream } from "effect"
import { constants, type FileHandle, open } from "node:fs/promises"
import { fileCall, fileFailure, tryFile } from "./FileFailure.ts"
import { type ByteRange, StorageError } from "./ObjectStore.ts"

/** Bytes read at a time. */
const blockBytes = 262_144

/** Opens a file for reading in the surrounding scope; a symbolic link at its end is refused. */
export const openForReading = (operation: string, key: string, path: string) =>
  Effect.acquireRelease(
    tryFile(() => open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)),
    (file) => Effect.ignore(fileCall(operation, key, () => file.close()))
  )

/** The bytes `[range.from, range.to)` of an open file; a file that ends earlier is `corrupt`. */
export const readRange = (
  operation: string,
  key: string,
  file: FileHandle,
  range: ByteRange
): Stream.Stream<Uint8Array, StorageError> =>
  Stream.unfold(range.from, (at) => {
    if (at >= range.to) return Effect.undefined
    const length = Math.min(blockBytes, range.to - at)
    return fileCall(operation, key, () => file.read(Buffer.allocUnsafe(length), 0, length, at)).pipe(
      Effect.flatMap(({ buffer, bytesRead }) =>
        bytesRead === 0
          ? Effect.fail(
            new StorageError({
              operation,
              key,
              category: "corrupt",
              detail: `the file ends at ${at}, not at ${range.to}`
            })
          )
          : Effect.succeed([buffer.subarray(0, bytesRead), at + bytesRead] as const)
      )
    )
  })

/** The whole file at `path`, which nobody else changes; `key` names it in errors. */
export const readFile = (operation: string, key: string, path: string): Stream.Stream<Uint8Array, StorageError> =>
  Stream.unwrap(Effect.gen(function*() {
    const file = yield* Effect.mapError(
      openForReading(operation, key, path),
      (fault) => fileFailure(operation, key, fault)
    )
    const { size } = yield* fileCall(operation, key, () => file.stat())
    return readRange(operation, key, file, { from: 0, to: size })
  }))

/** Writes all of `bytes` at the file's position. */
export const writeAll = (operation: string, key: string, file: FileHandle, bytes: Uint8Array) =>
  fileCall(operation, key, async () => {
    for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at, bytes.length - at)).bytesWritten
  })
