/**
 * Lower-case hexadecimal, the form of every hash inside entries and documents (ledger format §1).
 */
import { bytesToHex } from "@noble/hashes/utils.js"
import { MalformedError } from "./Malformed.ts"

// What each ASCII character stands for, -1 for those that are no lower-case digit.
const nibbles = Int8Array.from({ length: 128 }, (_, code) => "0123456789abcdef".indexOf(String.fromCharCode(code)))
const hash = /^[0-9a-f]{64}$/

/** Prints bytes as lower-case hex. */
export const encode = (bytes: Uint8Array): string => bytesToHex(bytes)

/** Reads lower-case hex of exactly `byteLength` bytes (any length when left out); throws {@link MalformedError}. */
export const decode = (text: string, byteLength?: number): Uint8Array => {
  if (text.length % 2 !== 0) throw new MalformedError("hex", "expected pairs of lower-case hex digits")
  if (byteLength !== undefined && text.length !== byteLength * 2) {
    throw new MalformedError("hex", `expected ${byteLength} bytes, got ${text.length / 2}`)
  }
  const bytes = new Uint8Array(text.length / 2)
  for (let at = 0; at < bytes.length; at++) {
    const [high, low] = [nibbles[text.charCodeAt(2 * at)] ?? -1, nibbles[text.charCodeAt(2 * at + 1)] ?? -1]
    if (high < 0 || low < 0) throw new MalformedError("hex", "expected pairs of lower-case hex digits")
    bytes[at] = high * 16 + low
  }
  return bytes
}

/** Whether the text is a SHA-256 in lower-case hex (64 digits). */
export const isHash = (text: string): boolean => hash.test(text)
