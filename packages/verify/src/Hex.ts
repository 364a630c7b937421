/**
 * Lower-case hexadecimal, the form of every hash inside entries and documents (spec §1).
 */
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js"
import { MalformedError } from "./Malformed.ts"

const lowerHex = /^(?:[0-9a-f]{2})*$/
const hash = /^[0-9a-f]{64}$/

/** Prints bytes as lower-case hex. */
export const encode = (bytes: Uint8Array): string => bytesToHex(bytes)

/** Reads lower-case hex of exactly `byteLength` bytes (any length when left out); throws {@link MalformedError}. */
export const decode = (text: string, byteLength?: number): Uint8Array => {
  if (!lowerHex.test(text)) throw new MalformedError("hex", "expected pairs of lower-case hex digits")
  if (byteLength !== undefined && text.length !== byteLength * 2) {
    throw new MalformedError("hex", `expected ${byteLength} bytes, got ${text.length / 2}`)
  }
  return hexToBytes(text)
}

/** Whether the text is a SHA-256 in lower-case hex (64 digits). */
export const isHash = (text: string): boolean => hash.test(text)
