/**
 * Zstandard frames (RFC 8878 §3.1), one at a time: compression and decompression run in the runtime's thread pool,
 * and {@link FrameReader} finds where a frame ends without decompressing it. Node's own zstd stream stops silently
 * after the first frame, so a sequence of frames is always read with this reader.
 */
import { Effect } from "effect"
import { constants, zstdCompress, zstdDecompress } from "node:zlib"

/** zstd's own default, and the level of the public tool the benchmarks compare with. */
const level = 3

const frameMagic = 0xfd2fb528
const skippableMagic = 0x184d2a50

/** The bytes are not a sequence of zstd frames, or a frame is larger than allowed. */
export class ZstdMalformed extends Error {
  override readonly name = "ZstdMalformed"
}

/** Compresses the bytes into one frame that states its content size. Runs in the thread pool; cannot fail but by a defect. */
export const compressFrame = (plain: Buffer): Effect.Effect<Buffer> =>
  Effect.callback((resume) => {
    const options = {
      params: { [constants.ZSTD_c_compressionLevel]: level },
      pledgedSrcSize: plain.length,
      // Room for the usual ratio in one piece: each further piece is one more trip through the thread pool.
      chunkSize: Math.max(65_536, plain.length >> 3)
    }
    zstdCompress(plain, options, (error, compressed) =>
      resume(error === null ? Effect.succeed(compressed) : Effect.die(error)))
  })

/** Decompresses one frame whose content is at most `maxBytes`; runs in the thread pool. */
export const decompressFrame = (frame: Uint8Array, maxBytes: number): Effect.Effect<Buffer, ZstdMalformed> =>
  Effect.callback((resume) =>
    zstdDecompress(
      frame,
      { maxOutputLength: Math.max(1, maxBytes) },
      (error, plain) => resume(error === null ? Effect.succeed(plain) : Effect.fail(new ZstdMalformed(error.message)))
    )
  )

/** A skippable frame (RFC 8878 §3.1.2) around `content`; decompressors ignore it. `kind` is 0 to 15. */
export const skippableFrame = (kind: number, content: Uint8Array): Buffer => {
  const frame = Buffer.allocUnsafe(8 + content.length)
  frame.writeUInt32LE(skippableMagic + kind, 0)
  frame.writeUInt32LE(content.length, 4)
  frame.set(content, 8)
  return frame
}

/** One frame of a sequence. `contentSize` is the size it states, in bytes; null for a skippable frame. */
export interface ZstdFrame {
  readonly bytes: Buffer
  readonly contentSize: number | null
}

// Bytes of the content-size field by its two-bit flag (RFC 8878 §3.1.1.1.1); flag 0 means 1 byte in a single segment.
const contentSizeBytes = [0, 2, 4, 8] as const
const dictionaryBytes = [0, 1, 2, 4] as const

interface Header {
  readonly length: number
  readonly contentSize: number
  readonly checksumBytes: number
}

/** The header of the frame at the start of `bytes`, or undefined when more bytes are needed. */
const readHeader = (bytes: Buffer): Header | undefined => {
  const descriptor = bytes[4]
  if (descriptor === undefined) return undefined
  if ((descriptor & 0x08) !== 0) throw new ZstdMalformed("reserved bit set in a frame header")
  const singleSegment = (descriptor & 0x20) !== 0
  const flag = descriptor >> 6
  const sizeBytes = flag === 0 && singleSegment ? 1 : contentSizeBytes[flag & 3] ?? 0
  const at = 5 + (singleSegment ? 0 : 1) + (dictionaryBytes[descriptor & 3] ?? 0)
  if (sizeBytes === 0) throw new ZstdMalformed("a frame does not state its content size")
  if (bytes.length < at + sizeBytes) return undefined
  const contentSize = sizeBytes === 8
    ? Number(bytes.readBigUInt64LE(at))
    : bytes.readUIntLE(at, sizeBytes) + (sizeBytes === 2 ? 256 : 0)
  return { length: at + sizeBytes, contentSize, checksumBytes: (descriptor & 0x04) === 0 ? 0 : 4 }
}

/** Splits a byte stream into frames. Holds one frame at most; frames over `maxFrameBytes` of content are refused. */
export class FrameReader {
  readonly #maxFrameBytes: number
  // Compressed data is never much larger than its content: a 3-byte header per block of 128 KiB, and the table's entries.
  readonly #maxStoredBytes: number
  #held = Buffer.alloc(0)
  #length = 0
  // Where the next block or the end of the frame lies: looking earlier would find nothing new.
  #resumeAt = 0

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes
    this.#maxStoredBytes = maxFrameBytes + (maxFrameBytes >> 8) + 1_048_576
  }

  /** The frames that are complete after `bytes`, which must not change later; throws {@link ZstdMalformed}. */
  push(bytes: Uint8Array): ReadonlyArray<ZstdFrame> {
    const fresh = this.#length === 0
    const all = fresh ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) : this.#append(bytes)
    const frames: Array<ZstdFrame> = []
    let from = 0
    while (all.length - from >= Math.max(8, this.#resumeAt)) {
      const frame = this.#scan(all.subarray(from))
      if (frame === undefined) break
      frames.push(frame)
      from += frame.bytes.length
      this.#resumeAt = 0
    }
    if (fresh || from > 0) this.#keep(all.subarray(from))
    return frames
  }

  /** Throws {@link ZstdMalformed} when the stream ended inside a frame. */
  end(): void {
    if (this.#length > 0) throw new ZstdMalformed("the last frame is cut")
  }

  #append(bytes: Uint8Array): Buffer {
    const needed = this.#length + bytes.length
    if (needed > this.#held.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#held.length * 2))
      this.#held.copy(grown, 0, 0, this.#length)
      this.#held = grown
    }
    this.#held.set(bytes, this.#length)
    this.#length = needed
    return this.#held.subarray(0, needed)
  }

  // A new buffer each time: the old one belongs to the frames given out.
  #keep(rest: Buffer): void {
    this.#held = Buffer.from(rest)
    this.#length = rest.length
  }

  #scan(all: Buffer): ZstdFrame | undefined {
    const magic = all.readUInt32LE(0)
    if ((magic & 0xfffffff0) >>> 0 === skippableMagic) return this.#complete(all, 8 + all.readUInt32LE(4), null)
    if (magic !== frameMagic) throw new ZstdMalformed("not a zstd frame")
    const header = readHeader(all)
    if (header === undefined) return this.#needs(all.length + 1)
    if (header.contentSize > this.#maxFrameBytes) {
      throw new ZstdMalformed(`a frame of ${header.contentSize} bytes, the limit is ${this.#maxFrameBytes}`)
    }
    let at = header.length
    for (let last = false; !last;) {
      if (all.length < at + 3) return this.#needs(at + 3)
      const block = all.readUIntLE(at, 3)
      const type = (block >> 1) & 3
      if (type === 3) throw new ZstdMalformed("reserved block type")
      last = (block & 1) === 1
      // A run-length block (type 1) stores one byte, whatever its size.
      at += 3 + (type === 1 ? 1 : block >> 3)
    }
    return this.#complete(all, at + header.checksumBytes, header.contentSize)
  }

  #complete(all: Buffer, length: number, contentSize: number | null): ZstdFrame | undefined {
    return all.length < length ? this.#needs(length) : { bytes: all.subarray(0, length), contentSize }
  }

  #needs(length: number): undefined {
    if (length > this.#maxStoredBytes) throw new ZstdMalformed("a frame is longer than its content allows")
    this.#resumeAt = length
    return undefined
  }
}
