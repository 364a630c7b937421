/**
 * Standard base64 (RFC 4648 §4) with padding, canonical only: the form of hashes and keys in C2SP notes.
 */
import { MalformedError } from "./Malformed.ts"

/** Prints bytes as padded standard base64. */
export const encode = (bytes: Uint8Array): string => {
  let binary = ""
  for (let start = 0; start < bytes.length; start += 8192) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 8192))
  }
  return btoa(binary)
}

/**
 * Reads padded standard base64; throws {@link MalformedError} for anything that would not print the same again
 * (white space, missing padding, stray bits in the last digit).
 */
export const decode = (text: string): Uint8Array => {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) {
    throw new MalformedError("base64", "expected padded standard base64")
  }
  const binary = atob(text)
  if (btoa(binary) !== text) throw new MalformedError("base64", "not the canonical encoding")
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}
