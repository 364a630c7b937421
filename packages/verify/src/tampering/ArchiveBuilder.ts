/**
 * Writes archives with the package's own codecs: entries are appended, then published at chosen sizes the way the ledger
 * publishes them (bundles and tiles, `checkpoint.d/`, `checkpoint`). Steps can be left out or repeated to build the
 * states of a crash, and entries changed and signed again to build the histories of an insider.
 */
import { encode as ascii } from "../Ascii.ts"
import * as Bytes from "../Bytes.ts"
import { chainHash, controlChain, genesisPrev } from "../Chain.ts"
import { signCheckpoint } from "../Checkpoint.ts"
import * as Ed25519 from "../Ed25519.ts"
import { emptyObject, type Entry, type EventKind, type ObjectEntry, printEntry } from "../Entry.ts"
import { type Gap, printGap } from "../Gap.ts"
import { printGenesis } from "../Genesis.ts"
import { sha256 } from "../Hash.ts"
import { type Heartbeat, printHeartbeat } from "../Heartbeat.ts"
import * as Hex from "../Hex.ts"
import { checkpointArchiveKey, checkpointKey, eventPath, ledgerKey, objectKey } from "../Layout.ts"
import { CompactRange, leafHash } from "../Merkle.ts"
import { type NoteSigner, printNote, signNote } from "../Note.ts"
import { type Policy, printPolicy } from "../Policy.ts"
import { encodeEntryBundle, entriesPath, tilePath, tileWidth } from "../Tile.ts"
import { makeVerifierKey } from "../VerifierKey.ts"
import type { ArchiveFiles } from "./MemoryReader.ts"

/** The origin of the built ledgers. */
export const origin = "archive.example.eu/t/6f1c1e0e-3b1a-4c37-8a55-0d5b7e9a2f10"
/** The zone's chain. */
export const zone = "9d2a6c1e-58a7-4f2f-9b0e-6d7f4c8b1a22"
/** The zone's source. */
export const source = "cloudflare/logpull/http_requests"
/** 2026-01-01T00:00:00Z; the first heartbeat epoch is the hour from here on. */
export const start = 1_767_225_600_000
/** A minute in ms. */
export const minute = 60_000
/** An hour in ms: one epoch. */
export const hour = 3_600_000
/** The epoch the ledger begins in. */
export const firstEpoch = start / hour

const seed = (fill: number) => new Uint8Array(32).fill(fill)
/** A signer whose seed is 32 times the byte `fill`: known to all, for archives that are built to be broken. */
export const signer = (name: string, type: 1 | 4, fill: number): NoteSigner => ({
  key: makeVerifierKey(name, type, Ed25519.publicKey(seed(fill))),
  seed: seed(fill)
})
/** The log's key. */
export const log = signer(origin, 1, 1)
/** The clock's key. */
export const clock = signer(`${origin}/clock`, 4, 2)

/** A window to append. `lines` is the plain object, null for an empty window; `horizon` goes into its parameters. */
export interface WindowDraft {
  readonly chain?: string
  readonly source?: string
  readonly from: number
  readonly to: number
  readonly lines: string | null
  readonly horizon?: number | null
  readonly time?: number
  readonly encrypted?: EncryptedWindow
}

/** The stored bytes of an encrypted window, and the job they were encrypted for. */
export interface EncryptedWindow {
  readonly job: string
  readonly dek: string
  readonly bytes: Uint8Array
}

/** Builds an archive entry by entry, right or wrong. */
export class ArchiveBuilder {
  readonly files: ArchiveFiles = new Map()
  readonly entries: Array<Entry> = []
  readonly #origin: string
  /** The keys that sign heads, from a tree size on; the last that applies does. */
  readonly signers: Array<{ readonly fromSize: number; readonly log: NoteSigner; readonly clock: NoteSigner }> = [
    { fromSize: 0, log, clock }
  ]
  #jobs = 0

  constructor(ledgerOrigin: string = origin) {
    this.#origin = ledgerOrigin
  }

  /** A builder in the same state, to be changed without changing this one. */
  copy(): ArchiveBuilder {
    const copy = new ArchiveBuilder(this.#origin)
    copy.entries.push(...this.entries)
    for (const [key, bytes] of this.files) copy.files.set(key, bytes)
    copy.signers.splice(0, 1, ...this.signers)
    copy.#jobs = this.#jobs
    return copy
  }

  /** The keys that sign a head of `size` entries. */
  signersAt(size: number) {
    return this.signers.findLast(({ fromSize }) => fromSize <= size) ?? { fromSize: 0, log, clock }
  }

  /** Genesis and policy, the first two entries. */
  begin(time = start, policy: Partial<Policy> = {}): this {
    const genesis = printGenesis({ origin: this.#origin, log: log.key, clock: clock.key })
    this.event("genesis", printNote(signNote(genesis, [log])), time)
    return this.policy(time + 1, policy)
  }

  policy(time: number, policy: Partial<Policy> = {}): this {
    const text = printPolicy({
      origin: this.#origin,
      version: 1,
      retention: [{ class: "default", days: 395 }],
      retentionMinimum: 180,
      heartbeat: { epoch: hour, tolerance: 10 * minute },
      anchorLag: 2 * hour,
      eraseQuorum: 0,
      approvers: [],
      ...policy
    })
    return this.event("policy", printNote(signNote(text, [log])), time)
  }

  /** Stores a document and appends its entry. */
  event(kind: EventKind, document: Uint8Array, time: number): this {
    const object = this.store(document)
    const link = this.#link(controlChain, object)
    this.entries.push({ ...link, kind, size: document.length, time, key: eventPath(object) })
    return this
  }

  /** Stores a document; answers its hash. */
  store(document: Uint8Array): string {
    const hash = Hex.encode(sha256(document))
    this.files.set(ledgerKey(this.#origin, eventPath(hash)), document)
    return hash
  }

  window(draft: WindowDraft): this {
    const { encrypted, from, to, lines, horizon = 7 * 24 * hour } = draft
    const chain = draft.chain ?? zone
    const bytes = encrypted?.bytes ?? ascii(lines ?? "")
    const object = lines === null ? emptyObject : Hex.encode(sha256(bytes))
    const params = horizon === null ? {} : { horizon }
    const link = this.#link(chain, object, encrypted?.job)
    const entry: ObjectEntry = {
      ...link,
      kind: "object",
      size: bytes.length,
      time: draft.time ?? to + 5 * minute,
      key: lines === null ? null : objectKey({ chain, windowFrom: from, job: link.job, object, codec: "identity" }),
      codec: "identity",
      encryption: encrypted === undefined ? "none" : "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM",
      dek: encrypted?.dek ?? null,
      records: lines === null ? 0 : lines.trimEnd().split("\n").length,
      plainSize: (lines ?? "").length,
      window: { from, to },
      source: draft.source ?? source,
      fidelity: "complete",
      params: this.store(ascii(JSON.stringify({ dataset: "http_requests", ...params }))),
      recordsRoot: null
    }
    this.entries.push(entry)
    if (entry.key !== null) this.files.set(entry.key, bytes)
    return this
  }

  gap(gap: Partial<Gap> & { readonly from: number; readonly to: number }, time: number): this {
    const document = printGap({
      origin: this.#origin,
      chain: zone,
      source,
      reason: "outage",
      detected: time,
      detail: null,
      ...gap
    })
    return this.event("gap", ascii(document), time)
  }

  heartbeat(epoch: number, change: Partial<Heartbeat> & { readonly time?: number } = {}): this {
    const { time = (epoch + 1) * hour + 1000, ...changed } = change
    const heads = [...new Set(this.entries.map((entry) => entry.chain))].sort().map((chain) => {
      const own = this.entries.filter((entry) => entry.chain === chain)
      return { chain, nextSeq: own.length, hash: own.at(-1)?.hash ?? "" }
    })
    const heartbeat = { origin: this.#origin, epoch, treeSize: this.entries.length, heads, ...changed }
    return this.event("heartbeat", ascii(printHeartbeat(heartbeat)), time)
  }

  /** Recomputes prev, hash and (unless told to keep it) seq of every entry in order, as an insider would. */
  relink(change: { readonly renumber: "renumber" | "keep-seq" } = { renumber: "renumber" }): this {
    const heads = new Map<string, { seq: number; hash: string }>()
    for (const [index, entry] of this.entries.entries()) {
      const head = heads.get(entry.chain) ?? { seq: 0, hash: Hex.encode(genesisPrev(this.#origin, entry.chain)) }
      const hash = link(head.hash, entry.object, entry.job)
      const seq = change.renumber === "renumber" ? head.seq : entry.seq
      this.entries[index] = { ...entry, seq, prev: head.hash, hash }
      heads.set(entry.chain, { seq: head.seq + 1, hash })
    }
    return this
  }

  /** Writes bundles and tiles of the first `size` entries. */
  writeTiles(size: number = this.entries.length): this {
    return this.writeTilesOf(this.entries.slice(0, size).map(printEntry))
  }

  writeTilesOf(leaves: ReadonlyArray<Uint8Array>): this {
    const levels: Array<Array<Uint8Array>> = []
    const tree = CompactRange.empty()
    for (const leaf of leaves) {
      tree.append(leafHash(leaf), (level, _index, hash) => {
        if (level % 8 === 0) (levels[level / 8] ??= []).push(hash)
      })
    }
    for (let first = 0; first < leaves.length; first += tileWidth) {
      const bundle = leaves.slice(first, first + tileWidth)
      this.#put(entriesPath(first / tileWidth, bundle.length), encodeEntryBundle(bundle))
    }
    for (const [level, hashes] of levels.entries()) {
      for (let first = 0; first < hashes.length; first += tileWidth) {
        const tile = hashes.slice(first, first + tileWidth)
        this.#put(tilePath(level, first / tileWidth, tile.length), Bytes.concat(...tile))
      }
    }
    return this
  }

  /** Signs the first `size` entries. */
  sign(size: number = this.entries.length) {
    const tree = CompactRange.empty()
    for (const entry of this.entries.slice(0, size)) tree.append(leafHash(printEntry(entry)))
    return this.signRoot(size, tree.root())
  }

  signRoot(size: number, root: Uint8Array) {
    const timestamp = Math.floor((this.entries[size - 1]?.time ?? start) / 1000) + 1
    const by = this.signersAt(size)
    const checkpoint = { origin: this.#origin, size, root }
    return signCheckpoint({ checkpoint, log: by.log, clock: { ...by.clock, timestamp } })
  }

  writeArchivedCheckpoint(size: number = this.entries.length): this {
    this.files.set(checkpointArchiveKey(this.#origin, size), this.sign(size).immutable)
    return this
  }

  writeServedCheckpoint(size: number = this.entries.length): this {
    this.files.set(checkpointKey(this.#origin), this.sign(size).served)
    return this
  }

  /** All steps of a publication, in the order of the specification. */
  publish(size: number = this.entries.length): this {
    return this.writeTiles(size).writeArchivedCheckpoint(size).writeServedCheckpoint(size)
  }

  #put(path: string, bytes: Uint8Array): void {
    this.files.set(ledgerKey(this.#origin, path), bytes)
  }

  #link(chain: string, object: string, givenJob?: string) {
    const own = this.entries.filter((entry) => entry.chain === chain)
    const prev = own.at(-1)?.hash ?? Hex.encode(genesisPrev(this.#origin, chain))
    this.#jobs += 1
    const job = givenJob ?? `01980000-0000-7000-8000-${String(this.#jobs).padStart(12, "0")}`
    return { origin: this.#origin, chain, seq: own.length, job, prev, object, hash: link(prev, object, job) }
  }
}

const link = (prev: string, object: string, job: string): string =>
  Hex.encode(chainHash(Hex.decode(prev, 32), Hex.decode(object, 32), job))
