/**
 * The documents of the control chain, each as its entry comes up in the replay: what they say goes to the room that
 * judges it, and whether they may say it is checked here.
 */
import { parseAnchored } from "../Anchored.ts"
import { decode } from "../Ascii.ts"
import { controlChain } from "../Chain.ts"
import type { Verify } from "../Ed25519.ts"
import type { EventEntry } from "../Entry.ts"
import { anchorSource, heartbeatSource, parseGap } from "../Gap.ts"
import { parseGenesis } from "../Genesis.ts"
import { parseHeartbeat } from "../Heartbeat.ts"
import { parseHold } from "../Hold.ts"
import { type Keys, parseKeys } from "../Keys.ts"
import { MalformedError } from "../Malformed.ts"
import { type Note, parseNote, verifyNote } from "../Note.ts"
import { parsePolicy } from "../Policy.ts"
import { parseRelease } from "../Release.ts"
import { parseTombstone } from "../Tombstone.ts"
import { printVerifierKey, sameKey, type VerifierKey } from "../VerifierKey.ts"
import type { Anchoring } from "./Anchoring.ts"
import type { Coverage } from "./Coverage.ts"
import type { Documents } from "./Documents.ts"
import type { Erasures } from "./Erasures.ts"
import type { FindingDraft, Findings } from "./Findings.ts"
import type { Heartbeats, ReplayPosition } from "./Heartbeats.ts"
import type { Holds } from "./Holds.ts"
import type { LogKeys } from "./LogKeys.ts"
import { hasQuorum, type Policies } from "./Policies.ts"

/** What the control chain is judged with and reports to. */
export interface ControlChainRooms {
  readonly logKeys: LogKeys
  readonly verifySignature: Verify
  readonly findings: Findings
  readonly documents: Documents
  readonly coverage: Coverage
  readonly heartbeats: Heartbeats
  readonly policies: Policies
  readonly holds: Holds
  readonly erasures: Erasures
  readonly anchoring: Anchoring
}

/** Reads the control chain of one ledger. */
export class ControlChain {
  readonly #rooms: ControlChainRooms
  #genesisTime: number | null = null
  #keysVersion = 1

  constructor(rooms: ControlChainRooms) {
    this.#rooms = rooms
  }

  /** Takes the next control entry; `position` is where the replay stood before it. */
  async add(entry: EventEntry, position: ReplayPosition): Promise<void> {
    if ((entry.kind === "genesis") !== (entry.seq === 0)) {
      const detail = "the control chain begins with the one genesis entry"
      this.#add(entry, { code: "GENESIS_MISMATCH", detail })
    }
    const { seq, object: hash, size } = entry
    const bytes = await this.#rooms.documents.read({ chain: controlChain, seq, hash, size })
    if (bytes === null) return
    try {
      const evidence = this.#read(entry, bytes, position)
      // What the storage answered is a document of its own, named by the tombstone.
      if (evidence) await this.#rooms.documents.read({ chain: controlChain, seq, hash: evidence, size: null })
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      this.#add(entry, { code: "MALFORMED_DOCUMENT", severity: "malformed", detail: error.message })
    }
  }

  // Answers the hash of a further document, where there is one.
  #read(entry: EventEntry, bytes: Uint8Array, position: ReplayPosition): string | null | void {
    switch (entry.kind) {
      case "genesis":
        return this.#readGenesis(entry, parseNote(bytes))
      case "policy":
        return this.#readPolicy(entry, parseNote(bytes))
      case "keys":
        return this.#readKeys(entry, parseNote(bytes), position.treeSize)
      case "heartbeat": {
        const heartbeat = parseHeartbeat(decode(bytes))
        this.#checkOrigin(entry, heartbeat.origin)
        return this.#rooms.heartbeats.add(heartbeat, entry, position)
      }
      case "gap":
        return this.#readGap(entry, bytes)
      case "tombstone":
        return this.#readTombstone(entry, parseNote(bytes), position.treeSize)
      case "hold":
        return this.#readHold(entry, parseNote(bytes))
      case "release":
        return this.#readRelease(entry, parseNote(bytes))
      case "anchored": {
        const anchored = parseAnchored(decode(bytes))
        this.#checkOrigin(entry, anchored.origin)
        return this.#rooms.anchoring.addReceipt(anchored, entry)
      }
    }
  }

  #readGenesis(entry: EventEntry, note: Note): void {
    const genesis = parseGenesis(note.text)
    const { heartbeats, logKeys } = this.#rooms
    this.#checkOrigin(entry, genesis.origin)
    if (!logKeys.believes(genesis.log)) {
      const detail = "the genesis document names a log key that the given one does not lead to"
      const expected = logKeys.believed.map(printVerifierKey).join(" or ")
      this.#add(entry, { code: "GENESIS_MISMATCH", detail, expected, actual: printVerifierKey(genesis.log) })
    } else if (logKeys.timeline.length === 0) {
      logKeys.begin({ fromSize: 0, log: genesis.log, clock: genesis.clock, revoked: [] })
    }
    this.#checkSignature(entry, note, [genesis.log])
    this.#genesisTime ??= entry.time
    heartbeats.begin(entry.time)
  }

  #readPolicy(entry: EventEntry, note: Note): void {
    const policy = parsePolicy(note.text)
    const { anchoring, heartbeats, policies, verifySignature } = this.#rooms
    this.#checkOrigin(entry, policy.origin)
    this.#checkSignature(entry, note, [...policy.approvers, ...policies.inForce?.policy.approvers ?? []])
    const objection = policies.objectionTo(policy, note, verifySignature)
    if (objection !== null) {
      this.#add(entry, { code: "POLICY_UNAUTHORISED", question: "erasures", detail: objection })
    }
    policies.add({ policy, hash: entry.object })
    if (policy.version !== policies.count) {
      const detail = "policy versions count up from 1"
      const [expected, actual] = [String(policies.count), String(policy.version)]
      this.#add(entry, { code: "POLICY_VERSION_MISMATCH", detail, expected, actual })
    }
    anchoring.setLag(policy.anchorLag)
    heartbeats.setPolicy(policy.heartbeat, this.#genesisTime ?? entry.time, entry.seq)
  }

  #readKeys(entry: EventEntry, note: Note, leaf: number): void {
    const keys = parseKeys(note.text)
    const { logKeys } = this.#rooms
    this.#checkOrigin(entry, keys.origin)
    this.#keysVersion += 1
    const objection = this.#objectionToKeys(keys, note, leaf)
    if (objection !== null) {
      this.#add(entry, { code: "KEYS_UNAUTHORISED", ...objection })
      return
    }
    logKeys.begin({ fromSize: leaf + 1, log: keys.log, clock: keys.clock, revoked: keys.revoked })
  }

  #objectionToKeys(
    keys: Keys,
    note: Note,
    leaf: number
  ): { detail: string; expected?: string; actual?: string } | null {
    const { logKeys } = this.#rooms
    if (keys.version !== this.#keysVersion) {
      const [expected, actual] = [String(this.#keysVersion), String(keys.version)]
      return { detail: "versions of the keys count up from the genesis, which is 1", expected, actual }
    }
    const before = logKeys.inForce(leaf)
    if (before === null || !sameKey(before.log, keys.previous)) {
      const expected = before === null ? "no key" : printVerifierKey(before.log)
      const detail = "the change of keys does not follow the key in force"
      return { detail, expected, actual: printVerifierKey(keys.previous) }
    }
    return logKeys.signedByBoth(keys, note)
      ? null
      : { detail: "the change of keys is not signed by both the key before and the new one" }
  }

  #readGap(entry: EventEntry, bytes: Uint8Array): void {
    const gap = parseGap(decode(bytes))
    const { anchoring, coverage, heartbeats } = this.#rooms
    this.#checkOrigin(entry, gap.origin)
    if (gap.chain === controlChain && gap.source === heartbeatSource) heartbeats.excuse(gap)
    else if (gap.chain === controlChain && gap.source === anchorSource) anchoring.excuse(gap)
    else coverage.addGap(gap, entry.seq)
  }

  #readTombstone(entry: EventEntry, note: Note, leaf: number): string | null {
    const tombstone = parseTombstone(note.text)
    const { erasures, holds, policies } = this.#rooms
    this.#checkOrigin(entry, tombstone.origin)
    const context = { policy: policies.inForce, holds: holds.active, logKeys: this.#signers(), leaf }
    erasures.add(tombstone, note, entry, context)
    return tombstone.done?.evidence ?? null
  }

  #readHold(entry: EventEntry, note: Note): void {
    const hold = parseHold(note.text)
    this.#checkOrigin(entry, hold.origin)
    this.#checkSignature(entry, note, [])
    if (this.#rooms.holds.begin(hold)) return
    const detail = `a hold of the id ${hold.id} is already active`
    this.#add(entry, { code: "HOLD_REPEATED", severity: "notice", question: "erasures", detail })
  }

  #readRelease(entry: EventEntry, note: Note): void {
    const release = parseRelease(note.text)
    const { holds, policies, verifySignature } = this.#rooms
    this.#checkOrigin(entry, release.origin)
    const policy = policies.inForce?.policy
    const named = holds.active.some(({ id }) => id === release.hold)
    const signed = policy !== undefined && (policy.eraseQuorum > 0
      ? hasQuorum(note, policy, verifySignature)
      : verifyNote(note, this.#signers(), verifySignature).verified.length > 0)
    if (named && signed) {
      holds.end(release.hold)
      return
    }
    const detail = named
      ? `the release of hold ${release.hold} lacks the quorum of the policy in force; the hold stays`
      : `the hold ${release.hold} is not active, so it cannot be released`
    this.#add(entry, { code: "RELEASE_UNAUTHORISED", question: "erasures", detail })
  }

  #checkOrigin(entry: EventEntry, origin: string): void {
    const expected = this.#rooms.logKeys.origin
    if (origin === expected) return
    const detail = `the ${entry.kind} document is of another origin`
    this.#add(entry, { code: "ORIGIN_MISMATCH", detail, expected, actual: origin })
  }

  // A document may have been signed before a change of keys and chained after it, but not by a key that the change
  // revoked: whoever stole it could sign anything and have it chained.
  #signers(): ReadonlyArray<VerifierKey> {
    const { believed, timeline } = this.#rooms.logKeys
    return timeline.length === 0
      ? believed
      : timeline.slice(-2).map(({ log }) => log).filter((key) => !this.#isRevoked(key))
  }

  #isRevoked(key: VerifierKey): boolean {
    return this.#rooms.logKeys.timeline.at(-1)?.revoked.some(({ id }) => id === key.id) ?? false
  }

  // The log must have signed; further known signers must not have signed badly.
  #checkSignature(entry: EventEntry, note: Note, further: ReadonlyArray<VerifierKey>): void {
    const signers = this.#signers()
    const { verified, bad } = verifyNote(note, unique([...signers, ...further]), this.#rooms.verifySignature)
    for (const key of bad) {
      this.#add(entry, {
        code: "BAD_SIGNATURE",
        detail: `the signature of ${key.name} on the ${entry.kind} is invalid`
      })
    }
    const isLog = (key: VerifierKey) => signers.some((signer) => sameKey(signer, key))
    if (verified.some(isLog) || bad.some(isLog)) return
    const revoked = this.#rooms.logKeys.believed.filter((key) => this.#isRevoked(key))
    if (verifyNote(note, revoked, this.#rooms.verifySignature).verified.length > 0) {
      const detail = `the ${entry.kind} document is signed by a key that was revoked before it was chained`
      this.#add(entry, { code: "REVOKED_KEY", detail })
    } else {
      this.#add(entry, { code: "UNSIGNED", detail: `the ${entry.kind} document carries no signature of the log` })
    }
  }

  #add(entry: EventEntry, finding: FindingDraft): void {
    this.#rooms.findings.add({ chain: controlChain, seq: entry.seq, ...finding })
  }
}

const unique = (keys: ReadonlyArray<VerifierKey>): Array<VerifierKey> =>
  keys.filter((key, index) => keys.findIndex((other) => sameKey(other, key)) === index)
