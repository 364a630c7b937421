/**
 * COMPLETENESS of the ledger itself (ledger format §5): one heartbeat per epoch from genesis to the head, each stating
 * the tree and the heads that the replay finds. Only a declared gap excuses a missing one, and it is always reported.
 */
import { controlChain } from "../Chain.ts"
import type { Gap } from "../Gap.ts"
import type { ChainHead, Heartbeat } from "../Heartbeat.ts"
import { isoTime } from "./Coverage.ts"
import type { Findings } from "./Findings.ts"
import { Intervals } from "./Intervals.ts"

/** Where the replay stands just before an entry. */
export interface ReplayPosition {
  readonly treeSize: number
  readonly heads: ReadonlyArray<ChainHead>
}

/** Epoch length and tolerance, ms. */
export interface HeartbeatPolicy {
  readonly epoch: number
  readonly tolerance: number
}

/** What holds until a policy is read: hourly, ten minutes late at most. */
export const defaultHeartbeatPolicy: HeartbeatPolicy = { epoch: 3_600_000, tolerance: 600_000 }

const headLine = (head: ChainHead): string => `${head.chain} ${head.nextSeq} ${head.hash}`

const firstDifference = (stated: ReadonlyArray<string>, found: ReadonlyArray<string>) => {
  const at = stated.findIndex((line, index) => line !== found[index])
  const index = at < 0 ? stated.length : at
  return { actual: stated[index] ?? "no further head", expected: found[index] ?? "no further head" }
}

/** The heartbeats of one ledger. */
export class Heartbeats {
  readonly #findings: Findings
  readonly #missing: Array<{ readonly from: number; readonly to: number }> = []
  readonly #excuses = new Intervals()
  #policy: HeartbeatPolicy = defaultHeartbeatPolicy
  #nextEpoch: number | null = null
  #count = 0

  constructor(findings: Findings) {
    this.#findings = findings
  }

  /** Heartbeats seen so far. */
  get count(): number {
    return this.#count
  }

  /** The first heartbeat is that of the epoch in which the ledger began. */
  begin(genesisTime: number): void {
    this.#nextEpoch ??= Math.floor(genesisTime / this.#policy.epoch)
  }

  /** Takes over the policy's epoch and tolerance; the epoch may be set only before the first heartbeat. */
  setPolicy(policy: HeartbeatPolicy, genesisTime: number, seq: number): void {
    if (this.#count > 0 && policy.epoch !== this.#policy.epoch) {
      const detail = "the policy changes the heartbeat epoch, which this version cannot follow"
      this.#add({ code: "HEARTBEAT_EPOCH_CHANGED", severity: "inconclusive", seq, detail })
      return
    }
    this.#policy = policy
    if (this.#count === 0) this.#nextEpoch = Math.floor(genesisTime / policy.epoch)
  }

  /** Adds a declared gap of the heartbeats themselves. */
  excuse(gap: Gap): void {
    this.#excuses.add(gap)
  }

  /** Checks a heartbeat against the replay before its entry; `time` is the entry's, ms. */
  add(heartbeat: Heartbeat, entry: { readonly seq: number; readonly time: number }, position: ReplayPosition): void {
    this.#count += 1
    const { seq, time } = entry
    const { epoch } = heartbeat
    this.#compare(heartbeat, position, seq)
    const expected = this.#nextEpoch ?? epoch
    if (epoch < expected) {
      const detail = `the heartbeat of epoch ${epoch} stands where epoch ${expected} is due`
      this.#add({ code: "HEARTBEAT_OUT_OF_ORDER", seq, detail })
      return
    }
    if (epoch > expected) this.#missing.push({ from: expected, to: epoch })
    this.#nextEpoch = epoch + 1
    const end = this.#end(epoch)
    if (time < end - this.#policy.tolerance) {
      const detail = `the heartbeat of epoch ${epoch} was written at ${isoTime(time)}, before the epoch ended`
      this.#add({ code: "HEARTBEAT_EARLY", seq, detail })
    } else if (time > end + this.#policy.tolerance) {
      const detail = `the heartbeat of epoch ${epoch} was written ${time - end} ms after the epoch ended`
      this.#add({ code: "HEARTBEAT_LATE", severity: "notice", seq, detail })
    }
  }

  /** Reports missing epochs, those due at the head time (ms) included. */
  finish(headTime: number): void {
    const next = this.#nextEpoch
    if (next !== null) {
      // The heartbeat of epoch e is overdue when headTime > (e + 1) * epoch + tolerance; this is the first that is not.
      const notYetDue = Math.ceil((headTime - this.#policy.tolerance) / this.#policy.epoch) - 1
      if (notYetDue > next) this.#missing.push({ from: next, to: notYetDue })
    }
    for (const range of this.#missing) this.#reportMissing(range)
  }

  // Splits a range of missing epochs into excused and unexcused runs.
  #reportMissing({ from, to }: { readonly from: number; readonly to: number }): void {
    let start = from
    for (const { from: low, to: high } of this.#excuses.items) {
      const first = Math.max(start, Math.ceil(low / this.#policy.epoch))
      const end = Math.min(to, Math.floor(high / this.#policy.epoch))
      if (first >= end) continue
      this.#reportRun(start, first, "HEARTBEAT_GAP")
      this.#reportRun(first, end, "HEARTBEAT_EXCUSED")
      start = end
    }
    this.#reportRun(start, to, "HEARTBEAT_GAP")
  }

  #reportRun(from: number, to: number, code: "HEARTBEAT_GAP" | "HEARTBEAT_EXCUSED"): void {
    if (from >= to) return
    const epochs = to - from === 1
      ? `the heartbeat of epoch ${from} is`
      : `the heartbeats of epochs ${from} to ${to - 1} are`
    const excused = code === "HEARTBEAT_EXCUSED"
    const period = `(${isoTime(this.#start(from))} to ${isoTime(this.#start(to))})`
    const detail = `${epochs} missing ${period}${excused ? ", excused by a declared gap" : ""}`
    this.#add({ code, severity: excused ? "notice" : "fail", seq: null, detail })
  }

  #compare(heartbeat: Heartbeat, position: ReplayPosition, seq: number): void {
    if (heartbeat.treeSize !== position.treeSize) {
      const [expected, actual] = [`tree-size ${position.treeSize}`, `tree-size ${heartbeat.treeSize}`]
      const detail = "the heartbeat states another tree size than the replay finds"
      this.#add({ code: "HEARTBEAT_HEAD_MISMATCH", seq, detail, expected, actual })
    }
    const [stated, found] = [heartbeat.heads.map(headLine), position.heads.map(headLine)]
    if (stated.join("\n") === found.join("\n")) return
    const detail = "the heartbeat states another chain head than the replay finds"
    this.#add({ code: "HEARTBEAT_HEAD_MISMATCH", seq, detail, ...firstDifference(stated, found) })
  }

  #start(epoch: number): number {
    return epoch * this.#policy.epoch
  }

  #end(epoch: number): number {
    return this.#start(epoch + 1)
  }

  #add(finding: {
    readonly code: string
    readonly severity?: "fail" | "inconclusive" | "notice"
    readonly seq: number | null
    readonly detail: string
    readonly expected?: string
    readonly actual?: string
  }): void {
    this.#findings.add({ question: "completeness", chain: controlChain, ...finding })
  }
}
