/**
 * RFC 6962 §2.1 hashing: leaves and nodes are told apart by their first byte.
 */
import { type Sha256, sha256 } from "./Hash.ts"

const leafPrefix = Uint8Array.of(0x00)
// One preimage buffer for all nodes: hashing is synchronous and keeps no reference to it.
const nodePreimage = new Uint8Array(65).fill(0x01, 0, 1)

/** `SHA256(0x00 ∥ data)`. */
export const leafHash = (data: Uint8Array, hash: Sha256 = sha256): Uint8Array => hash(leafPrefix, data)

/** `SHA256(0x01 ∥ left ∥ right)`; throws a RangeError unless both have 32 bytes. */
export const nodeHash = (left: Uint8Array, right: Uint8Array, hash: Sha256 = sha256): Uint8Array => {
  if (left.length !== 32 || right.length !== 32) throw new RangeError("a Merkle hash has 32 bytes")
  nodePreimage.set(left, 1)
  nodePreimage.set(right, 33)
  return hash(nodePreimage)
}

/** The root of the empty tree, `SHA256("")`. */
export const emptyRoot: Uint8Array = sha256(new Uint8Array(0))
