/**
 * The members of a bundle that is being made, held compactly: names as bytes, sizes, checksums and places as numbers. A
 * member takes some 150 bytes, so that a range with a hundred thousand objects fits where their proofs would not.
 */
import * as Hex from "../Hex.ts"

/** What the first pass knows of a member. */
export interface MemberFacts {
  readonly size: number
  readonly crc: number
  /** SHA-256, 64 hexadecimal digits. */
  readonly hash: string
}

/** Where the second pass finds a member's bytes: a ledger file or a text, an object, or the proof of a leaf. */
export type MemberSource =
  | { readonly kind: "file"; readonly bytes: () => AsyncIterable<Uint8Array> }
  | { readonly kind: "object" }
  | { readonly kind: "proof"; readonly leaf: number }

/** A member as it is read back. */
export interface TableMember extends MemberFacts {
  readonly name: string
  readonly source: MemberSource
}

const objectMark = -1
const fileMark = -2
const hashBytes = 32
const encoder = new TextEncoder()
const decoder = new TextDecoder("latin1")

const grown = <A extends Float64Array | Uint32Array | Uint8Array>(
  array: A,
  needed: number,
  make: (length: number) => A
): A => {
  if (needed <= array.length) return array
  const larger = make(Math.max(needed, array.length * 2))
  larger.set(array)
  return larger
}

/** A growing table of members; names are ASCII. */
export class MemberTable {
  #count = 0
  #names = new Uint8Array(4096)
  #nameEnds = new Float64Array(64)
  #sizes = new Float64Array(64)
  #crcs = new Uint32Array(64)
  #hashes = new Uint8Array(64 * hashBytes)
  /** A leaf's number, or a mark. */
  #places = new Float64Array(64)
  /** The members by name, once they were asked for; null while members are added. */
  #order: Uint32Array | null = null
  readonly #files = new Map<number, () => AsyncIterable<Uint8Array>>()

  /** How many members there are. */
  get count(): number {
    return this.#count
  }

  /** Adds a member. */
  add(name: string, facts: MemberFacts, source: MemberSource): void {
    const index = this.#count++
    this.#order = null
    const text = encoder.encode(name)
    const start = this.#startOf(index)
    this.#names = grown(this.#names, start + text.length, (length) => new Uint8Array(length))
    this.#names.set(text, start)
    this.#nameEnds = grown(this.#nameEnds, this.#count, (length) => new Float64Array(length))
    this.#nameEnds[index] = start + text.length
    this.#sizes = grown(this.#sizes, this.#count, (length) => new Float64Array(length))
    this.#sizes[index] = facts.size
    this.#crcs = grown(this.#crcs, this.#count, (length) => new Uint32Array(length))
    this.#crcs[index] = facts.crc
    this.#hashes = grown(this.#hashes, this.#count * hashBytes, (length) => new Uint8Array(length))
    this.#hashes.set(Hex.decode(facts.hash, hashBytes), index * hashBytes)
    this.#places = grown(this.#places, this.#count, (length) => new Float64Array(length))
    this.#places[index] = source.kind === "proof" ? source.leaf : source.kind === "object" ? objectMark : fileMark
    if (source.kind === "file") this.#files.set(index, source.bytes)
  }

  /** The members sorted by name, byte by byte. */
  *sorted(): Generator<TableMember> {
    this.#order ??= Uint32Array.from({ length: this.#count }, (_, index) => index)
      .sort((left, right) => this.#compare(left, right))
    for (const index of this.#order) yield this.#member(index)
  }

  #startOf(index: number): number {
    return index === 0 ? 0 : this.#nameEnds[index - 1] ?? 0
  }

  #compare(left: number, right: number): number {
    const names = this.#names
    const [from, to] = [this.#startOf(left), this.#nameEnds[left] ?? 0]
    const [otherFrom, otherTo] = [this.#startOf(right), this.#nameEnds[right] ?? 0]
    const shared = Math.min(to - from, otherTo - otherFrom)
    for (let at = 0; at < shared; at++) {
      const difference = (names[from + at] ?? 0) - (names[otherFrom + at] ?? 0)
      if (difference !== 0) return difference
    }
    return (to - from) - (otherTo - otherFrom)
  }

  #member(index: number): TableMember {
    const place = this.#places[index] ?? fileMark
    const bytes = this.#files.get(index)
    return {
      name: decoder.decode(this.#names.subarray(this.#startOf(index), this.#nameEnds[index])),
      size: this.#sizes[index] ?? 0,
      crc: this.#crcs[index] ?? 0,
      hash: Hex.encode(this.#hashes.subarray(index * hashBytes, (index + 1) * hashBytes)),
      source: bytes !== undefined
        ? { kind: "file", bytes }
        : place === objectMark
        ? { kind: "object" }
        : { kind: "proof", leaf: place }
    }
  }
}
