/**
 * Shows what the proof is worth: flips one byte of one stored object, as an intruder with access to the disk would.
 */
import { Effect, Schema } from "effect"
import { chmodSync, closeSync, globSync, openSync, readSync, statSync, writeSync } from "node:fs"
import { join } from "node:path"

/** There is nothing to tamper with: no object is stored yet. */
export class NothingStored extends Schema.TaggedError<NothingStored>()("NothingStored", { directory: Schema.String }) {
  override get message(): string {
    return `No log object is stored below ${this.directory}; there is nothing to flip a byte of.`
  }
}

/** The byte that was changed: the object's key, the offset in bytes, the value before and after. */
export interface FlippedByte {
  readonly key: string
  readonly offset: number
  readonly before: number
  readonly after: number
}

/** Flips the lowest bit of the byte in the middle of the first stored object, and leaves its mode and size as they were. */
export const flipOneByte = Effect.fn("Tampering.flipOneByte")(function*(archive: string) {
  const found = yield* Effect.sync(() =>
    globSync("logs/**/*.ndjson*", { cwd: archive }).toSorted().find((key) => statSync(join(archive, key)).size > 0)
  )
  if (found === undefined) return yield* new NothingStored({ directory: archive })
  return yield* Effect.sync((): FlippedByte => {
    const path = join(archive, found)
    const { mode, size } = statSync(path)
    // Stored objects are read-only; who owns the disk is not stopped by that.
    chmodSync(path, 0o600)
    const handle = openSync(path, "r+")
    try {
      const offset = Math.floor(size / 2)
      const byte = Buffer.alloc(1)
      readSync(handle, byte, 0, 1, offset)
      const before = byte.readUInt8(0)
      const after = before ^ 1
      writeSync(handle, Buffer.of(after), 0, 1, offset)
      return { key: found, offset, before, after }
    } finally {
      closeSync(handle)
      chmodSync(path, mode & 0o777)
    }
  })
})
