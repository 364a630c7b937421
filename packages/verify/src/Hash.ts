/**
 * SHA-256, synchronous: WebCrypto's promise per call is too slow for Merkle nodes (ledger format §8, Traps).
 */
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js"

/** Answers the SHA-256 (32 bytes, a new array) of the parts one after the other. */
export type Sha256 = (...parts: ReadonlyArray<Uint8Array>) => Uint8Array

/** SHA-256 in JavaScript, for every platform; `node/NativeSha256.ts` is the faster one where there is a server. */
export const sha256: Sha256 = (...parts) => {
  if (parts.length === 1 && parts[0] !== undefined) return nobleSha256(parts[0])
  const hash = nobleSha256.create()
  for (const part of parts) hash.update(part)
  return hash.digest()
}
