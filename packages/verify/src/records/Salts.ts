/**
 * The salts of an object's lines (ledger format §9): leaves of a GGM tree of 32 levels, left `SHA256(0x10 ∥ s)`, right
 * `SHA256(0x11 ∥ s)`. A revealed node gives the salts below it and says nothing about any other.
 */
import { type Sha256, sha256 as javaScriptSha256 } from "../Hash.ts"

/** Levels of the tree: an object holds at most 2^32 lines. */
export const saltLevels = 32

const left = Uint8Array.of(0x10)
const right = Uint8Array.of(0x11)

/** A node: the seed of all salts of lines `[index · 2^(32 − depth), (index + 1) · 2^(32 − depth))`. */
export interface SaltNode {
  readonly depth: number
  readonly index: number
  readonly seed: Uint8Array
}

const child = (seed: Uint8Array, bit: number, hash: Sha256): Uint8Array => hash(bit === 0 ? left : right, seed)

/** The seed below a node, at the deeper place. */
export const descend = (
  node: SaltNode,
  depth: number,
  index: number,
  hash: Sha256 = javaScriptSha256
): Uint8Array => {
  let { seed } = node
  for (let level = node.depth; level < depth; level++) {
    seed = child(seed, Math.floor(index / 2 ** (depth - level - 1)) % 2, hash)
  }
  return seed
}

/** The salt of line `index`, from the root seed (32 bytes). */
export const saltOf = (root: Uint8Array, index: number, hash: Sha256 = javaScriptSha256): Uint8Array =>
  descend({ depth: 0, index: 0, seed: root }, saltLevels, index, hash)

/** Gives the salts of lines 0, 1, 2… in order, at two hashes a line on average and 32 seeds of memory. */
export class SaltSequence {
  readonly #hash: Sha256
  /** Seeds from the root to the last leaf. */
  readonly #path: Array<Uint8Array>
  #next = 0

  constructor(root: Uint8Array, hash: Sha256 = javaScriptSha256) {
    this.#hash = hash
    this.#path = [root]
  }

  /** The salt of the next line. */
  next(): Uint8Array {
    const index = this.#next
    this.#next += 1
    // What the path to this leaf shares with the one before it.
    let shared = 0
    if (index > 0) {
      const differing = (index ^ (index - 1)) >>> 0
      shared = Math.clz32(differing)
    }
    this.#path.length = shared + 1
    for (let level = shared; level < saltLevels; level++) {
      const seed = this.#path[level]
      if (seed === undefined) throw new RangeError("the path is shorter than its depth")
      this.#path.push(child(seed, (index >>> (saltLevels - level - 1)) & 1, this.#hash))
    }
    const salt = this.#path[saltLevels]
    if (salt === undefined) throw new RangeError("the path does not reach a leaf")
    return salt
  }
}
