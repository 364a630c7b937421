/**
 * SHA-256, synchronous: WebCrypto's promise per call is too slow for Merkle nodes (spec §8, Traps).
 */
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js"

/** SHA-256 (32 bytes) of the parts one after the other. */
export const sha256 = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (parts.length === 1 && parts[0] !== undefined) return nobleSha256(parts[0])
  const hash = nobleSha256.create()
  for (const part of parts) hash.update(part)
  return hash.digest()
}
