/**
 * Judges rows before they are signed. Whoever holds the database's password can append rows; what comes out of it is
 * signed only if it is an entry of this ledger, in the format, that continues its chain: a signature cannot be taken
 * back, and one wrong entry under it spoils the archive for good.
 */
import { equal } from "@rainlogs/verify/Bytes"
import { chainHash, genesisPrev } from "@rainlogs/verify/Chain"
import { type Entry, parseEntry } from "@rainlogs/verify/Entry"
import * as Hex from "@rainlogs/verify/Hex"
import { MalformedError } from "@rainlogs/verify/Malformed"
import { leafHash } from "@rainlogs/verify/Merkle"
import { sha256 } from "@rainlogs/verify/node/NativeSha256"
import type { Origin } from "../domain/Customer.ts"
import type { LedgerRow } from "./LedgerStore.ts"

const parse = (bytes: Uint8Array): Entry | MalformedError => {
  try {
    return parseEntry(bytes)
  } catch (error) {
    if (error instanceof MalformedError) return error
    throw error
  }
}

/** What is wrong with a row's place or leaf hash, or null: whether it is the row that it says it is. */
export const placeProblem = (row: LedgerRow, index: number): string | null => {
  if (row.leafIndex !== index) return `SQL gave row ${row.leafIndex} where ${index} was expected`
  return equal(leafHash(row.entry, sha256), row.leafHash)
    ? null
    : `the leaf hash of entry ${index} in SQL is not that of its text`
}

/** Takes the rows of one ledger in order, from any leaf on. */
export class RowCheck {
  readonly #origin: Origin
  readonly #first: number
  readonly #chains = new Map<string, { readonly seq: number; readonly hash: string }>()
  #next: number
  #time = 0

  /** @param first the leaf index of the first row that is taken. */
  constructor(origin: Origin, first: number) {
    this.#origin = origin
    this.#first = first
    this.#next = first
  }

  /** What is wrong with the next row, or null. */
  problem(row: LedgerRow): string | null {
    const index = this.#next
    this.#next += 1
    const misplaced = placeProblem(row, index)
    if (misplaced !== null) return misplaced
    const entry = parse(row.entry)
    if (entry instanceof MalformedError) return `entry ${index} in SQL is not in the format: ${entry.message}`
    if (entry.origin !== this.#origin) return `entry ${index} in SQL is not an entry of this ledger`
    if (!this.#continuesChain(entry)) return `entry ${index} in SQL does not continue its chain`
    if (entry.time < this.#time) return `the time of entry ${index} in SQL is before that of the entry before`
    this.#chains.set(entry.chain, { seq: entry.seq, hash: entry.hash })
    this.#time = entry.time
    return null
  }

  // What stands before the first row is not known, except that nothing stands before leaf 0.
  #continuesChain({ chain, hash, job, object, prev, seq }: Entry): boolean {
    const before = this.#chains.get(chain)
    if (before !== undefined && (seq !== before.seq + 1 || prev !== before.hash)) return false
    if (before === undefined && this.#first === 0 && seq !== 0) return false
    if (seq === 0 && prev !== Hex.encode(genesisPrev(this.#origin, chain))) return false
    return Hex.encode(chainHash(Hex.decode(prev, 32), Hex.decode(object, 32), job, sha256)) === hash
  }
}
