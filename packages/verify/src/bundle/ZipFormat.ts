/**
 * The one form of ZIP (PKWARE APPNOTE 6.3) that a bundle has: members stored, sorted by name, dated 1980-01-01, with no
 * extra field but the Zip64 one where a number needs it. One printer, which the reader compares every byte with.
 */
import * as Bytes from "../Bytes.ts"

/** The container is not what the printer would print; nothing in it is believed. */
export class MalformedBundleError extends Error {
  override readonly name = "MalformedBundleError"

  constructor(reason: string) {
    super(`malformed bundle: ${reason}`)
  }
}

/** One member: where its local header begins, its size in bytes and its CRC-32. */
export interface ZipMember {
  readonly name: string
  readonly offset: number
  readonly size: number
  readonly crc: number
}

/** Bytes of a local header without the name. */
export const localHeaderBytes = 30
/** Bytes of a central entry without name and extra field. */
export const centralEntryBytes = 46
/** Bytes of the end record. */
export const endBytes = 22
/** Bytes of the Zip64 end record and its locator. */
export const zip64EndBytes = 56 + 20
const limit32 = 0xffff_ffff
const limit16 = 0xffff
/** 1980-01-01, and midnight. */
const dosDate = 0x0021
const dosTime = 0
const encoder = new TextEncoder()

/** Whether a name may stand in a bundle: relative, forward slashes, printable ASCII, no empty, `.` or `..` part. */
export const isMemberName = (name: string): boolean =>
  name.length <= 1024 && /^[\x21-\x5b\x5d-\x7e]+$/.test(name) && !name.includes(":") &&
  name.split("/").every((part) => part !== "" && part !== "." && part !== "..")

const record = (length: number, fill: (view: DataView) => void): Uint8Array => {
  const bytes = new Uint8Array(length)
  fill(new DataView(bytes.buffer))
  return bytes
}

const versionNeeded = (needsZip64: boolean): number => needsZip64 ? 45 : 10

// The Zip64 extra field holds exactly the numbers that do not fit, in this order.
const zip64Extra = (numbers: ReadonlyArray<number>): Uint8Array =>
  numbers.length === 0 ? new Uint8Array(0) : record(4 + 8 * numbers.length, (view) => {
    view.setUint16(0, 1, true)
    view.setUint16(2, 8 * numbers.length, true)
    numbers.forEach((number, index) => view.setBigUint64(4 + 8 * index, BigInt(number), true))
  })

/** The local header of a member, with its name and extra field. */
export const printLocalHeader = (member: ZipMember): Uint8Array => {
  const name = encoder.encode(member.name)
  const large = member.size >= limit32
  // In a local header both sizes stand in the extra field or neither does (APPNOTE 4.5.3).
  const extra = zip64Extra(large ? [member.size, member.size] : [])
  const header = record(localHeaderBytes, (view) => {
    view.setUint32(0, 0x04034b50, true)
    view.setUint16(4, versionNeeded(large), true)
    view.setUint16(10, dosTime, true)
    view.setUint16(12, dosDate, true)
    view.setUint32(14, member.crc, true)
    view.setUint32(18, large ? limit32 : member.size, true)
    view.setUint32(22, large ? limit32 : member.size, true)
    view.setUint16(26, name.length, true)
    view.setUint16(28, extra.length, true)
  })
  return Bytes.concat(header, name, extra)
}

/** Bytes that a member takes, header included. */
export const memberBytes = (member: ZipMember): number => printLocalHeader(member).length + member.size

/** The central directory's entry of a member, with its name and extra field. */
export const printCentralEntry = (member: ZipMember): Uint8Array => {
  const name = encoder.encode(member.name)
  const [large, far] = [member.size >= limit32, member.offset >= limit32]
  const extra = zip64Extra([...large ? [member.size, member.size] : [], ...far ? [member.offset] : []])
  const entry = record(centralEntryBytes, (view) => {
    view.setUint32(0, 0x02014b50, true)
    // Made on no particular system: no permissions, no links.
    view.setUint16(4, versionNeeded(large || far), true)
    view.setUint16(6, versionNeeded(large || far), true)
    view.setUint16(12, dosTime, true)
    view.setUint16(14, dosDate, true)
    view.setUint32(16, member.crc, true)
    view.setUint32(20, large ? limit32 : member.size, true)
    view.setUint32(24, large ? limit32 : member.size, true)
    view.setUint16(28, name.length, true)
    view.setUint16(30, extra.length, true)
    view.setUint32(42, far ? limit32 : member.offset, true)
  })
  return Bytes.concat(entry, name, extra)
}

/** Where the central directory is. */
export interface CentralDirectory {
  readonly members: number
  readonly offset: number
  readonly size: number
}

/** What follows the central directory. */
export const printEnd = ({ members, offset, size }: CentralDirectory): Uint8Array => {
  const zip64 = members >= limit16 || offset >= limit32 || size >= limit32
  const end = record(endBytes, (view) => {
    view.setUint32(0, 0x06054b50, true)
    view.setUint16(8, Math.min(members, limit16), true)
    view.setUint16(10, Math.min(members, limit16), true)
    view.setUint32(12, Math.min(size, limit32), true)
    view.setUint32(16, Math.min(offset, limit32), true)
  })
  if (!zip64) return end
  const large = record(zip64EndBytes, (view) => {
    view.setUint32(0, 0x06064b50, true)
    view.setBigUint64(4, 44n, true)
    view.setUint16(12, 45, true)
    view.setUint16(14, 45, true)
    view.setBigUint64(24, BigInt(members), true)
    view.setBigUint64(32, BigInt(members), true)
    view.setBigUint64(40, BigInt(size), true)
    view.setBigUint64(48, BigInt(offset), true)
    view.setUint32(56, 0x07064b50, true)
    view.setBigUint64(64, BigInt(offset + size), true)
    view.setUint32(72, 1, true)
  })
  return Bytes.concat(large, end)
}
