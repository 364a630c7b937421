/**
 * The steps of opening an object, each a stream transform: check the stored bytes, decrypt, find frames, decompress,
 * check the plaintext. All failures are `OpenError`.
 */
import { Effect, Stream } from "effect"
import { createHash } from "node:crypto"
import type { LogObject } from "../domain/LogObject.ts"
import { type ChunkedDecryptor, NotAuthentic } from "../secrets/ChunkedEncryption.ts"
import { transform } from "./ByteTransform.ts"
import { OpenError, type OpenFault } from "./OpenError.ts"
import { decompressFrame, FrameReader, type ZstdFrame, ZstdMalformed } from "./ZstdFrames.ts"

/** Frames decompressed at once. */
const framesInFlight = 2

type Bytes<E, R> = Stream.Stream<Uint8Array, E, R>

const expectedFault = (key: string) => (cause: unknown): OpenError | undefined => {
  if (cause instanceof OpenError) return cause
  if (cause instanceof NotAuthentic) return new OpenError({ key, code: "not-authentic", detail: cause.message })
  if (cause instanceof ZstdMalformed) return new OpenError({ key, code: "not-zstd", detail: cause.message })
  return undefined
}

/** Runs what throws the errors of decryption and decompression. */
export const attempt = <A>(key: string, run: () => A): Effect.Effect<A, OpenError> =>
  Effect.try({
    try: run,
    catch: (cause) => {
      const error = expectedFault(key)(cause)
      if (error === undefined) throw cause
      return error
    }
  })

const demand = (holds: boolean, key: string, code: OpenFault, detail: () => string): void => {
  if (!holds) throw new OpenError({ key, code, detail: detail() })
}

/** Passes the stored bytes on and fails at the end unless size and SHA-256 are those of the ledger. */
export const checkStored = <E, R>(source: Bytes<E, R>, key: string, object: LogObject): Bytes<E | OpenError, R> =>
  transform(source, () => {
    const hash = createHash("sha256")
    let size = 0
    return {
      push: (bytes: Uint8Array) => {
        size += bytes.length
        hash.update(bytes)
        return [bytes]
      },
      end: (): ReadonlyArray<Uint8Array> => {
        demand(size === object.size, key, "size-mismatch", () => `${size} stored bytes instead of ${object.size}`)
        const digest = hash.digest("hex")
        demand(digest === object.sha256, key, "hash-mismatch", () => `SHA-256 ${digest} instead of ${object.sha256}`)
        return []
      }
    }
  }, expectedFault(key))

/** Decrypts; `end` says whether the stream runs to the object's last chunk or stops at an earlier one. */
export const decrypt = <E, R>(
  source: Bytes<E, R>,
  key: string,
  make: () => ChunkedDecryptor,
  end: "object" | "range"
): Bytes<E | OpenError, R> =>
  transform(source, () => {
    const decryptor = make()
    return {
      push: (bytes: Uint8Array) => [decryptor.update(bytes)],
      end: () => {
        if (end === "object") return [decryptor.final()]
        decryptor.finalRange()
        return []
      }
    }
  }, expectedFault(key))

/** Decompresses a sequence of frames; frames over `maxFrameBytes` of content are refused before they are decompressed. */
export const decompress = <E, R>(source: Bytes<E, R>, key: string, maxFrameBytes: number): Bytes<E | OpenError, R> =>
  transform(source, () => {
    const reader = new FrameReader(maxFrameBytes)
    return {
      push: (bytes: Uint8Array) => reader.push(bytes),
      end: (): ReadonlyArray<ZstdFrame> => {
        reader.end()
        return []
      }
    }
  }, expectedFault(key)).pipe(
    Stream.filter((frame) => frame.contentSize !== null),
    Stream.mapEffect(
      ({ bytes, contentSize }) =>
        Effect.mapError(
          decompressFrame(bytes, contentSize ?? 0),
          ({ message }) => new OpenError({ key, code: "not-zstd", detail: message })
        ),
      { concurrency: framesInFlight }
    )
  )

const lineFeed = 0x0a

const countLines = (bytes: Uint8Array): number => {
  let lines = 0
  for (let at = bytes.indexOf(lineFeed); at !== -1; at = bytes.indexOf(lineFeed, at + 1)) lines++
  return lines
}

/** Passes the plaintext on and fails unless it has the size and the number of lines the ledger says. */
export const checkPlain = <E, R>(source: Bytes<E, R>, key: string, object: LogObject): Bytes<E | OpenError, R> =>
  transform(source, () => {
    let size = 0
    let records = 0
    let last = lineFeed
    const sizeFits = (holds: boolean) =>
      demand(holds, key, "size-mismatch", () => `${size} plaintext bytes, the ledger says ${object.plainSize}`)
    return {
      push: (bytes: Uint8Array) => {
        size += bytes.length
        sizeFits(size <= object.plainSize)
        records += countLines(bytes)
        last = bytes.at(-1) ?? last
        return [bytes]
      },
      end: (): ReadonlyArray<Uint8Array> => {
        sizeFits(size === object.plainSize)
        demand(
          records === object.records && last === lineFeed,
          key,
          "records-mismatch",
          () => `${records} lines, the ledger says ${object.records}`
        )
        return []
      }
    }
  }, expectedFault(key))

/** The `length` bytes after the first `skip`. */
export const slice = <E, R>(source: Bytes<E, R>, key: string, skip: number, length: number): Bytes<E | OpenError, R> =>
  transform(source, () => {
    let before = skip
    let wanted = length
    return {
      push: (bytes: Uint8Array) => {
        const part = bytes.subarray(before, before + wanted)
        before = Math.max(0, before - bytes.length)
        wanted -= part.length
        return part.length === 0 ? [] : [part]
      },
      end: (): ReadonlyArray<Uint8Array> => {
        demand(wanted === 0, key, "size-mismatch", () => `the range ends ${wanted} bytes early`)
        return []
      }
    }
  }, expectedFault(key))
