/**
 * The seek table at the end of a sealed object, in zstd's seekable format
 * (https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md): a skippable
 * frame that lists the sizes of all frames, so a range of the plaintext is found without reading what comes before it.
 */
import { skippableFrame, ZstdMalformed } from "./ZstdFrames.ts"

const kind = 0x0e
const seekableMagic = 0x8f92eab1
const entryBytes = 8

/** Bytes of the footer: number of frames (4), descriptor (1), magic (4). */
export const footerBytes = 9

/** One frame; sizes in bytes. */
export interface SeekEntry {
  readonly compressed: number
  readonly plain: number
}

/** Collects the sizes of the frames of one object and prints the table. */
export class SeekTableWriter {
  #entries = Buffer.allocUnsafe(64 * entryBytes)
  #length = 0

  /** Adds the next frame. */
  add(entry: SeekEntry): void {
    if (this.#length === this.#entries.length) {
      const grown = Buffer.allocUnsafe(this.#entries.length * 2)
      this.#entries.copy(grown)
      this.#entries = grown
    }
    this.#entries.writeUInt32LE(entry.compressed, this.#length)
    this.#entries.writeUInt32LE(entry.plain, this.#length + 4)
    this.#length += entryBytes
  }

  /** The table as a skippable frame. */
  print(): Buffer {
    const footer = Buffer.alloc(footerBytes)
    footer.writeUInt32LE(this.#length / entryBytes, 0)
    footer.writeUInt32LE(seekableMagic, 5)
    return skippableFrame(kind, Buffer.concat([this.#entries.subarray(0, this.#length), footer]))
  }
}

/** Bytes of the whole table frame, read from the last {@link footerBytes} of an object; throws ZstdMalformed. */
export const tableBytes = (footer: Buffer): number => {
  if (footer.length !== footerBytes || footer.readUInt32LE(5) !== seekableMagic || footer[4] !== 0) {
    throw new ZstdMalformed("the object does not end with a seek table")
  }
  return 8 + footer.readUInt32LE(0) * entryBytes + footerBytes
}

/** The entries of a whole table frame; throws ZstdMalformed. */
export const parseSeekTable = (frame: Buffer): ReadonlyArray<SeekEntry> => {
  if (frame.length < 8 + footerBytes || tableBytes(frame.subarray(-footerBytes)) !== frame.length) {
    throw new ZstdMalformed("the seek table has another length than it says")
  }
  const content = frame.subarray(8)
  if (!skippableFrame(kind, content).equals(frame)) throw new ZstdMalformed("the seek table is not a skippable frame")
  const entries: Array<SeekEntry> = []
  for (let at = 0; at < content.length - footerBytes; at += entryBytes) {
    entries.push({ compressed: content.readUInt32LE(at), plain: content.readUInt32LE(at + 4) })
  }
  return entries
}

/** The frames that hold the plaintext bytes `[from, to)`. */
export interface FrameRange {
  /** Half-open range of compressed bytes. */
  readonly from: number
  readonly to: number
  /** Plaintext bytes before the range in its first frame. */
  readonly skip: number
}

/** Finds the frames of the plaintext bytes `[from, to)`, `from < to`; undefined when the object does not hold them all. */
export const framesOf = (entries: ReadonlyArray<SeekEntry>, from: number, to: number): FrameRange | undefined => {
  let compressed = 0
  let plain = 0
  let first: { readonly from: number; readonly skip: number } | undefined
  for (const entry of entries) {
    if (first === undefined && plain + entry.plain > from) first = { from: compressed, skip: from - plain }
    compressed += entry.compressed
    plain += entry.plain
    if (first !== undefined && plain >= to) return { ...first, to: compressed }
  }
  return undefined
}
