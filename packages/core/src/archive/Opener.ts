/**
 * Opens sealed objects: from the store and the KMS to the very NDJSON bytes that were sealed, as a stream with bounded
 * memory. Whole objects are checked against everything the ledger says of them; a range is authentic, but says nothing
 * of the rest.
 */
import { Context, Effect, Layer, Redacted, Stream } from "effect"
import type { CustomerId, JobId } from "../domain/Identifier.ts"
import type { LogObject } from "../domain/LogObject.ts"
import { ChunkedDecryptor, headerBytes, plainSizeOf, storedRange } from "../secrets/ChunkedEncryption.ts"
import { keyRecordKey, parseKeyRecord, wrappingContext } from "../secrets/KeyRecord.ts"
import { Kms, type KmsError } from "../secrets/Kms.ts"
import { type ByteRange, type ObjectMissing, ObjectStore, type StorageError } from "../storage/ObjectStore.ts"
import * as ObjectReading from "./ObjectReading.ts"
import { OpenError } from "./OpenError.ts"
import { footerBytes, framesOf, parseSeekTable, tableBytes } from "./SeekTable.ts"

/** Which object, whose, and what the ledger says of it. */
export interface OpenTarget {
  readonly origin: string
  readonly customer: CustomerId
  readonly job: JobId
  readonly object: LogObject
}

/** Sizes in bytes. */
export interface OpenerOptions {
  /** Largest content of one frame: the longest line that was ever sealed, and its LF. */
  readonly maxFrameBytes: number
}

/** Frames up to 128 MiB of content. */
export const defaultOpener: OpenerOptions = { maxFrameBytes: 134_217_728 }

type OpenFailure = OpenError | ObjectMissing | StorageError | KmsError

/** Reads archived windows back. */
export class Opener extends Context.Service<Opener, {
  /**
   * The lines of the object, each ended by LF. Every byte given out is authentic; that nothing is missing is only
   * sure when the stream ends without an error. An empty window gives nothing.
   */
  readonly open: (target: OpenTarget) => Stream.Stream<Uint8Array, OpenFailure>
  /** The plaintext bytes `[from, to)`; reads only the frames that hold them. */
  readonly openRange: (target: OpenTarget, range: ByteRange) => Stream.Stream<Uint8Array, OpenFailure>
}>()("@rainlogs/core/Opener") {
  static readonly layer = (options: OpenerOptions = defaultOpener): Layer.Layer<Opener, never, ObjectStore | Kms> =>
    Layer.effect(Opener, make(options))
}

const make = Effect.fnUntraced(function*(options: OpenerOptions) {
  const store = yield* ObjectStore
  const kms = yield* Kms

  /** The data key of the object, or null when it is not encrypted. */
  const dataKeyOf = Effect.fn("Opener.dataKey")(function*({ customer, job, object, origin }: OpenTarget) {
    const { dek } = object
    if (dek === null) return null
    const key = keyRecordKey(dek)
    const fail = (code: OpenError["code"], detail: string) => new OpenError({ key, code, detail })
    const bytes = yield* store.getBytes(key).pipe(
      Effect.catchTag(
        "ObjectMissing",
        () => Effect.fail(fail("key-missing", "no key record: the object was erased, or the key was lost"))
      )
    )
    const record = yield* Effect.try({
      try: () => parseKeyRecord(bytes),
      catch: (cause) => fail("key-record-malformed", cause instanceof Error ? cause.message : String(cause))
    })
    const fits = record.origin === origin && record.job === job && record.dek === dek &&
      record.object === object.sha256 && record.codec === object.codec
    if (!fits) return yield* fail("key-record-mismatch", "the key record is of another object")
    const secret = yield* kms.unwrap(
      customer,
      { kek: record.kek, bytes: record.wrapped },
      wrappingContext(origin, job, record.kek)
    )
    return { key: Redacted.value(secret), context: Buffer.from(job, "latin1") }
  })

  const open = (target: OpenTarget) =>
    Stream.unwrap(Effect.gen(function*() {
      const { object } = target
      const { key } = object
      if (key === null) return Stream.empty
      if (object.codec === "gzip") {
        return yield* new OpenError({ key, code: "unsupported-codec", detail: "this version reads no gzip objects" })
      }
      const dataKey = yield* dataKeyOf(target)
      const stored = ObjectReading.checkStored(store.get(key), key, object)
      const compressed = dataKey === null
        ? stored
        : ObjectReading.decrypt(stored, key, () => new ChunkedDecryptor(dataKey.key, dataKey.context), "object")
      const plain = object.codec === "zstd"
        ? ObjectReading.decompress(compressed, key, options.maxFrameBytes)
        : compressed
      return ObjectReading.checkPlain(plain, key, object)
    }))

  /** Reads ranges of the decrypted, still compressed bytes of one object. */
  const compressedReader = Effect.fnUntraced(function*(target: OpenTarget, key: string) {
    const { size } = target.object
    const dataKey = yield* dataKeyOf(target)
    if (dataKey === null) {
      return {
        size,
        read: (from: number, to: number): Stream.Stream<Uint8Array, OpenFailure> => store.get(key, { from, to })
      }
    }
    const plainSize = plainSizeOf(size)
    if (plainSize === undefined) {
      return yield* new OpenError({ key, code: "size-mismatch", detail: `no encrypted object has ${size} bytes` })
    }
    const header = yield* Stream.runCollect(store.get(key, { from: 0, to: headerBytes }))
    const read = (from: number, to: number): Stream.Stream<Uint8Array, OpenFailure> => {
      const range = storedRange(size, from, to)
      const bytes = Stream.concat(Stream.fromIterable(header), store.get(key, { from: range.from, to: range.to }))
      const decryptor = () => new ChunkedDecryptor(dataKey.key, dataKey.context, range.firstChunk)
      const decrypted = ObjectReading.decrypt(bytes, key, decryptor, range.reachesEnd ? "object" : "range")
      return ObjectReading.slice(decrypted, key, range.skip, to - from)
    }
    return { size: plainSize, read }
  })

  const collect = <E>(bytes: Stream.Stream<Uint8Array, E>) =>
    Effect.map(Stream.runCollect(bytes), (parts) => Buffer.concat(parts))

  const openRange = (target: OpenTarget, range: ByteRange) =>
    Stream.unwrap(Effect.gen(function*() {
      const { codec, key, plainSize } = target.object
      const { from, to } = range
      if (
        key === null ||
        !(Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from < to && to <= plainSize)
      ) {
        const detail = `[${from}, ${to}) is not inside the ${plainSize} bytes`
        return yield* new OpenError({ key: key ?? "-", code: "range", detail })
      }
      if (codec === "gzip") return ObjectReading.slice(open(target), key, from, to - from)
      const reader = yield* compressedReader(target, key)
      if (codec === "identity") return reader.read(from, to)
      const cut = new OpenError({ key, code: "not-zstd", detail: "the object is too short for a seek table" })
      if (reader.size < footerBytes) return yield* cut
      const footer = yield* collect(reader.read(reader.size - footerBytes, reader.size))
      const length = yield* ObjectReading.attempt(key, () => tableBytes(footer))
      if (length > reader.size) return yield* cut
      const table = yield* collect(reader.read(reader.size - length, reader.size))
      const frames = framesOf(yield* ObjectReading.attempt(key, () => parseSeekTable(table)), from, to)
      if (frames === undefined || frames.to > reader.size) {
        return yield* new OpenError({ key, code: "size-mismatch", detail: "the seek table does not reach the range" })
      }
      const plain = ObjectReading.decompress(reader.read(frames.from, frames.to), key, options.maxFrameBytes)
      return ObjectReading.slice(plain, key, frames.skip, to - from)
    }))

  return Opener.of({ open, openRange })
})
