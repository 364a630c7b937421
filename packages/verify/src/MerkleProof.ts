/**
 * RFC 6962 / RFC 9162 §2.1 inclusion and consistency proofs: making them from stored subtree hashes, checking them in
 * bounded time.
 */
import { equal } from "./Bytes.ts"
import { emptyRoot, nodeHash } from "./MerkleHash.ts"

/** Gives the hash of the complete subtree `[index · 2^level, (index + 1) · 2^level)`. */
export type ReadNode = (level: number, index: number) => Promise<Uint8Array> | Uint8Array

const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0
const allHashes = (hashes: ReadonlyArray<Uint8Array>): boolean => hashes.every((hash) => hash.length === 32)
const half = (value: number): number => Math.floor(value / 2)
const isOdd = (value: number): boolean => value % 2 === 1

// The largest power of two below `size` (size ≥ 2).
const splitPoint = (size: number): number => {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}

/**
 * Whether the leaf is at `index` of the tree of `size` leaves with this root (RFC 9162 §2.1.3.2). False for any number
 * that is not a safe integer, any hash that has not 32 bytes, and any proof too short or too long.
 */
export const verifyInclusion = (claim: {
  readonly index: number
  readonly size: number
  readonly leafHash: Uint8Array
  readonly root: Uint8Array
  readonly proof: ReadonlyArray<Uint8Array>
}): boolean => {
  const { index, size, leafHash, root, proof } = claim
  if (!isSize(index) || !isSize(size) || index >= size || !allHashes([leafHash, root, ...proof])) return false
  let node = index
  let last = size - 1
  let hash = leafHash
  for (const sibling of proof) {
    if (last === 0) return false
    if (isOdd(node) || node === last) {
      hash = nodeHash(sibling, hash)
      while (!isOdd(node) && node !== 0) {
        node = half(node)
        last = half(last)
      }
    } else {
      hash = nodeHash(hash, sibling)
    }
    node = half(node)
    last = half(last)
  }
  return last === 0 && equal(hash, root)
}

/**
 * Whether the tree (`size2`, `root2`) only appends to the tree (`size1`, `root1`) (RFC 9162 §2.1.4.2). A `size1` of 0
 * proves nothing and is false, as is every malformed number, hash or proof length.
 */
export const verifyConsistency = (claim: {
  readonly size1: number
  readonly size2: number
  readonly root1: Uint8Array
  readonly root2: Uint8Array
  readonly proof: ReadonlyArray<Uint8Array>
}): boolean => {
  const { size1, size2, root1, root2, proof } = claim
  if (!isSize(size1) || !isSize(size2) || size1 === 0 || size1 > size2) return false
  if (!allHashes([root1, root2, ...proof])) return false
  if (size1 === size2) return proof.length === 0 && equal(root1, root2)
  let node = size1 - 1
  let last = size2 - 1
  while (isOdd(node)) {
    node = half(node)
    last = half(last)
  }
  // When size1 is a power of two its root is itself the first hash and is left out of the proof.
  const hashes = node === 0 ? [root1, ...proof] : proof
  const [seed, ...rest] = hashes
  if (seed === undefined) return false
  let hash1 = seed
  let hash2 = seed
  for (const hash of rest) {
    if (last === 0) return false
    if (isOdd(node) || node === last) {
      hash1 = nodeHash(hash, hash1)
      hash2 = nodeHash(hash, hash2)
      while (!isOdd(node) && node !== 0) {
        node = half(node)
        last = half(last)
      }
    } else {
      hash2 = nodeHash(hash2, hash)
    }
    node = half(node)
    last = half(last)
  }
  return last === 0 && equal(hash1, root1) && equal(hash2, root2)
}

/**
 * The root of the leaves `[begin, end)`. `begin` must be a multiple of the smallest power of two ≥ `end − begin`, as it
 * is for every node of the tree.
 */
export const rangeRoot = async (read: ReadNode, begin: number, end: number): Promise<Uint8Array> => {
  const length = end - begin
  if (length === 0) return emptyRoot
  const level = Math.log2(length)
  if (Number.isInteger(level) && 2 ** level === length) return read(level, begin / length)
  const middle = begin + splitPoint(length)
  return nodeHash(await rangeRoot(read, begin, middle), await rangeRoot(read, middle, end))
}

/** The root of the first `size` leaves. */
export const subtreeRoot = async (read: ReadNode, size: number): Promise<Uint8Array> => {
  if (!isSize(size)) throw new RangeError(`${size} is not a tree size`)
  return rangeRoot(read, 0, size)
}

/** PATH(index, D[0:size]) of RFC 6962 §2.1.1; throws a RangeError unless `0 ≤ index < size`. */
export const inclusionProof = async (read: ReadNode, index: number, size: number): Promise<Array<Uint8Array>> => {
  if (!isSize(index) || !isSize(size) || index >= size) throw new RangeError(`no leaf ${index} in ${size} leaves`)
  const proof: Array<Uint8Array> = []
  let [begin, end] = [0, size]
  while (end - begin > 1) {
    const middle = begin + splitPoint(end - begin)
    if (index < middle) {
      proof.push(await rangeRoot(read, middle, end))
      end = middle
    } else {
      proof.push(await rangeRoot(read, begin, middle))
      begin = middle
    }
  }
  return proof.toReversed()
}

/** PROOF(size1, D[0:size2]) of RFC 6962 §2.1.2; throws a RangeError unless `1 ≤ size1 ≤ size2`. */
export const consistencyProof = async (read: ReadNode, size1: number, size2: number): Promise<Array<Uint8Array>> => {
  if (!isSize(size1) || !isSize(size2) || size1 === 0 || size1 > size2) {
    throw new RangeError(`no consistency proof from ${size1} to ${size2} leaves`)
  }
  const proof: Array<Uint8Array> = []
  let [begin, end] = [0, size2]
  while (size1 !== end) {
    const middle = begin + splitPoint(end - begin)
    if (size1 <= middle) {
      proof.push(await rangeRoot(read, middle, end))
      end = middle
    } else {
      proof.push(await rangeRoot(read, begin, middle))
      begin = middle
    }
  }
  // The old tree's own last subtree is known to the asker when it is the whole old tree.
  if (begin !== 0) proof.push(await rangeRoot(read, begin, end))
  return proof.toReversed()
}
