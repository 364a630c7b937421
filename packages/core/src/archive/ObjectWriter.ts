/**
 * Writes the stored bytes of one object into a spool file: frames are compressed in parallel in the thread pool, then,
 * in order, encrypted, hashed and written. Bounded: when too much is in flight, adding waits.
 */
import { Effect, Fiber } from "effect"
import { createHash } from "node:crypto"
import { ChunkedEncryptor } from "../secrets/ChunkedEncryption.ts"
import type { StorageError } from "../storage/ObjectStore.ts"
import type { SealerOptions } from "./Sealer.ts"
import { SeekTableWriter } from "./SeekTable.ts"
import { makeSpoolFile } from "./Spool.ts"
import { compressFrame } from "./ZstdFrames.ts"

/** The finished spool file: path, SHA-256 (hex) and size (bytes) of what is in it. */
export interface SpooledObject {
  readonly file: string
  readonly sha256: string
  readonly size: number
}

/** Use from one fiber: the order of the calls is the order of the frames. */
export interface ObjectWriter {
  /** Takes a frame, which must not change until it is given to `done`. */
  readonly add: (frame: Buffer) => Effect.Effect<void, StorageError>
  /** Bytes written so far; frames in flight do not count yet. */
  readonly storedBytes: () => number
  /** Writes what is in flight, the seek table and the last chunk. */
  readonly finish: Effect.Effect<SpooledObject, StorageError>
}

interface InFlight {
  readonly frame: Buffer
  readonly compressed: Fiber.Fiber<Buffer>
}

/** What an object is encrypted with. */
export interface ObjectEncryption {
  /** 32 random bytes, for this object alone. */
  readonly dataKey: Uint8Array
  /** The job id, bound into the encryption (ledger format §7). */
  readonly job: string
}

/** Makes a writer whose spool file lives as long as the scope. `done` gets each frame that is no longer needed. */
export const makeObjectWriter = Effect.fnUntraced(function*(
  options: SealerOptions,
  { dataKey, job }: ObjectEncryption,
  done: (frame: Buffer) => void
) {
  const spool = yield* makeSpoolFile(options.spool)
  const encryptor = new ChunkedEncryptor(dataKey, Buffer.from(job, "latin1"))
  const hash = createHash("sha256")
  const table = new SeekTableWriter()
  const inFlight: Array<InFlight> = []
  let plainInFlight = 0
  let stored = 0

  const write = (bytes: Uint8Array) => {
    if (bytes.length === 0) return Effect.void
    hash.update(bytes)
    stored += bytes.length
    return spool.write(bytes)
  }

  const writeOldest = Effect.fnUntraced(function*() {
    const oldest = inFlight.shift()
    if (oldest === undefined) return
    const compressed = yield* Fiber.join(oldest.compressed)
    const plain = oldest.frame.length
    plainInFlight -= plain
    done(oldest.frame)
    table.add({ compressed: compressed.length, plain })
    yield* write(encryptor.update(compressed))
  })

  const full = (plain: number): boolean =>
    inFlight.length >= options.framesInFlight ||
    inFlight.length > 0 && plainInFlight + plain > options.bytesInFlight

  const add = Effect.fnUntraced(function*(frame: Buffer) {
    while (full(frame.length)) yield* writeOldest()
    plainInFlight += frame.length
    // Started at once: the thread pool works while this fiber validates the next frame.
    const compressed = yield* Effect.forkChild(compressFrame(frame), { startImmediately: true })
    inFlight.push({ frame, compressed })
  })

  const finish = Effect.gen(function*() {
    while (inFlight.length > 0) yield* writeOldest()
    yield* write(encryptor.update(table.print()))
    yield* write(encryptor.final())
    return { file: spool.path, sha256: hash.digest("hex"), size: stored }
  })

  const writer: ObjectWriter = { add, storedBytes: () => stored, finish }
  return writer
})
