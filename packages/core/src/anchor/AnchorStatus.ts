/**
 * How the anchors are doing, over all ledgers, for people and for `GET /health`.
 */
import type { AnchorType } from "@rainlogs/verify/Anchored"
import { type Anchor, isTrusted } from "./Anchor.ts"
import type { AnchorAlarm, LastFailure } from "./AnchorAlarm.ts"
import type { AnchoredLedger } from "./AnchoredLedger.ts"

/** One anchor. Times in Unix ms, durations in ms; null: none yet. */
export interface AnchorStatus {
  readonly id: string
  readonly type: AnchorType
  /** Ledgers it has given a receipt for. */
  readonly ledgers: number
  /** Its newest receipt of any ledger. */
  readonly lastTime: number | null
  /** How long the oldest entry waits that it owes a receipt for. */
  readonly longestDebtMs: number
  /** Ledgers that have waited longer than their policy's lag. */
  readonly overdue: number
  /** When the certificate behind its newest receipt expires. */
  readonly expires: number | null
  /** Null once it gave a receipt again. */
  readonly lastFailure: LastFailure | null
}

/** All anchors together. */
export interface AnchorsStatus {
  readonly anchors: ReadonlyArray<AnchorStatus>
  /** Ledgers that have waited for some anchor for longer than their policy's lag. */
  readonly overdueLedgers: number
  /** How long the oldest entry waits for a trusted time, ms; null when no anchor gives one. */
  readonly trustedDebtMs: number | null
}

/** Gathers the state at `now`, Unix ms. */
export const make = (
  anchors: ReadonlyArray<Anchor>,
  ledgers: ReadonlyArray<AnchoredLedger>,
  alarm: AnchorAlarm,
  now: number
): AnchorsStatus => ({
  anchors: anchors.map(({ id, type }) => {
    const times = ledgers.flatMap((ledger) => ledger.last(id)?.time ?? [])
    return {
      id,
      type,
      ledgers: times.length,
      lastTime: times.reduce<number | null>((newest, time) => Math.max(newest ?? 0, time), null),
      longestDebtMs: ledgers.reduce((longest, ledger) => Math.max(longest, ledger.debt(id, now)), 0),
      overdue: ledgers.filter((ledger) => ledger.isOverdue(id, now)).length,
      expires: alarm.expiryOf(id),
      lastFailure: alarm.lastFailureOf(id)
    }
  }),
  overdueLedgers: ledgers.filter((ledger) => anchors.some(({ id }) => ledger.isOverdue(id, now))).length,
  trustedDebtMs: anchors.some(({ type }) => isTrusted(type))
    ? ledgers.reduce((longest, ledger) => Math.max(longest, ledger.trustedDebt(now)), 0)
    : null
})
