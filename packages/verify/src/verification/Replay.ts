/**
 * One pass over all entries under the signed head: leaves into the tree, links into the chains, objects and documents
 * to their rooms, and the root compared at every signed size.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import * as Base64 from "../Base64.ts"
import * as Bytes from "../Bytes.ts"
import { type Entry, type ObjectEntry, parseEntry } from "../Entry.ts"
import type { Sha256 } from "../Hash.ts"
import { MalformedError } from "../Malformed.ts"
import { CompactRange, leafHash } from "../Merkle.ts"
import type { Anchoring } from "./Anchoring.ts"
import type { ChainReplay } from "./ChainReplay.ts"
import type { SignedHead } from "./CheckpointNotes.ts"
import type { ControlChain } from "./ControlChain.ts"
import type { Coverage } from "./Coverage.ts"
import { type EntryRun, readEntries } from "./EntryBundles.ts"
import type { Findings } from "./Findings.ts"
import type { LedgerFiles } from "./LedgerFiles.ts"
import type { ObjectLeaves } from "./ObjectLeaves.ts"
import type { Objects } from "./Objects.ts"
import type { Parameters } from "./Parameters.ts"
import { type LeafDifference, Tiles } from "./Tiles.ts"

/** The rooms a replay walks through. */
export interface ReplayRooms {
  readonly reader: ArchiveReader
  readonly files: LedgerFiles
  readonly findings: Findings
  readonly chains: ChainReplay
  readonly control: ControlChain
  readonly objects: Objects
  readonly parameters: Parameters
  readonly coverage: Coverage
  readonly anchoring: Anchoring
  readonly leaves: ObjectLeaves
  /** Signed heads by tree size; each one's root is compared when the replay reaches it. */
  readonly heads: ReadonlyMap<number, ReadonlyArray<SignedHead>>
  readonly onEntries: (entries: number) => void
  /** Further checks of an object entry. */
  readonly onObject?: ((entry: ObjectEntry) => Promise<void>) | undefined
  readonly sha256: Sha256
}

/** What a replay ends with. */
export interface ReplayResult {
  /** Entries replayed, fewer than the head signs when some are missing. */
  readonly entries: number
  /** Largest entry time, ms; null without entries. */
  readonly headTime: number | null
  readonly tiles: number
  /** The heads whose root the entries reach, in order of size. */
  readonly agreeing: ReadonlyArray<SignedHead>
}

// The parsed entries of the last run, null where one could not be read.
interface ParsedRun {
  readonly start: number
  readonly entries: ReadonlyArray<Entry | null>
}

/** Replays entries 0 to `size` − 1. */
export class Replay {
  readonly #rooms: ReplayRooms
  readonly #tree: CompactRange
  readonly #tiles: Tiles
  readonly #suspectLeaves: Array<{ readonly difference: LeafDifference; readonly entry: Entry | null }> = []
  readonly #differing: Array<{ readonly head: SignedHead; readonly root: Uint8Array }> = []
  /** Largest signed size whose root the entries reach. */
  #agreeingSize: number | null = null
  readonly #agreeing: Array<SignedHead> = []
  #headTime: number | null = null

  constructor(rooms: ReplayRooms) {
    this.#rooms = rooms
    this.#tree = CompactRange.empty(rooms.sha256)
    this.#tiles = new Tiles(rooms)
  }

  /** Runs the pass. */
  async run(size: number): Promise<ReplayResult> {
    for (const head of this.#rooms.heads.get(0) ?? []) this.#compareRoot(head)
    let last: ParsedRun = { entries: [], start: 0 }
    let checked = Promise.resolve()
    for await (const run of readEntries(this.#rooms, size)) {
      last = { entries: await this.#addRun(run), start: run.start }
      await checked
      // Tiles are read and compared while the next run is replayed. A failure counts when it is waited for.
      checked = this.#keepDifferences(this.#tiles.checkFull(), last)
      checked.catch(() => undefined)
      this.#rooms.onEntries(this.#tree.size)
    }
    await checked
    await this.#keepDifferences(this.#tiles.checkPartial(), last)
    this.#rooms.chains.finish()
    this.#reportRoots()
    this.#reportLeafDifferences(this.#agreeingSize === size)
    const { size: entries } = this.#tree
    return { entries, headTime: this.#headTime, tiles: this.#tiles.checked, agreeing: this.#agreeing }
  }

  async #addRun(run: EntryRun): Promise<Array<Entry | null>> {
    const entries: Array<Entry | null> = []
    for (const bytes of run.entries) {
      const index = this.#tree.size
      this.#tree.append(leafHash(bytes, this.#rooms.sha256), this.#tiles.onNode)
      const entry = this.#parse(bytes, index)
      entries.push(entry)
      if (entry !== null) await this.#addEntry(entry, index)
      for (const head of this.#rooms.heads.get(this.#tree.size) ?? []) this.#compareRoot(head)
    }
    return entries
  }

  #parse(bytes: Uint8Array, index: number): Entry | null {
    try {
      return parseEntry(bytes)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      const detail = `leaf ${index}: ${error.message}`
      this.#rooms.findings.add({ code: "MALFORMED_ENTRY", severity: "malformed", detail })
      return null
    }
  }

  async #addEntry(entry: Entry, index: number): Promise<void> {
    const { anchoring, chains, control, coverage, leaves, objects, parameters } = this.#rooms
    if (index === 0 && entry.kind !== "genesis") {
      const detail = "the ledger does not begin with a genesis entry"
      this.#rooms.findings.add({ code: "GENESIS_MISMATCH", chain: entry.chain, seq: entry.seq, detail })
    }
    this.#headTime = Math.max(this.#headTime ?? 0, entry.time)
    anchoring.add(entry, index)
    if (entry.kind === "object") {
      chains.add(entry)
      leaves.add(entry, index)
      // A pause for each entry would cost as much as checking it: wait only for what is read.
      coverage.addObject(entry, entry.params === null ? null : await parameters.horizon(entry))
      if (entry.key !== null) await objects.add(entry)
      if (this.#rooms.onObject !== undefined) await this.#rooms.onObject(entry)
    } else {
      // Only heartbeats look at the position; listing the heads of all chains is not free.
      const heads = entry.kind === "heartbeat" ? chains.heads() : []
      chains.add(entry)
      await control.add(entry, { treeSize: index, heads })
    }
  }

  #compareRoot(head: SignedHead): void {
    const root = this.#tree.root()
    if (Bytes.equal(root, head.checkpoint.root)) {
      this.#agreeingSize = head.checkpoint.size
      this.#agreeing.push(head)
    } else {
      this.#differing.push({ head, root })
    }
  }

  // Another root below a signed size the entries do reach is a second history signed by the log itself.
  #reportRoots(): void {
    for (const { head, root } of this.#differing) {
      const { size } = head.checkpoint
      const code = this.#agreeingSize !== null && this.#agreeingSize >= size ? "EQUIVOCATION" : "ROOT_MISMATCH"
      const detail = code === "EQUIVOCATION"
        ? `the log signed two histories: this head of ${size} entries, and another one that the entries agree with`
        : `the root over the first ${size} entries is not the one the log signed`
      const [expected, actual] = [Base64.encode(head.checkpoint.root), Base64.encode(root)]
      this.#rooms.findings.add({ code, detail, key: head.key, expected, actual })
    }
  }

  async #keepDifferences(differences: Promise<ReadonlyArray<LeafDifference>>, last: ParsedRun): Promise<void> {
    for (const difference of (await differences).slice(0, 1000)) {
      this.#suspectLeaves.push({ difference, entry: last.entries[difference.leaf - last.start] ?? null })
    }
  }

  // With the signed root reached from the entries, the tile is wrong; else the entry is not the one in the tree.
  #reportLeafDifferences(entriesProven: boolean): void {
    for (const { difference: { leaf, key }, entry } of this.#suspectLeaves) {
      const code = entriesProven ? "TILE_MISMATCH" : "LEAF_NOT_IN_TREE"
      const detail = entriesProven
        ? `the tile's hash of leaf ${leaf} is not that of the entry`
        : `the entry at leaf ${leaf} is not the one whose hash the tile holds`
      this.#rooms.findings.add({ code, chain: entry?.chain ?? null, seq: entry?.seq ?? null, detail, key })
    }
  }
}
