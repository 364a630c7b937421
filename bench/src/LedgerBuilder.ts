/**
 * Writes a valid archive of any number of windows quickly, with the codecs the verifier reads with: the archives that
 * the verify benchmark measures on. All windows lie in one hour, so that no heartbeat is due.
 */
import * as Bytes from "@rainlogs/verify/Bytes"
import { chainHash, genesisPrev } from "@rainlogs/verify/Chain"
import { signCheckpoint } from "@rainlogs/verify/Checkpoint"
import * as Ed25519 from "@rainlogs/verify/Ed25519"
import { emptyObject, type Entry, type EventKind, printEntry } from "@rainlogs/verify/Entry"
import { printGenesis } from "@rainlogs/verify/Genesis"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { checkpointArchiveKey, checkpointKey, eventPath, ledgerKey, objectKey } from "@rainlogs/verify/Layout"
import { CompactRange, leafHash } from "@rainlogs/verify/Merkle"
import { printNote, signNote } from "@rainlogs/verify/Note"
import { printPolicy } from "@rainlogs/verify/Policy"
import { encodeEntryBundle, entriesPath, tilePath, tileWidth } from "@rainlogs/verify/Tile"
import { makeVerifierKey, printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

/** The origin of the built ledgers. */
export const ledgerOrigin = "bench.example.eu/t/6f1c1e0e-3b1a-4c37-8a55-0d5b7e9a2f10"
const origin = ledgerOrigin
/** The chain of their windows. */
export const chain = "9d2a6c1e-58a7-4f2f-9b0e-6d7f4c8b1a22"
const zone = chain
const start = 1_767_225_600_000

const signer = (name: string, type: 1 | 4, fill: number) => {
  const seed = new Uint8Array(32).fill(fill)
  return { key: makeVerifierKey(name, type, Ed25519.publicKey(seed)), seed }
}

/** An archive under construction in `directory`; `finish` makes it complete. */
export class LedgerBuilder {
  /** The key to verify it with. */
  readonly vkey: string
  readonly #directory: string
  readonly #windowMs: number
  readonly #log = signer(origin, 1, 1)
  readonly #clock = signer(`${origin}/clock`, 4, 2)
  readonly #tree = CompactRange.empty()
  readonly #tiles: Array<Array<Uint8Array>> = []
  readonly #heads = new Map<string, { readonly seq: number; readonly hash: string }>()
  #bundle: Array<Uint8Array> = []
  #bundles = 0
  #windows = 0

  /** `windowMs` is the length of its windows; longer ones fill more directories, and miss heartbeats. */
  constructor(directory: string, windowMs = 10) {
    this.#directory = directory
    this.#windowMs = windowMs
    this.vkey = printVerifierKey(this.#log.key)
    const genesis = printGenesis({ origin, log: this.#log.key, clock: this.#clock.key })
    this.#event("genesis", printNote(signNote(genesis, [this.#log])))
    const policy = printPolicy({
      origin,
      version: 1,
      retention: [{ class: "default", days: 395 }],
      retentionMinimum: 180,
      heartbeat: { epoch: 3_600_000, tolerance: 600_000 },
      anchorLag: 7_200_000,
      eraseQuorum: 2,
      approvers: []
    })
    this.#event("policy", printNote(signNote(policy, [this.#log])))
  }

  /** The next window, with these bytes as its stored object; null for an empty window. */
  window(bytes: Uint8Array | null): void {
    const from = start + this.#windows * this.#windowMs
    const object = bytes === null ? emptyObject : Hex.encode(sha256(bytes))
    const link = this.#link(zone, object)
    const key = bytes === null
      ? null
      : objectKey({ chain: zone, windowFrom: from, job: link.job, object, codec: "identity" })
    if (bytes !== null && key !== null) this.#write(key, bytes)
    const size = bytes?.length ?? 0
    this.#append({
      ...link,
      kind: "object",
      size,
      time: from + this.#windowMs,
      key,
      codec: "identity",
      encryption: "none",
      dek: null,
      records: bytes === null ? 0 : 1,
      plainSize: size,
      window: { from, to: from + this.#windowMs },
      source: "cloudflare/logpull/http_requests",
      fidelity: "complete",
      params: null,
      recordsRoot: null
    })
    this.#windows++
  }

  /** Writes what is left of tiles and bundles, and the checkpoints; returns the number of entries. */
  finish(): number {
    if (this.#bundle.length > 0) this.#writeBundle()
    for (const [level, hashes] of this.#tiles.entries()) {
      const whole = Math.floor(hashes.length / tileWidth) * tileWidth
      for (let first = 0; first < whole; first += tileWidth) {
        this.#writeTile(level, first / tileWidth, hashes.slice(first, first + tileWidth))
      }
      if (whole < hashes.length) this.#writeTile(level, whole / tileWidth, hashes.slice(whole))
    }
    const { size } = this.#tree
    const signed = signCheckpoint({
      checkpoint: { origin, size, root: this.#tree.root() },
      log: this.#log,
      clock: { ...this.#clock, timestamp: Math.floor(start / 1000) + 3600 }
    })
    this.#write(checkpointArchiveKey(origin, size), signed.immutable)
    this.#write(checkpointKey(origin), signed.served)
    return size
  }

  #event(kind: EventKind, document: Uint8Array): void {
    const object = Hex.encode(sha256(document))
    this.#write(ledgerKey(origin, eventPath(object)), document)
    this.#append({ ...this.#link("control", object), kind, size: document.length, time: start, key: eventPath(object) })
  }

  #link(chain: string, object: string) {
    const head = this.#heads.get(chain) ?? { seq: 0, hash: Hex.encode(genesisPrev(origin, chain)) }
    const job = `01980000-0000-7000-8000-${String(this.#tree.size).padStart(12, "0")}`
    const hash = Hex.encode(chainHash(Hex.decode(head.hash, 32), Hex.decode(object, 32), job))
    this.#heads.set(chain, { seq: head.seq + 1, hash })
    return { origin, chain, seq: head.seq, job, prev: head.hash, object, hash }
  }

  #append(entry: Entry): void {
    const text = printEntry(entry)
    this.#tree.append(leafHash(text), (level, _index, hash) => {
      if (level % 8 === 0) (this.#tiles[level / 8] ??= []).push(hash)
    })
    this.#bundle.push(text)
    if (this.#bundle.length === tileWidth) this.#writeBundle()
  }

  #writeBundle(): void {
    this.#write(ledgerKey(origin, entriesPath(this.#bundles++, this.#bundle.length)), encodeEntryBundle(this.#bundle))
    this.#bundle = []
  }

  #writeTile(level: number, index: number, hashes: ReadonlyArray<Uint8Array>): void {
    this.#write(ledgerKey(origin, tilePath(level, index, hashes.length)), Bytes.concat(...hashes))
  }

  #write(key: string, bytes: Uint8Array): void {
    const path = join(this.#directory, key)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
  }
}
