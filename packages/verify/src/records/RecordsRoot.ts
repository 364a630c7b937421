/**
 * The `records-root` of an object (ledger format §9): the RFC 6962 root over one commitment per line, so that one line
 * can be shown to somebody without showing any other.
 */
import { type Sha256, sha256 as javaScriptSha256 } from "../Hash.ts"
import { CompactRange, leafHash, type OnNode } from "../Merkle.ts"
import { SaltSequence } from "./Salts.ts"

const prefix = Uint8Array.of(0x12)

/** The commitment of a line, which is given without its LF: `SHA256(0x12 ∥ salt ∥ line)`. */
export const commitment = (salt: Uint8Array, line: Uint8Array, hash: Sha256 = javaScriptSha256): Uint8Array =>
  hash(prefix, salt, line)

/** Computes the root while the lines go by. */
export class RecordsRoot {
  readonly #hash: Sha256
  readonly #salts: SaltSequence
  readonly #tree: CompactRange

  /** `seed` is the root seed of the salts: 32 random bytes, kept with the object's key. */
  constructor(seed: Uint8Array, hash: Sha256 = javaScriptSha256) {
    this.#hash = hash
    this.#salts = new SaltSequence(seed, hash)
    this.#tree = CompactRange.empty(hash)
  }

  /** Lines so far. */
  get lines(): number {
    return this.#tree.size
  }

  /** Adds the next line, without its LF. */
  add(line: Uint8Array, onNode?: OnNode): void {
    this.#tree.append(leafHash(commitment(this.#salts.next(), line, this.#hash), this.#hash), onNode)
  }

  /** Adds every line of a block in which each ends in LF. */
  addLines(block: Uint8Array): void {
    for (let from = 0; from < block.length;) {
      const end = block.indexOf(0x0a, from)
      const to = end < 0 ? block.length : end
      this.add(block.subarray(from, to))
      from = to + 1
    }
  }

  /** The root over the lines so far. */
  root(): Uint8Array {
    return this.#tree.root()
  }
}
