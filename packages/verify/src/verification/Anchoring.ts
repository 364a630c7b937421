/**
 * ANCHORING (ledger format §6): every entry needs a trusted time no later than its own time plus the lag of the policy
 * in force. A history that was rewritten and anchored afresh breaks this for every rewritten entry.
 */
import type { Anchored } from "../Anchored.ts"
import { receiptPath } from "../Anchored.ts"
import { controlChain } from "../Chain.ts"
import type { Entry } from "../Entry.ts"
import { isoTime } from "./Coverage.ts"
import type { FindingDraft, Findings } from "./Findings.ts"
import type { LedgerFiles } from "./LedgerFiles.ts"
import type { Receipts } from "./Receipts.ts"
import { EarliestTimes, needingRenewal, type TrustedTime } from "./TrustedTimes.ts"

/** Lag until a policy states one, ms. */
export const defaultAnchorLag = 7_200_000
/** How far the clocks of the log and of an anchor may differ, ms. */
export const clockSkew = 300_000

/** What staleness is judged by. */
export interface Freshness {
  /** The moment of the question, ms. */
  readonly asOf: number
  /** How old the newest trusted time may be then, ms. */
  readonly maxStaleness: number
}

interface Late {
  readonly entry: Entry
  readonly lag: number
  readonly over: TrustedTime
}

// Enough to explain; the rest is counted.
const lateKept = 1000

/** Judges the times of all entries, in the order of the replay. */
export class Anchoring {
  readonly #findings: Findings
  readonly #files: LedgerFiles
  readonly #receipts: Receipts
  readonly #earliest: EarliestTimes
  readonly #excuses: Array<{ readonly from: number; readonly to: number }> = []
  readonly #late: Array<Late> = []
  /** Null until the first policy; what comes before it waits for that one. */
  #lag: number | null = null
  #waiting: Array<Omit<Late, "lag">> = []
  #beacon = 0
  #uncovered: { readonly first: number; readonly time: number } | null = null
  #lateCount = 0

  constructor(source: { readonly findings: Findings; readonly files: LedgerFiles; readonly receipts: Receipts }) {
    this.#findings = source.findings
    this.#files = source.files
    this.#receipts = source.receipts
    this.#earliest = new EarliestTimes(source.receipts.times)
  }

  /** The lag from the next entry on, ms. */
  setLag(lag: number): void {
    this.#lag = lag
    for (const item of this.#waiting) this.#checkLag({ lag, ...item })
    this.#waiting = []
  }

  /** A declared stretch `[from, to)` (ms) in which nothing could be anchored. */
  excuse(gap: { readonly from: number; readonly to: number }): void {
    this.#excuses.push(gap)
  }

  /** Takes the entry at leaf `index`. */
  add(entry: Entry, index: number): void {
    const over = this.#earliest.over(index)
    if (entry.time < this.#beacon - clockSkew) {
      this.#at(entry, {
        code: "TIME_BEFORE_BEACON",
        detail: "the entry states a time before that of an anchor receipt chained before it",
        expected: `at or after ${isoTime(this.#beacon)}`,
        actual: isoTime(entry.time)
      })
    }
    if (over === null) {
      this.#uncovered ??= { first: index, time: entry.time }
      return
    }
    if (entry.time > over.time + clockSkew) {
      this.#at(entry, {
        code: "TIME_AFTER_ANCHOR",
        detail: `the entry states a time after ${over.by} already attested it`,
        key: over.key,
        expected: `at or before ${isoTime(over.time)}`,
        actual: isoTime(entry.time)
      })
    }
    if (this.#lag !== null) this.#checkLag({ entry, lag: this.#lag, over })
    else if (this.#waiting.length < lateKept) this.#waiting.push({ entry, over })
  }

  #checkLag(item: Late): void {
    if (item.over.time <= item.entry.time + item.lag) return
    this.#lateCount += 1
    if (this.#late.length < lateKept) this.#late.push(item)
  }

  /** Takes an `anchored` document: its receipt must be there as it was chained. */
  addReceipt(anchored: Anchored, entry: { readonly seq: number }): void {
    const path = receiptPath(anchored)
    const key = `${this.#files.prefix}/${path}`
    const actual = this.#receipts.hashes.get(path)
    if (actual === undefined) {
      const detail = "the receipt that was chained is not there"
      this.#control(entry.seq, { code: "ANCHOR_MISSING", severity: "inconclusive", detail, key })
      return
    }
    if (actual !== anchored.receipt) {
      const detail = "the receipt is not the one that was chained"
      this.#control(entry.seq, { code: "ANCHOR_MISMATCH", detail, key, expected: anchored.receipt, actual })
    }
    for (const time of this.#receipts.times) {
      if (time.key === key) this.#beacon = Math.max(this.#beacon, time.time)
    }
  }

  /** Concludes; `headTime` (ms) is the newest entry's, `now` the moment of the verification. */
  finish(headTime: number | null, now: number, freshness: Freshness | null): void {
    const { hashes, times, untrusted } = this.#receipts
    if (this.#lag === null) this.setLag(defaultAnchorLag)
    const lag = this.#lag ?? defaultAnchorLag
    this.#reportLate()
    const newest = times.reduce((latest, { time }) => Math.max(latest, time), 0)
    if (times.length === 0) {
      const detail = hashes.size === 0
        ? "nothing outside the archive attests the time or the head of this ledger"
        : "there are receipts, but none is of an anchor that was given as trusted (--tsa-root, --key, --policy)"
      this.#find({ code: "NO_ANCHOR", severity: "inconclusive", detail })
    }
    const overdue = times.length > 0 && this.#reportUncovered(headTime, lag, freshness)
    const open = times.length === 0 || overdue || this.#lateCount > 0
    for (const finding of untrusted) this.#find({ severity: open ? "inconclusive" : "notice", ...finding })
    const needing = needingRenewal(times, now)
    for (const { by, expires, key } of needing) {
      const detail = `the certificates of ${by} have expired and no later anchor covers this one`
      const actual = isoTime(expires ?? 0)
      this.#find({ code: "ANCHOR_NEEDS_RENEWAL", severity: "inconclusive", detail, key, actual })
    }
    if (freshness !== null && newest < freshness.asOf - freshness.maxStaleness) {
      this.#findings.add({
        code: "STALE",
        question: "completeness",
        severity: "inconclusive",
        detail: "no trusted time is recent enough: a tail may have been cut off",
        expected: `at or after ${isoTime(freshness.asOf - freshness.maxStaleness)}`,
        actual: times.length === 0 ? "none" : isoTime(newest)
      })
    }
    if (!this.#findings.passes("integrity")) {
      const detail = "the times speak of a ledger whose integrity is not proven"
      this.#find({ code: "INTEGRITY_NOT_PROVEN", severity: "inconclusive", detail })
    }
  }

  // Entries after the newest anchor: a matter of time while they are younger than the lag.
  #reportUncovered(headTime: number | null, lag: number, freshness: Freshness | null): boolean {
    if (this.#uncovered === null || headTime === null) return false
    const { first, time } = this.#uncovered
    const at = freshness?.asOf ?? headTime
    const overdue = at - time > lag
    const detail = `entries from leaf ${first} on have no trusted time yet`
    const [code, severity] = overdue
      ? ["ANCHOR_OVERDUE", "inconclusive"] as const
      : ["ANCHOR_PENDING", "notice"] as const
    this.#find({ code, severity, detail, expected: `by ${isoTime(time + lag)}`, actual: `at ${isoTime(at)}` })
    return overdue
  }

  #reportLate(): void {
    for (const { entry, lag, over: { by, key, time } } of this.#late) {
      const excused = this.#excuses.some(({ from, to }) => from <= entry.time && entry.time < to && time <= to + lag)
      this.#at(entry, {
        code: excused ? "ANCHOR_LATE" : "ANCHOR_LAG_EXCEEDED",
        severity: excused ? "inconclusive" : "fail",
        detail: excused
          ? `${by} attested the entry only later than the policy allows; the ledger declares an outage of its anchors`
          : `${by} attested the entry only later than the policy allows: it may have been written afterwards`,
        key,
        expected: `by ${isoTime(entry.time + lag)}`,
        actual: isoTime(time)
      })
    }
    const more = this.#lateCount - this.#late.length
    if (more > 0) this.#find({ code: "ANCHOR_LAG_EXCEEDED", detail: `${more} more entries were attested too late` })
  }

  #at(entry: Entry, finding: FindingDraft): void {
    this.#find({ chain: entry.chain, seq: entry.seq, ...finding })
  }

  #control(seq: number, finding: FindingDraft): void {
    this.#find({ chain: controlChain, seq, ...finding })
  }

  #find(finding: FindingDraft): void {
    this.#findings.add({ question: "anchoring", ...finding })
  }
}
