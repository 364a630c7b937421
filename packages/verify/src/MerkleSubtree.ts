/**
 * Proofs about subtrees `[start, end)` of an RFC 6962 tree (IETF draft-ietf-plants-merkle-tree-certs §4): one subtree
 * stands for a stretch of a log, and is shown to belong to the whole.
 */
import { equal } from "./Bytes.ts"
import { emptyRoot, nodeHash } from "./MerkleHash.ts"
import { verifyInclusion } from "./MerkleProof.ts"

const half = (value: number): number => Math.floor(value / 2)
const isOdd = (value: number): boolean => value % 2 === 1

/** Whether `[start, end)` is a subtree: `start` is a multiple of the smallest power of two ≥ `end − start`. */
export const isSubtree = (start: number, end: number): boolean => {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start >= end) return false
  let span = 1
  while (span < end - start) span *= 2
  return start % span === 0
}

/** Whether the leaf at `index` is in the subtree `[start, end)` with this root. False for any malformed number or hash. */
export const verifySubtreeInclusion = (claim: {
  readonly index: number
  readonly start: number
  readonly end: number
  readonly leafHash: Uint8Array
  readonly root: Uint8Array
  readonly proof: ReadonlyArray<Uint8Array>
}): boolean => {
  const { end, index, leafHash, proof, root, start } = claim
  return isSubtree(start, end) && Number.isSafeInteger(index) && index >= start && index < end &&
    verifyInclusion({ index: index - start, size: end - start, leafHash, root, proof })
}

/** Whether the subtree `[start, end)` with this hash is a part of the tree of `size` leaves with this root. */
export const verifySubtreeConsistency = (claim: {
  readonly start: number
  readonly end: number
  readonly size: number
  readonly subtree: Uint8Array
  readonly root: Uint8Array
  readonly proof: ReadonlyArray<Uint8Array>
}): boolean => {
  const { end, proof, root, size, start, subtree } = claim
  // The empty subtree is a part of every tree.
  if (start === end && Number.isSafeInteger(start) && start >= 0 && start <= size) {
    return proof.length === 0 && equal(subtree, emptyRoot)
  }
  if (!isSubtree(start, end) || !Number.isSafeInteger(size) || end > size) return false
  if ([subtree, root, ...proof].some((hash) => hash.length !== 32)) return false
  let [first, last, top] = [start, end - 1, size - 1]
  const shift = (): void => {
    first = half(first)
    last = half(last)
    top = half(top)
  }
  if (last === top) { while (first !== last) shift() }
  else while (first !== last && isOdd(last)) shift()
  const hashes = first === last ? [subtree, ...proof] : proof
  const [seed, ...rest] = hashes
  if (seed === undefined) return false
  let [inner, outer] = [seed, seed]
  for (const hash of rest) {
    if (top === 0) return false
    if (isOdd(last) || last === top) {
      if (first < last) inner = nodeHash(hash, inner)
      outer = nodeHash(hash, outer)
      while (!isOdd(last) && last !== 0) shift()
    } else {
      outer = nodeHash(outer, hash)
    }
    shift()
  }
  return top === 0 && equal(inner, subtree) && equal(outer, root)
}
