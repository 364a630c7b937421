/**
 * Reads the container of a bundle from anything that gives ranges of bytes. Every header is printed again from what was
 * read and must come out the same: what this accepts is what the printer prints, byte for byte.
 */
import * as Bytes from "../Bytes.ts"
import { crc32 } from "./Crc32.ts"
import {
  type CentralDirectory,
  centralEntryBytes,
  endBytes,
  isMemberName,
  MalformedBundleError,
  memberBytes,
  printCentralEntry,
  printEnd,
  printLocalHeader,
  zip64EndBytes,
  type ZipMember
} from "./ZipFormat.ts"

/** Bytes that can be read in ranges: a file, a Blob, a resource over HTTP. */
export interface ByteSource {
  readonly size: number
  /** Exactly `length` bytes from `offset`; rejects when they cannot be had. */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>
}

/** Largest central directory that is read into memory, bytes: about a million members. */
export const maxDirectoryBytes = 256 * 1024 * 1024
const chunkBytes = 256 * 1024

const fail = (reason: string): never => {
  throw new MalformedBundleError(reason)
}

const safe = (value: bigint): number =>
  value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : fail("a number beyond 2^53")

// The end record must be the last bytes: no comment, nothing after it.
const readEnd = async (source: ByteSource): Promise<CentralDirectory> => {
  if (source.size < endBytes) return fail("too short to be a ZIP")
  const length = Math.min(source.size, endBytes + zip64EndBytes)
  const tail = await source.read(source.size - length, length)
  const end = new DataView(tail.buffer, tail.byteOffset + length - endBytes, endBytes)
  let directory: CentralDirectory = {
    members: end.getUint16(10, true),
    size: end.getUint32(12, true),
    offset: end.getUint32(16, true)
  }
  if (directory.members === 0xffff || directory.size === 0xffff_ffff || directory.offset === 0xffff_ffff) {
    if (length < endBytes + zip64EndBytes) return fail("the Zip64 end record is missing")
    const large = new DataView(tail.buffer, tail.byteOffset, zip64EndBytes)
    directory = {
      members: safe(large.getBigUint64(32, true)),
      size: safe(large.getBigUint64(40, true)),
      offset: safe(large.getBigUint64(48, true))
    }
  }
  const printed = printEnd(directory)
  if (directory.offset + directory.size + printed.length !== source.size) {
    return fail("the central directory does not end where the end record begins, or bytes follow it")
  }
  if (directory.size > maxDirectoryBytes) return fail(`a central directory of ${directory.size} bytes`)
  if (!Bytes.equal(printed, tail.subarray(length - printed.length))) return fail("the end record is not canonical")
  return directory
}

const parseMembers = (bytes: Uint8Array, directory: CentralDirectory): Array<ZipMember> => {
  const members: Array<ZipMember> = []
  let expected = 0
  let at = 0
  while (at < bytes.length) {
    if (bytes.length - at < centralEntryBytes) return fail("the central directory is cut")
    const view = new DataView(bytes.buffer, bytes.byteOffset + at)
    const nameLength = view.getUint16(28, true)
    const extraLength = view.getUint16(30, true)
    const end = at + centralEntryBytes + nameLength + extraLength
    if (end > bytes.length) return fail("the central directory is cut")
    const name = String.fromCharCode(...bytes.subarray(at + centralEntryBytes, at + centralEntryBytes + nameLength))
    if (!isMemberName(name)) return fail(`the name ${JSON.stringify(name.slice(0, 100))} is not allowed`)
    const large = view.getUint32(24, true) === 0xffff_ffff
    if (large && extraLength < 20) return fail(`${name}: the Zip64 extra field is missing`)
    const size = large ? safe(view.getBigUint64(centralEntryBytes + nameLength + 4, true)) : view.getUint32(24, true)
    const member = { name, offset: expected, size, crc: view.getUint32(16, true) }
    // Printing it with the offset that follows from the members before also refuses gaps and overlaps.
    if (!Bytes.equal(printCentralEntry(member), bytes.subarray(at, end))) {
      return fail(`${name}: the central entry is not canonical, or does not follow the member before`)
    }
    const before = members.at(-1)?.name
    if (before !== undefined && !(before < name)) return fail(`${name} follows ${before}: not sorted, or twice`)
    expected += memberBytes(member)
    if (expected > directory.offset) return fail(`${name} declares more bytes than the bundle has`)
    members.push(member)
    at = end
  }
  if (members.length !== directory.members) return fail("the end record counts other members than there are")
  if (expected !== directory.offset) return fail("bytes between the last member and the central directory")
  return members
}

/** An opened container. */
export class BundleZip {
  readonly #source: ByteSource
  readonly #members: ReadonlyMap<string, ZipMember>

  private constructor(source: ByteSource, members: ReadonlyArray<ZipMember>) {
    this.#source = source
    this.#members = new Map(members.map((member) => [member.name, member]))
  }

  /** Reads the directory; rejects with {@link MalformedBundleError}. */
  static async open(source: ByteSource): Promise<BundleZip> {
    const directory = await readEnd(source)
    return new BundleZip(source, parseMembers(await source.read(directory.offset, directory.size), directory))
  }

  /** All members, sorted by name. */
  get members(): Iterable<ZipMember> {
    return this.#members.values()
  }

  /** A member, or undefined. */
  member(name: string): ZipMember | undefined {
    return this.#members.get(name)
  }

  /**
   * The contents of a member in chunks of at most 256 KiB. Its local header is checked first, its CRC-32 last: what was
   * given out is only good when the end is reached.
   */
  async *chunks(member: ZipMember): AsyncGenerator<Uint8Array> {
    const header = printLocalHeader(member)
    if (!Bytes.equal(await this.#source.read(member.offset, header.length), header)) {
      fail(`${member.name}: local header and central directory differ`)
    }
    const begin = member.offset + header.length
    let crc = 0
    for (let at = 0; at < member.size; at += chunkBytes) {
      const chunk = await this.#source.read(begin + at, Math.min(chunkBytes, member.size - at))
      crc = crc32(chunk, crc)
      yield chunk
    }
    if (crc !== member.crc) fail(`${member.name}: the CRC-32 does not match the contents`)
  }

  /** The first bytes of a member, at most `length`; without the CRC check. */
  async start(member: ZipMember, length: number): Promise<Uint8Array> {
    const begin = member.offset + printLocalHeader(member).length
    return this.#source.read(begin, Math.min(length, member.size))
  }

  /** The whole contents of a member. */
  async read(member: ZipMember): Promise<Uint8Array> {
    const bytes = new Uint8Array(member.size)
    let at = 0
    for await (const chunk of this.chunks(member)) {
      bytes.set(chunk, at)
      at += chunk.length
    }
    return bytes
  }
}
