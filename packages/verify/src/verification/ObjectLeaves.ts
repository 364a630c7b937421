/**
 * Remembers at which leaf every entry of every chain stands, eight bytes each, and reads entries back by chain and seq:
 * what a tombstone names is looked up without holding the entries in memory.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import { type ObjectEntry, parseEntry } from "../Entry.ts"
import { MalformedError } from "../Malformed.ts"
import { entriesPath, parseEntryBundle, tileWidth } from "../Tile.ts"
import type { LedgerFiles } from "./LedgerFiles.ts"

interface Leaves {
  count: number
  leaves: Float64Array
}

/** The leaves of the object entries of one ledger. */
export class ObjectLeaves {
  readonly #reader: ArchiveReader
  readonly #files: LedgerFiles
  readonly #chains = new Map<string, Leaves>()
  #bundle: { readonly index: number; readonly entries: ReadonlyArray<Uint8Array> } | null = null

  constructor(source: { readonly reader: ArchiveReader; readonly files: LedgerFiles }) {
    this.#reader = source.reader
    this.#files = source.files
  }

  /** Notes the leaf of an object entry. An entry out of order is not noted: its chain is broken anyway. */
  add(entry: ObjectEntry, leaf: number): void {
    const chain = this.#chains.get(entry.chain) ?? { count: 0, leaves: new Float64Array(64) }
    if (entry.seq !== chain.count) return
    if (chain.count === chain.leaves.length) {
      const larger = new Float64Array(chain.leaves.length * 2)
      larger.set(chain.leaves)
      chain.leaves = larger
    }
    chain.leaves[chain.count] = leaf
    chain.count += 1
    this.#chains.set(entry.chain, chain)
  }

  /** The leaf of an entry, or null when there is none. */
  leaf(chain: string, seq: number): number | null {
    const known = this.#chains.get(chain)
    return known === undefined || seq >= known.count ? null : known.leaves[seq] ?? null
  }

  /** Reads the entry back, or null when there is none. The replay has judged the bundles; this only looks up. */
  async entry(chain: string, seq: number): Promise<ObjectEntry | null> {
    const leaf = this.leaf(chain, seq)
    if (leaf === null) return null
    const index = Math.floor(leaf / tileWidth)
    if (this.#bundle?.index !== index) this.#bundle = await this.#readBundle(index)
    const bytes = this.#bundle?.entries[leaf % tileWidth]
    if (bytes === undefined) return null
    try {
      const entry = parseEntry(bytes)
      return entry.kind === "object" && entry.chain === chain && entry.seq === seq ? entry : null
    } catch (error) {
      if (error instanceof MalformedError) return null
      throw error
    }
  }

  async #readBundle(index: number): Promise<{ index: number; entries: ReadonlyArray<Uint8Array> } | null> {
    const width = Math.max(...this.#files.widths("entries", index).keys())
    const bytes = await this.#reader.read(`${this.#files.prefix}/${entriesPath(index, width)}`)
    if (bytes === null) return null
    try {
      return { index, entries: parseEntryBundle(bytes, width) }
    } catch (error) {
      if (error instanceof MalformedError) return null
      throw error
    }
  }
}
