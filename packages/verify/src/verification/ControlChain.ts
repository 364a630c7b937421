/**
 * The documents of the control chain, each as its entry comes up in the replay: genesis, policy, heartbeats, gaps,
 * tombstones. Kinds that this version does not judge are said to be so.
 */
import { decode } from "../Ascii.ts"
import { controlChain } from "../Chain.ts"
import type { Verify } from "../Ed25519.ts"
import type { EventEntry } from "../Entry.ts"
import { heartbeatSource, parseGap } from "../Gap.ts"
import { type Genesis, parseGenesis } from "../Genesis.ts"
import { parseHeartbeat } from "../Heartbeat.ts"
import { MalformedError } from "../Malformed.ts"
import { type Note, parseNote, verifyNote } from "../Note.ts"
import { parsePolicy } from "../Policy.ts"
import { parseTombstone, type Tombstone } from "../Tombstone.ts"
import { printVerifierKey, sameKey, type VerifierKey } from "../VerifierKey.ts"
import type { Coverage } from "./Coverage.ts"
import type { Documents } from "./Documents.ts"
import type { Findings } from "./Findings.ts"
import type { Heartbeats, ReplayPosition } from "./Heartbeats.ts"

/** What the control chain is judged with and reports to. */
export interface ControlChainRooms {
  readonly logKey: VerifierKey
  readonly verifySignature: Verify
  readonly findings: Findings
  readonly documents: Documents
  readonly coverage: Coverage
  readonly heartbeats: Heartbeats
}

/** Reads the control chain of one ledger. */
export class ControlChain {
  readonly #rooms: ControlChainRooms
  readonly #tombstones = new Map<string, { intent: boolean; done: boolean }>()
  #genesis: Genesis | null = null
  #genesisTime: number | null = null
  #policies = 0
  #anchored = 0

  constructor(rooms: ControlChainRooms) {
    this.#rooms = rooms
  }

  /** The genesis document, once read. */
  get genesis(): Genesis | null {
    return this.#genesis
  }

  /** `anchored` entries seen. */
  get anchored(): number {
    return this.#anchored
  }

  /** Policies read. */
  get policies(): number {
    return this.#policies
  }

  /** Which phases of a tombstone name this entry, or null when none does. */
  tombstone(target: { readonly chain: string; readonly seq: number; readonly object: string; readonly hash: string }) {
    return this.#tombstones.get(targetName(target)) ?? null
  }

  /** Takes the next control entry; `position` is where the replay stood before it. */
  async add(entry: EventEntry, position: ReplayPosition): Promise<void> {
    if ((entry.kind === "genesis") !== (entry.seq === 0)) {
      const detail = "the control chain begins with the one genesis entry"
      this.#add(entry, { code: "GENESIS_MISMATCH", detail })
    }
    const { seq, object: hash, size } = entry
    const bytes = await this.#rooms.documents.read({ chain: controlChain, seq, hash, size })
    if (entry.kind === "anchored") this.#anchored += 1
    if (bytes === null) return
    try {
      this.#read(entry, bytes, position)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      this.#add(entry, { code: "MALFORMED_DOCUMENT", severity: "malformed", detail: error.message })
    }
  }

  #read(entry: EventEntry, bytes: Uint8Array, position: ReplayPosition): void {
    switch (entry.kind) {
      case "genesis":
        return this.#readGenesis(entry, parseNote(bytes))
      case "policy":
        return this.#readPolicy(entry, parseNote(bytes))
      case "heartbeat": {
        const heartbeat = parseHeartbeat(decode(bytes))
        this.#checkOrigin(entry, heartbeat.origin)
        return this.#rooms.heartbeats.add(heartbeat, entry, position)
      }
      case "gap":
        return this.#readGap(entry, bytes)
      case "tombstone":
        return this.#readTombstone(entry, parseTombstone(parseNote(bytes).text))
      case "keys":
        return this.#add(entry, {
          code: "KEYS_NOT_EVALUATED",
          severity: "inconclusive",
          detail: "the ledger's keys were rotated, which this version does not follow"
        })
      case "hold":
      case "release":
      case "anchored":
        return
    }
  }

  #readGenesis(entry: EventEntry, note: Note): void {
    const genesis = parseGenesis(note.text)
    this.#checkOrigin(entry, genesis.origin)
    this.#checkSignature(entry, note, [])
    const { logKey } = this.#rooms
    if (!sameKey(genesis.log, logKey)) {
      const detail = "the genesis document names another log key than the given one"
      const [expected, actual] = [printVerifierKey(logKey), printVerifierKey(genesis.log)]
      this.#add(entry, { code: "GENESIS_MISMATCH", detail, expected, actual })
    }
    this.#genesis ??= genesis
    this.#genesisTime ??= entry.time
    this.#rooms.heartbeats.begin(entry.time)
  }

  #readPolicy(entry: EventEntry, note: Note): void {
    const policy = parsePolicy(note.text)
    this.#checkOrigin(entry, policy.origin)
    this.#checkSignature(entry, note, policy.approvers)
    this.#policies += 1
    if (policy.version !== this.#policies) {
      const detail = "policy versions count up from 1"
      const [expected, actual] = [String(this.#policies), String(policy.version)]
      this.#add(entry, { code: "POLICY_VERSION_MISMATCH", detail, expected, actual })
    }
    this.#rooms.heartbeats.setPolicy(policy.heartbeat, this.#genesisTime ?? entry.time, entry.seq)
  }

  #readGap(entry: EventEntry, bytes: Uint8Array): void {
    const gap = parseGap(decode(bytes))
    this.#checkOrigin(entry, gap.origin)
    if (gap.chain === controlChain && gap.source === heartbeatSource) this.#rooms.heartbeats.excuse(gap)
    else this.#rooms.coverage.addGap(gap, entry.seq)
  }

  #readTombstone(entry: EventEntry, tombstone: Tombstone): void {
    this.#checkOrigin(entry, tombstone.origin)
    for (const target of tombstone.targets) {
      const phases = this.#tombstones.get(targetName(target)) ?? { intent: false, done: false }
      phases[tombstone.done === null ? "intent" : "done"] = true
      this.#tombstones.set(targetName(target), phases)
    }
  }

  #checkOrigin(entry: EventEntry, origin: string): void {
    const expected = this.#rooms.logKey.name
    if (origin === expected) return
    const detail = `the ${entry.kind} document is of another origin`
    this.#add(entry, { code: "ORIGIN_MISMATCH", detail, expected, actual: origin })
  }

  // The log must have signed; further known signers must not have signed badly.
  #checkSignature(entry: EventEntry, note: Note, further: ReadonlyArray<VerifierKey>): void {
    const { logKey, verifySignature } = this.#rooms
    const { verified, bad } = verifyNote(note, [logKey, ...further], verifySignature)
    for (const key of bad) {
      this.#add(entry, {
        code: "BAD_SIGNATURE",
        detail: `the signature of ${key.name} on the ${entry.kind} is invalid`
      })
    }
    if (!verified.includes(logKey) && !bad.includes(logKey)) {
      this.#add(entry, { code: "UNSIGNED", detail: `the ${entry.kind} document carries no signature of the log` })
    }
  }

  #add(entry: EventEntry, finding: {
    readonly code: string
    readonly severity?: "fail" | "malformed" | "inconclusive"
    readonly detail: string
    readonly expected?: string
    readonly actual?: string
  }): void {
    this.#rooms.findings.add({ chain: controlChain, seq: entry.seq, ...finding })
  }
}

const targetName = (target: { chain: string; seq: number; object: string; hash: string }): string =>
  `${target.chain} ${target.seq} ${target.object} ${target.hash}`
