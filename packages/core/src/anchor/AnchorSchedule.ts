/**
 * When a ledger must be shown to an anchor again (ledger format §6): often enough that every entry gets a trusted time
 * within the policy's lag, at most once per interval, and not for the anchors' own events alone.
 */

/** The pace that follows from a policy, ms. */
export interface AnchorPace {
  /** The longest time from an entry to its trusted time. */
  readonly lagMs: number
  /** The least time between two stamps of one ledger by one anchor: a quarter of the lag, at least a second. */
  readonly intervalMs: number
}

/** What an anchor has not seen of a ledger. Times in Unix ms; null: there is none. */
export interface Unseen {
  /** Time and leaf index of the oldest unseen entry that is not an `anchored` event. */
  readonly entry: UnseenEntry | null
  /** The same of the oldest unseen entry of any kind. */
  readonly any: UnseenEntry | null
}

/** One entry that an anchor has not seen. */
export interface UnseenEntry {
  readonly time: number
  readonly index: number
}

/** What is known of an anchor's last receipt for a ledger. Times in Unix ms. */
export interface LastReceipt {
  /** Tree size it covers. */
  readonly size: number
  readonly time: number
  /** When what it rests on expires; null when nothing does, or it is not known. */
  readonly expires: number | null
}

/** A receipt that expires within this time is renewed by a newer one, ms. */
export const renewalMs = 30 * 86_400_000

/** Renewals of a ledger by one anchor are at least this far apart, ms: a new receipt may expire as soon as the old. */
export const renewalIntervalMs = 86_400_000

/** The pace under a policy's `anchor-lag` (ms). */
export const paceOf = (lagMs: number): AnchorPace => ({ lagMs, intervalMs: Math.max(1_000, Math.floor(lagMs / 4)) })

/** A stamp that is due, and for what. */
export interface Due {
  /** Unix ms. */
  readonly at: number
  /** The checkpoint must be larger than this leaf index. */
  readonly index: number
}

/**
 * When the next stamp is due, or null: none until there is a new entry. `trusted`: the anchor's receipts give a trusted
 * time.
 *
 * Each stamp appends an `anchored` event, which needs a trusted time like any entry. A heartbeat or another entry
 * commonly comes within the lag and is stamped together with it; only where none does, the event itself is stamped
 * after three quarters of the lag.
 */
export const nextDue = (
  state: { readonly unseen: Unseen; readonly last: LastReceipt | null; readonly trusted: boolean },
  pace: AnchorPace
): Due | null => {
  const { last, trusted, unseen: { any, entry } } = state
  const earliest = last === null ? 0 : last.time + pace.intervalMs
  const candidates: Array<Due> = []
  if (entry !== null) candidates.push({ at: Math.max(entry.time, earliest), index: entry.index })
  if (any !== null && trusted) {
    candidates.push({ at: Math.max(any.time + Math.floor(pace.lagMs * 3 / 4), earliest), index: any.index })
  }
  if (last !== null && last.expires !== null) {
    candidates.push({ at: Math.max(last.expires - renewalMs, last.time + renewalIntervalMs), index: last.size })
  }
  return candidates.reduce<Due | null>((first, due) => first === null || due.at < first.at ? due : first, null)
}

/**
 * The stretch `[from, to)` (Unix ms) that a gap must declare, when a receipt of time `time` comes later than the lag
 * allows for the oldest entry without a trusted time; null when it is in time.
 */
export const lateStretch = (
  oldest: number | null,
  time: number,
  pace: AnchorPace
): { readonly from: number; readonly to: number } | null =>
  oldest === null || time <= oldest + pace.lagMs ? null : { from: oldest, to: time }

/**
 * Since when (Unix ms) a ledger owes an anchor a stamp, at `now`; null when it owes none. The anchors' own events count
 * from when they would be stamped for their own sake.
 */
export const owedSince = ({ any, entry }: Unseen, pace: AnchorPace, now: number): number | null => {
  if (any !== null && now >= any.time + Math.floor(pace.lagMs * 3 / 4)) return any.time
  return entry?.time ?? null
}
