/**
 * Ed25519 with one strict rule for every platform (ledger format §8, Traps): the public key and R must be canonical
 * encodings of torsion-free points other than the identity, S below the group order. Libraries disagree about the rest.
 */
import { getPublicKey, hashes, Point, sign as nobleSign, verify as nobleVerify } from "@noble/ed25519"
import { sha512 } from "@noble/hashes/sha2.js"

hashes.sha512 = sha512

/** Judges a 64-byte signature of a message by a 32-byte public key; see {@link verify} for the rule. */
export type Verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean

// zip215 = false makes the library reject a non-canonical encoding.
const isStrictPoint = (bytes: Uint8Array): boolean => {
  try {
    const point = Point.fromBytes(bytes, false)
    return !point.isSmallOrder() && point.isTorsionFree()
  } catch {
    return false
  }
}

// The few keys of one verification are judged once; the bound only keeps a hostile input from growing it.
const judgedKeys = new Map<string, boolean>()

/** Whether the 32-byte public key is a canonical, torsion-free point other than the identity. */
export const isValidPublicKey = (publicKey: Uint8Array): boolean => {
  if (publicKey.length !== 32) return false
  const name = publicKey.join()
  const judged = judgedKeys.get(name)
  if (judged !== undefined) return judged
  const valid = isStrictPoint(publicKey)
  if (judgedKeys.size >= 1000) judgedKeys.clear()
  judgedKeys.set(name, valid)
  return valid
}

/** Whether the 64-byte signature over the message is valid under the strict rule; never throws. */
export const verify: Verify = (publicKey, message, signature) =>
  signature.length === 64 &&
  isValidPublicKey(publicKey) &&
  isStrictPoint(signature.subarray(0, 32)) &&
  nobleVerify(signature, message, publicKey, { zip215: false })

/** The 64-byte signature of the message by a 32-byte RFC 8032 seed. */
export const sign = (seed: Uint8Array, message: Uint8Array): Uint8Array => nobleSign(message, seed)

/** The 32-byte public key of a 32-byte RFC 8032 seed. */
export const publicKey = (seed: Uint8Array): Uint8Array => getPublicKey(seed)
