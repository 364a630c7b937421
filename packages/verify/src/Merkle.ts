/**
 * The RFC 6962 Merkle tree: the right edge of a growing tree. Hashing (`MerkleHash.ts`) and proofs (`MerkleProof.ts`)
 * are re-exported, so that this is the one module to import.
 */
import { type Sha256, sha256 } from "./Hash.ts"
import { emptyRoot, nodeHash } from "./MerkleHash.ts"

export { emptyRoot, leafHash, nodeHash } from "./MerkleHash.ts"
export {
  consistencyProof,
  inclusionProof,
  rangeRoot,
  type ReadNode,
  subtreeRoot,
  verifyConsistency,
  verifyInclusion
} from "./MerkleProof.ts"

/** Called with each complete subtree `[index · 2^level, (index + 1) · 2^level)` as it becomes complete. */
export type OnNode = (level: number, index: number, hash: Uint8Array) => void

const checkSize = (size: number): void => {
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`${size} is not a tree size`)
}

/** How many complete subtrees a tree of this size is made of: the one bits of the size. */
export const rightEdgeLength = (size: number): number => {
  let ones = 0
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2
  return ones
}

/**
 * The roots of the complete subtrees a tree of `size` leaves is made of, left (largest) to right: all that is needed to
 * append further leaves and to compute the root.
 */
export class CompactRange {
  #size: number
  readonly #hashes: Array<Uint8Array>
  readonly #sha256: Sha256

  private constructor(size: number, hashes: Array<Uint8Array>, hash: Sha256) {
    this.#size = size
    this.#hashes = hashes
    this.#sha256 = hash
  }

  /** The tree without leaves. */
  static empty(hash: Sha256 = sha256): CompactRange {
    return new CompactRange(0, [], hash)
  }

  /** A tree of `size` leaves from its right-edge hashes, left to right; throws a RangeError when they do not fit. */
  static from(size: number, hashes: ReadonlyArray<Uint8Array>, hash: Sha256 = sha256): CompactRange {
    checkSize(size)
    if (hashes.length !== rightEdgeLength(size) || hashes.some((hash) => hash.length !== 32)) {
      throw new RangeError(`a tree of ${size} leaves has ${rightEdgeLength(size)} right-edge hashes of 32 bytes`)
    }
    return new CompactRange(size, [...hashes], hash)
  }

  /** Number of leaves. */
  get size(): number {
    return this.#size
  }

  /** The right-edge hashes, left to right. */
  get hashes(): ReadonlyArray<Uint8Array> {
    return [...this.#hashes]
  }

  /** Adds one leaf; `onNode` learns of every subtree the leaf completes, the leaf itself (level 0) first. */
  append(leaf: Uint8Array, onNode?: OnNode): void {
    checkSize(this.#size + 1)
    if (leaf.length !== 32) throw new RangeError("a leaf hash has 32 bytes")
    let index = this.#size
    let level = 0
    let hash = leaf
    onNode?.(level, index, hash)
    while (index % 2 === 1) {
      const left = this.#hashes.pop()
      if (left === undefined) throw new RangeError("the right edge is shorter than its size demands")
      hash = nodeHash(left, hash, this.#sha256)
      level += 1
      index = (index - 1) / 2
      onNode?.(level, index, hash)
    }
    this.#hashes.push(hash)
    this.#size += 1
  }

  /** The root of the tree (32 bytes). */
  root(): Uint8Array {
    return this.#hashes.length === 0
      ? emptyRoot
      : this.#hashes.reduceRight((right, left) => nodeHash(left, right, this.#sha256))
  }
}
