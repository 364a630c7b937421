/**
 * IP addresses as text (RFC 4291 §2.2, RFC 5952 §4 for printing), as bytes, and cut to a prefix.
 */
import { isIPv4, isIPv6 } from "node:net"

const v4Bytes = (text: string): ReadonlyArray<number> => text.split(".").map(Number)

const groupsOf = (text: string): ReadonlyArray<number> =>
  text === "" ? [] : text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)]
    const [a, b, c, d] = v4Bytes(group)
    return [a! * 256 + b!, c! * 256 + d!]
  })

/** The 4 or 16 bytes of an address, or undefined if the text is none. A zone (`%eth0`) is no part of an address. */
export const parseAddress = (text: string): Uint8Array | undefined => {
  if (isIPv4(text)) return Uint8Array.from(v4Bytes(text))
  if (!isIPv6(text) || text.includes("%")) return undefined
  const [left = "", right] = text.split("::")
  const head = groupsOf(left)
  const tail = right === undefined ? [] : groupsOf(right)
  const groups = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail]
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]))
}

/** Whether 16 bytes are an IPv4 address inside IPv6, `::ffff:192.0.2.1`. */
const isMapped = (bytes: Uint8Array): boolean =>
  bytes.length === 16 && bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0)

const printGroups = (bytes: Uint8Array): string => {
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16))
  let start = 0
  let length = 1
  for (let i = 0; i < 8; i++) {
    let run = 0
    while (groups[i + run] === "0") run++
    if (run > length) [start, length] = [i, run]
  }
  if (length < 2) return groups.join(":")
  return `${groups.slice(0, start).join(":")}::${groups.slice(start + length).join(":")}`
}

/** The shortest text of an address of 4 or 16 bytes; IPv4 inside IPv6 keeps its dots. */
export const printAddress = (bytes: Uint8Array): string =>
  bytes.length === 4
    ? bytes.join(".")
    : isMapped(bytes)
    ? `::ffff:${bytes.subarray(12).join(".")}`
    : printGroups(bytes)

/** Clears all bits after the first `bits`. */
const cut = (bytes: Uint8Array, bits: number): Uint8Array =>
  bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i))) & 0xff)

/**
 * The address with only its first `ipv4` or `ipv6` bits, as text; IPv4 inside IPv6 counts as IPv4. Undefined if the
 * text is no address.
 */
export const truncateAddress = (text: string, ipv4: number, ipv6: number): string | undefined => {
  const bytes = parseAddress(text)
  if (bytes === undefined) return undefined
  return printAddress(cut(bytes, bytes.length === 4 ? ipv4 : isMapped(bytes) ? 96 + ipv4 : ipv6))
}

const plain = (bytes: Uint8Array): Uint8Array => isMapped(bytes) ? bytes.subarray(12) : bytes

/** Reads `address/bits`; the result tells whether an address (as text) is in the block. Undefined if it is no block. */
export const parseBlock = (text: string): ((address: string) => boolean) | undefined => {
  const match = /^([0-9a-fA-F:.]+)\/(0|[1-9][0-9]{0,2})$/.exec(text)
  const base = match === null ? undefined : parseAddress(match[1]!)
  if (match === null || base === undefined || Number(match[2]) > base.length * 8) return undefined
  const bits = Number(match[2])
  const block = cut(base, bits)
  return (address) => {
    const bytes = parseAddress(address)
    if (bytes === undefined) return false
    const candidate = base.length === 4 ? plain(bytes) : bytes
    return candidate.length === block.length && cut(candidate, bits).every((byte, i) => byte === block[i])
  }
}
