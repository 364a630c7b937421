/**
 * Strict ASCII text: bytes 0x20–0x7E and LF, the alphabet of entries and documents (ledger format §1).
 */
import { MalformedError } from "./Malformed.ts"

const latin1 = new TextDecoder("latin1")
const utf8 = new TextEncoder()
const printable = /^[\x20-\x7e]*$/
const text = /^[\x20-\x7e\n]*$/

/** The bytes of an ASCII text; throws {@link MalformedError} on any other character. */
export const encode = (value: string, format = "ASCII text"): Uint8Array => {
  if (!text.test(value)) throw new MalformedError(format, "a character outside 0x20-0x7E and LF")
  return utf8.encode(value)
}

/** The text of the bytes; throws {@link MalformedError} naming the line of the first byte outside 0x20–0x7E and LF. */
export const decode = (bytes: Uint8Array, format = "ASCII text"): string => {
  const value = latin1.decode(bytes)
  if (!text.test(value)) {
    const at = bytes.findIndex((byte) => byte !== 0x0a && (byte < 0x20 || byte > 0x7e))
    const line = value.slice(0, at).split("\n").length
    throw new MalformedError(format, `byte 0x${bytes[at]?.toString(16).padStart(2, "0")} is outside 0x20-0x7E`, line)
  }
  return value
}

/** Whether every character is in 0x20–0x7E (no line end). */
export const isPrintable = (value: string): boolean => printable.test(value)
