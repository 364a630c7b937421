/**
 * Seals the records of one window into one object (ledger format §7): validates every line, compresses
 * frames of whole lines in parallel, encrypts, hashes, and spills to a spool file, all in one pass with bounded memory.
 * The stored bytes, once decrypted, are what `zstd -d` reads; the lines are the very bytes that came in.
 */
import * as Hex from "@rainlogs/verify/Hex"
import { sha256 as nativeSha256 } from "@rainlogs/verify/node/NativeSha256"
import { RecordsRoot } from "@rainlogs/verify/records/RecordsRoot"
import { Context, Effect, Layer, Pull, Redacted, type Scope, Stream } from "effect"
import { randomBytes } from "node:crypto"
import type { Origin } from "../domain/Customer.ts"
import { type CustomerId, type JobId, Sha256Hex, type ZoneId } from "../domain/Identifier.ts"
import { emptyLogObject, type Fidelity, type LogObject } from "../domain/LogObject.ts"
import type { Window } from "../domain/Window.ts"
import { keyOfObject } from "../ledger/EntryDraft.ts"
import { chunkedEncryption } from "../secrets/ChunkedEncryption.ts"
import { dekIdOf, printKeyRecord, seedContext, wrappingContext } from "../secrets/KeyRecord.ts"
import { Kms, KmsError } from "../secrets/Kms.ts"
import { type ObjectExists, ObjectStore, type StorageError } from "../storage/ObjectStore.ts"
import { prepareTemporaryDirectory } from "../storage/TemporaryFiles.ts"
import { LineFrames } from "./LineFrames.ts"
import { validateLines } from "./LineValidation.ts"
import { makeObjectWriter, type ObjectWriter } from "./ObjectWriter.ts"
import { type SealedWindow, storeSealed } from "./SealedObjectStore.ts"
import { SealError, type SealFault } from "./SealError.ts"

export type { SealedWindow } from "./SealedObjectStore.ts"

/** Sizes in bytes. */
export interface SealerOptions {
  /** Directory of the spool files on a local disk, made if it is missing. */
  readonly spool: string
  /** Plaintext of one frame of several lines. */
  readonly frameBytes: number
  /** Longest line, without its LF. */
  readonly maxLineBytes: number
  /** Largest stored object; what would be larger is `oversize` and the window is to be split. */
  readonly maxStoredBytes: number
  /** Frames that are compressed or wait for their turn at once. */
  readonly framesInFlight: number
  /** Plaintext of all frames in flight, if there is more than one. */
  readonly bytesInFlight: number
  /** Whether a records root is computed, so that single lines can be proven later (ledger format §9). */
  readonly recordsRoot: "on" | "off"
}

/** Frames of 1 MiB, lines up to 64 MiB, objects up to 4 GiB, four frames in flight. */
export const defaultSealer: Omit<SealerOptions, "spool"> = {
  frameBytes: 1_048_576,
  maxLineBytes: 67_108_864,
  maxStoredBytes: 4_294_967_296,
  framesInFlight: 4,
  bytesInFlight: 8_388_608,
  recordsRoot: "on"
}

/** What is sealed: the window's records as NDJSON, and what binds them to their place. */
export interface SealInput<E, R> {
  readonly origin: Origin
  readonly customer: CustomerId
  readonly chain: ZoneId
  readonly job: JobId
  readonly window: Window
  /** SHA-256 of the collection-parameters document, if there is one. */
  readonly params: Sha256Hex | null
  /** As known at the end, when all bytes were pulled. */
  readonly fidelity: Fidelity | (() => Fidelity)
  /** Pulled only as fast as it is sealed. The chunks must not change once given. */
  readonly bytes: Stream.Stream<Uint8Array, E, R>
}

/** Seals windows and stores what it sealed. */
export class Sealer extends Context.Service<Sealer, {
  /**
   * Seals the window into a spool file that lives as long as the scope. A line that is not one JSON object, or an
   * object over the limit, is a `SealError`; a full or broken spool disk is a `StorageError`.
   */
  readonly seal: <E, R>(
    input: SealInput<E, R>
  ) => Effect.Effect<SealedWindow, E | SealError | StorageError | KmsError, R | Scope.Scope>
  /** Stores the key record, then the object; both durable when it returns, and doing it again is fine. */
  readonly store: (sealed: SealedWindow) => Effect.Effect<"created" | "exists", ObjectExists | StorageError>
}>()("@rainlogs/core/Sealer") {
  static readonly layer = (
    options: Pick<SealerOptions, "spool"> & Partial<SealerOptions>
  ): Layer.Layer<Sealer, StorageError, Kms | ObjectStore> =>
    Layer.effect(Sealer, make({ ...defaultSealer, ...options }))
}

const make = Effect.fnUntraced(function*(options: SealerOptions) {
  const kms = yield* Kms
  const store = yield* ObjectStore
  yield* prepareTemporaryDirectory(options.spool)

  const seal = Effect.fn("Sealer.seal")(function*<E, R>(input: SealInput<E, R>) {
    const pull = yield* Stream.toPull(input.bytes)
    const frames = new LineFrames(options.frameBytes, options.maxLineBytes)
    const sealing = makeSealing(options, input, kms, (frame) => frames.recycle(frame))
    for (let open = true; open;) {
      const chunks = yield* Pull.catchDone(pull, () => Effect.succeed(null))
      open = chunks !== null
      for (const chunk of chunks ?? []) {
        frames.offer(chunk)
        for (let frame = frames.take(); frame !== undefined; frame = frames.take()) yield* sealing.add(frame)
        if (frames.overflowed) return yield* sealing.lineTooLong
      }
    }
    const last = frames.end()
    if (last !== undefined) yield* sealing.add(last)
    return yield* sealing.finish
  })

  return Sealer.of({
    seal,
    store: (sealed) => Effect.provideService(storeSealed(sealed), ObjectStore, store)
  })
})

/** The part of a seal that counts lines, so that a refusal can say where. */
const makeSealing = (
  options: SealerOptions,
  input: Omit<SealInput<never, never>, "bytes">,
  kms: Kms["Service"],
  done: (frame: Buffer) => void
) => {
  const dataKey = randomBytes(32)
  const seed = options.recordsRoot === "on" ? new Uint8Array(randomBytes(32)) : null
  const commitments = seed === null ? null : new RecordsRoot(seed, nativeSha256)
  let writer: ObjectWriter | undefined
  let records = 0
  let plainSize = 0

  const refuse = (code: SealFault, at = { index: 0, offset: 0 }) =>
    new SealError({
      category: code === "object-too-large" ? "oversize" : "malformed",
      code,
      line: records + at.index + 1,
      offset: plainSize + at.offset
    })

  const add = Effect.fnUntraced(function*(frame: Buffer) {
    const validated = validateLines(frame, options.maxLineBytes)
    if ("fault" in validated) return yield* refuse(validated.fault.code, validated.fault)
    records += validated.lines
    commitments?.addLines(frame)
    // The frame is the writer's once it is added.
    plainSize += frame.length
    writer ??= yield* makeObjectWriter(options, { dataKey, job: input.job }, done)
    yield* writer.add(frame)
    if (writer.storedBytes() > options.maxStoredBytes) return yield* refuse("object-too-large")
  })

  const wrap = Effect.fnUntraced(function*(
    secret: Uint8Array,
    kek: string,
    context: (origin: string, job: string, kek: string) => Uint8Array
  ) {
    const wrapped = yield* kms.wrap(
      input.customer,
      Redacted.make(secret, { label: "data key" }),
      context(input.origin, input.job, kek)
    )
    if (wrapped.kek === kek) return wrapped.bytes
    // The additional data names the key-encryption key, so it must be the one that wrapped.
    return yield* new KmsError({ operation: "wrap", kek, detail: `the key was replaced by ${wrapped.kek} meanwhile` })
  })

  const finish = Effect.gen(
    function*(): Effect.fn.Return<SealedWindow, SealError | StorageError | KmsError, Scope.Scope> {
      const { params } = input
      const fidelity = typeof input.fidelity === "function" ? input.fidelity() : input.fidelity
      if (writer === undefined) {
        return { object: { ...emptyLogObject, fidelity, params }, spooled: null }
      }
      const { file, sha256, size } = yield* writer.finish
      if (size > options.maxStoredBytes) return yield* refuse("object-too-large")
      const kek = yield* kms.currentKek(input.customer)
      const wrapped = yield* wrap(dataKey, kek, wrappingContext)
      const wrappedSeed = seed === null ? null : yield* wrap(seed, kek, seedContext)
      const dek = dekIdOf(input.job, sha256)
      const object: LogObject = {
        key: keyOfObject(input, sha256, "zstd"),
        sha256: Sha256Hex.make(sha256),
        size,
        codec: "zstd",
        encryption: chunkedEncryption,
        dek,
        records,
        plainSize,
        fidelity,
        params,
        recordsRoot: commitments === null ? null : Sha256Hex.make(Hex.encode(commitments.root()))
      }
      const record = { ...input, ...object, dek, kek, object: sha256, wrapped, wrappedSeed }
      return { object, spooled: { file, keyRecord: printKeyRecord(record) } }
    }
  )

  return { add, finish, lineTooLong: Effect.suspend(() => refuse("line-too-long")) }
}
