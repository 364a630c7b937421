/**
 * ERASURES (ledger format §7): every tombstone as its entry comes up in the replay, and, once everything was read,
 * whether each deletion was lawful and was really done.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import { controlChain } from "../Chain.ts"
import type { Verify } from "../Ed25519.ts"
import type { EventEntry, ObjectEntry } from "../Entry.ts"
import type { Hold } from "../Hold.ts"
import { type Note, verifyNote } from "../Note.ts"
import type { Tombstone, TombstoneExecution, TombstoneTarget } from "../Tombstone.ts"
import type { VerifierKey } from "../VerifierKey.ts"
import { clockSkew } from "./Anchoring.ts"
import { isoTime } from "./Coverage.ts"
import { dueAt, isAuthorised } from "./ErasureRules.ts"
import type { FindingDraft, Findings } from "./Findings.ts"
import { holdOver } from "./Holds.ts"
import type { ObjectLeaves } from "./ObjectLeaves.ts"
import type { MissingObject } from "./Objects.ts"
import { type PolicyInForce, retentionDays } from "./Policies.ts"

/** What is in force where a tombstone stands in the control chain. */
export interface TombstoneContext {
  readonly policy: PolicyInForce | null
  readonly holds: ReadonlyArray<Hold>
  /** Keys of the log that may have signed it. */
  readonly logKeys: ReadonlyArray<VerifierKey>
  /** Leaf of its entry: a target must stand before it. */
  readonly leaf: number
}

interface Intent {
  readonly tombstone: Tombstone
  readonly entry: EventEntry
  readonly note: Note
  readonly context: TombstoneContext
}

interface Execution extends Intent {
  readonly intent: (Intent & { readonly authorised: boolean }) | null
}

/** What was said about the erasure of one object. */
export type ErasureState = "announced" | "done" | "unlawful"

/** What the erasures are judged with. */
export interface ErasureSource {
  readonly reader: ArchiveReader
  readonly findings: Findings
  readonly leaves: ObjectLeaves
  readonly verifySignature: Verify
  /** Whether this archive should hold the object of an entry; a bundle holds only some. */
  readonly expected: (entry: ObjectEntry) => boolean
}

const targetName = ({ chain, seq }: { readonly chain: string; readonly seq: number }): string => `${chain} ${seq}`

// All that the report must repeat of the announcement.
const promise = (tombstone: Tombstone): string => JSON.stringify({ ...tombstone, done: null })

/** The tombstones of one ledger. */
export class Erasures {
  readonly #source: ErasureSource
  readonly #intents = new Map<string, Intent & { readonly authorised: boolean }>()
  readonly #executions: Array<Execution> = []
  readonly #states = new Map<string, ErasureState>()

  constructor(source: ErasureSource) {
    this.#source = source
  }

  /** Erasures reported done. */
  get executed(): number {
    return this.#executions.length
  }

  /** Takes the next tombstone, with what is in force at its place. */
  add(tombstone: Tombstone, note: Note, entry: EventEntry, context: TombstoneContext): void {
    const item = { tombstone, entry, note, context }
    if (tombstone.done === null) {
      this.#intents.set(entry.hash, { ...item, authorised: this.#checkIntent(item) })
      for (const target of tombstone.targets) {
        const name = targetName(target)
        if (!this.#states.has(name)) this.#states.set(name, "announced")
      }
      return
    }
    const intent = this.#intents.get(tombstone.done.intent) ?? null
    this.#executions.push({ ...item, intent })
    for (const target of tombstone.targets) this.#states.set(targetName(target), "done")
  }

  /** Judges all erasures, given the objects that are not stored. */
  async finish(missing: ReadonlyArray<MissingObject>): Promise<void> {
    const absent = new Set(missing.map(targetName))
    for (const execution of this.#executions) await this.#judge(execution, absent)
    for (const object of missing) this.#reportMissing(object)
    const announced = [...this.#states].filter(([name, state]) => state === "announced" && !absent.has(name)).length
    if (announced > 0) {
      const detail = `${announced} objects are announced to be erased and still there`
      this.#find({ code: "ERASURE_PENDING", severity: "notice", detail })
    }
    if (!this.#source.findings.passes("integrity")) {
      const detail = "the statements rest on a ledger whose integrity is not proven"
      this.#find({ code: "INTEGRITY_NOT_PROVEN", severity: "inconclusive", detail })
    }
  }

  // Whether the announcement was authorised under the policy in force.
  #checkIntent({ context: { logKeys, policy }, entry, note, tombstone }: Intent): boolean {
    const { verifySignature } = this.#source
    if (policy === null || tombstone.policy !== policy.hash) {
      const detail = "the tombstone rests on a policy that is not the one in force"
      const expected = policy?.hash ?? "no policy"
      this.#at(entry, { code: "TOMBSTONE_UNAUTHORISED", detail, expected, actual: tombstone.policy })
      return false
    }
    const byLog = verifyNote(note, logKeys, verifySignature)
    const approvers = verifyNote(note, policy.policy.approvers, verifySignature)
    for (const key of [...byLog.bad, ...approvers.bad]) {
      this.#at(entry, { code: "BAD_SIGNATURE", detail: `the signature of ${key.name} on the tombstone is invalid` })
    }
    const quorum = policy.policy.eraseQuorum
    const logSigned = byLog.verified.length > 0
    const authorised = isAuthorised(tombstone.reason, note, { policy: policy.policy, logSigned, verifySignature })
    if (authorised) return true
    this.#at(entry, {
      code: "TOMBSTONE_UNAUTHORISED",
      detail: `an erasure for ${tombstone.reason} is not authorised by those whom the policy in force names`,
      expected: tombstone.reason === "retention" ? "the log, or the quorum" : `${quorum} approvers`,
      actual: `${approvers.verified.length} approvers`
    })
    return false
  }

  async #judge(execution: Execution, absent: ReadonlySet<string>): Promise<void> {
    const { entry, intent, tombstone } = execution
    const { done } = tombstone
    if (done === null) return
    let lawful = intent?.authorised === true
    for (const finding of this.#objections(execution, done)) {
      lawful = false
      this.#at(entry, finding)
    }
    for (const target of tombstone.targets) {
      const named = await this.#target(target, execution)
      const finding = "code" in named ? named : this.#targetObjection(named, execution, done.executed)
      if (finding !== null) this.#find({ chain: target.chain, seq: target.seq, ...finding })
      if (finding !== null || !lawful) this.#states.set(targetName(target), "unlawful")
      if (!("code" in named)) await this.#checkGone(named, tombstone, absent)
    }
  }

  // What speaks against the report that an erasure was done, whatever its targets are.
  *#objections(
    { context, entry, intent, note, tombstone }: Execution,
    done: TombstoneExecution
  ): Generator<FindingDraft> {
    const { bad, verified } = verifyNote(note, context.logKeys, this.#source.verifySignature)
    for (const key of bad) {
      yield { code: "BAD_SIGNATURE", detail: `the signature of ${key.name} on the tombstone is invalid` }
    }
    if (verified.length === 0) {
      yield { code: "TOMBSTONE_UNAUTHORISED", detail: "the log did not sign that the erasure was done" }
    }
    if (intent === null || promise(intent.tombstone) !== promise(tombstone)) {
      const detail = intent === null
        ? "the erasure was not announced by the intent it names"
        : "the erasure is not the one that its intent announced"
      yield { code: "TOMBSTONE_UNAUTHORISED", detail, expected: done.intent }
    }
    const earliest = Math.max(tombstone.notBefore, intent === null ? 0 : intent.entry.time - clockSkew)
    if (done.executed < earliest || done.executed > entry.time + clockSkew) {
      yield {
        code: "TOMBSTONE_UNAUTHORISED",
        detail: "the erasure was done before it was announced and due, or after it was reported",
        expected: `${isoTime(earliest)} to ${isoTime(entry.time)}`,
        actual: isoTime(done.executed)
      }
    }
  }

  // The entry that a target names, or what is wrong with the name.
  async #target(target: TombstoneTarget, { context }: Execution): Promise<ObjectEntry | FindingDraft> {
    const { leaves } = this.#source
    const leaf = leaves.leaf(target.chain, target.seq)
    const entry = await leaves.entry(target.chain, target.seq)
    const code = "TOMBSTONE_TARGET_MISMATCH"
    if (entry === null || leaf === null || leaf >= context.leaf) {
      return { code, detail: "the tombstone names an entry that there is not before it" }
    }
    if (entry.object === target.object && entry.hash === target.hash) return entry
    const [expected, actual] = [`${entry.object} ${entry.hash}`, `${target.object} ${target.hash}`]
    return { code, detail: "the tombstone names another object than the entry's", expected, actual }
  }

  // Why this entry's object must not have been erased, or null.
  #targetObjection(
    entry: ObjectEntry,
    { context, intent, tombstone }: Execution,
    executed: number
  ): FindingDraft | null {
    const hold = holdOver(context.holds, entry.chain, entry.window)
    if (hold !== null) {
      return { code: "HOLD_VIOLATION", detail: `the object was erased while the legal hold ${hold.id} was active` }
    }
    if (tombstone.reason !== "retention") return null
    const policies = [intent?.context.policy, context.policy].flatMap((policy) => policy ? [policy.policy] : [])
    const days = Math.max(0, ...policies.map((policy) => retentionDays(policy)))
    const due = dueAt(entry.window.to, days)
    if (policies.length > 0 && executed >= due) return null
    const detail = `the object was erased before the ${days} days of the policy in force had passed`
    return { code: "RETENTION_VIOLATION", detail, expected: `after ${isoTime(due)}`, actual: isoTime(executed) }
  }

  async #checkGone(entry: ObjectEntry, tombstone: Tombstone, absent: ReadonlySet<string>): Promise<void> {
    if (entry.key === null || !this.#source.expected(entry)) return
    const { chain, seq } = entry
    const key = tombstone.method === "delete" ? entry.key : entry.dek === null ? null : `keys/${entry.dek}`
    if (key === null) {
      const detail = "the object was never encrypted, so destroying a key cannot have erased it"
      if (!absent.has(targetName(entry))) {
        this.#find({ code: "ERASURE_NOT_EXECUTED", chain, seq, detail, key: entry.key })
      }
      return
    }
    const there = tombstone.method === "delete" ? !absent.has(targetName(entry)) : await this.#exists(key)
    if (!there) return
    const what = tombstone.method === "delete" ? "object" : "wrapped data key"
    const detail = `the erasure is reported done, but the ${what} is still there`
    this.#find({ code: "ERASURE_NOT_EXECUTED", chain, seq, detail, key })
  }

  async #exists(key: string): Promise<boolean> {
    for await (const file of this.#source.reader.list(key)) if (file.key === key) return true
    return false
  }

  #reportMissing({ chain, key, seq }: MissingObject): void {
    const state = this.#states.get(targetName({ chain, seq }))
    if (state === "unlawful") {
      const detail = "the object is missing under a tombstone that does not authorise its erasure"
      this.#find({ code: "UNAUTHORISED_DELETION", chain, seq, detail, key })
    } else if (state === "done") {
      const detail = "the object is missing under a tombstone"
      this.#find({ code: "DELETED_AUTHORISED", severity: "notice", chain, seq, detail, key })
    } else if (state === "announced") {
      const detail = "the object is missing; a tombstone announces its erasure but none reports it done"
      this.#find({ code: "DELETION_INCOMPLETE", severity: "inconclusive", chain, seq, detail, key })
    } else {
      const detail = "the object is missing and no tombstone names it"
      this.#source.findings.add({ code: "UNAUTHORISED_DELETION", chain, seq, detail, key })
    }
  }

  #at(entry: EventEntry, finding: FindingDraft): void {
    this.#find({ chain: controlChain, seq: entry.seq, ...finding })
  }

  #find(finding: FindingDraft): void {
    this.#source.findings.add({ question: "erasures", ...finding })
  }
}
