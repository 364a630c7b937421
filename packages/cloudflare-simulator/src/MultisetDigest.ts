/**
 * An order-independent digest of a multiset of lines: the sum of the lines' SHA-256 values modulo 2^256, with their number and bytes.
 * A lost, doubled or changed line changes it; the order does not. It finds accidents; it is no defence against chosen lines.
 */
import { createHash } from "node:crypto"

/** A finished digest. */
export interface MultisetDigest {
  /** Sum of the SHA-256 of each line (without its newline) modulo 2^256: 64 lower-case hexadecimal digits. */
  readonly digest: string
  /** Number of lines. */
  readonly count: number
  /** Bytes of all lines, newlines not counted. */
  readonly bytes: number
}

const WORDS = 8
// A sum of 2^20 32-bit words stays exact below 2^53.
const FOLD_AFTER = 1 << 20

/** Adds lines up; `merge` joins digests of parts, so windows can be summed in any order. */
export class MultisetDigester {
  readonly #sums = new Float64Array(WORDS)
  #total = 0n
  #unfolded = 0
  #count = 0
  #bytes = 0

  /** Adds one line, given without its newline. */
  add(line: Uint8Array): this {
    const hash = createHash("sha256").update(line).digest()
    for (let word = 0; word < WORDS; word++) this.#sums[word] = (this.#sums[word] ?? 0) + hash.readUInt32BE(word * 4)
    this.#count++
    this.#bytes += line.length
    if (++this.#unfolded >= FOLD_AFTER) this.#fold()
    return this
  }

  /** Adds every line of an NDJSON chunk that ends at a line end; an empty line counts as a line. */
  addLines(chunk: Uint8Array): this {
    let from = 0
    while (from < chunk.length) {
      const newline = chunk.indexOf(10, from)
      const to = newline === -1 ? chunk.length : newline
      this.add(chunk.subarray(from, to))
      from = to + 1
    }
    return this
  }

  /** Adds the lines of another digest. */
  merge(other: MultisetDigest): this {
    this.#total = BigInt.asUintN(256, this.#total + BigInt(`0x${other.digest}`))
    this.#count += other.count
    this.#bytes += other.bytes
    return this
  }

  /** The digest of everything added so far. */
  finish(): MultisetDigest {
    this.#fold()
    return { digest: this.#total.toString(16).padStart(64, "0"), count: this.#count, bytes: this.#bytes }
  }

  #fold(): void {
    let sum = 0n
    for (const word of this.#sums) sum = (sum << 32n) + BigInt(word)
    this.#total = BigInt.asUintN(256, this.#total + sum)
    this.#sums.fill(0)
    this.#unfolded = 0
  }
}

/** The digest of a list of lines, given without newlines. */
export const multisetDigest = (lines: Iterable<Uint8Array>): MultisetDigest => {
  const digester = new MultisetDigester()
  for (const line of lines) digester.add(line)
  return digester.finish()
}
