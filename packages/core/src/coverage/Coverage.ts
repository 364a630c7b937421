/**
 * What an archive holds of a source, hour by hour: a pure function of the window ledger. An hour has one verdict, the
 * worst of its parts; what is not known is `unknown`, never `complete`.
 */
import type { CollectionLimits } from "../collect/CollectionStrategy.ts"
import type { GapReason } from "../domain/GapReason.ts"
import type { SourceName } from "../domain/Source.ts"
import type { Window } from "../domain/Window.ts"

/** An hour in ms; hours begin at multiples of it (UTC). */
export const hourMs = 3_600_000

/**
 * `complete`: every record the source gave. `sampled`: the source gave a sample. `partial`: records of the hour are
 * known to be missing. `gap`: part of the hour was not collected and will not be. `pending`: not collected yet.
 * `unknown`: nothing says what the source had, for instance before the archive began.
 */
export const verdicts = ["complete", "sampled", "partial", "unknown", "pending", "gap"] as const
/** One of {@link verdicts}. */
export type CoverageVerdict = typeof verdicts[number]

/** One kind of tile within one hour of one source: how much of the hour it covers, ms, and what began in it. */
export interface CoveragePart {
  readonly source: SourceName
  /** Start of the hour, Unix ms. */
  readonly hour: number
  readonly verdict: Exclude<CoverageVerdict, "unknown">
  readonly gapReason: GapReason | null
  readonly ms: number
  /** Records of the windows that start in the hour. */
  readonly records: number
  /** Start of the earliest window of this kind that reaches into the hour, Unix ms. */
  readonly earliest: number
}

/** One hour of one source. */
export interface CoverageHour {
  /** Start of the hour, Unix ms. */
  readonly start: number
  readonly verdict: CoverageVerdict
  /** Reasons of the gaps in the hour, sorted. */
  readonly reasons: ReadonlyArray<GapReason>
  readonly records: number
  /** Time of the hour by verdict, ms; together the whole hour, or the part of it that is over. */
  readonly ms: { readonly [verdict in CoverageVerdict]: number }
  /** When the source forgets the earliest record of a pending hour, Unix ms; null where nothing is pending or lost by waiting. */
  readonly lostAt: number | null
}

/** What a source's timeline says besides its tiles: `startsAt` and `plannedTo` in Unix ms. */
export interface CoveredSource {
  readonly name: SourceName
  readonly startsAt: number
  readonly plannedTo: number
}

const worst = (ms: CoverageHour["ms"]): CoverageVerdict => verdicts.findLast((verdict) => ms[verdict] > 0) ?? "unknown"

const overlap = (from: number, to: number, window: Window): number =>
  Math.max(0, Math.min(to, window.to) - Math.max(from, window.from))

/** One hour from its parts; `end` is the end of the hour or now, whichever is earlier. */
const hourOf = (
  source: CoveredSource,
  limits: CollectionLimits | undefined,
  window: Window,
  parts: ReadonlyArray<CoveragePart>
): CoverageHour => {
  const sum = (verdict: CoverageVerdict): number =>
    parts.reduce((total, part) => total + (part.verdict === verdict ? part.ms : 0), 0)
  const unplannedFrom = Math.max(source.plannedTo, source.startsAt)
  const unplanned = overlap(unplannedFrom, Infinity, window)
  const ms = {
    complete: sum("complete"),
    sampled: sum("sampled"),
    partial: sum("partial"),
    unknown: overlap(-Infinity, source.startsAt, window),
    pending: sum("pending") + unplanned,
    gap: sum("gap")
  }
  const waiting = [
    ...parts.flatMap(({ earliest, verdict }) => verdict === "pending" ? [earliest] : []),
    ...unplanned > 0 ? [Math.max(unplannedFrom, window.from)] : []
  ]
  return {
    start: window.from,
    verdict: worst(ms),
    reasons: [...new Set(parts.flatMap(({ gapReason }) => gapReason === null ? [] : [gapReason]))].sort(),
    records: parts.reduce((total, part) => total + part.records, 0),
    ms,
    lostAt: waiting.length === 0 || limits === undefined || !Number.isFinite(limits.horizonMs)
      ? null
      : Math.min(...waiting) + limits.horizonMs
  }
}

/**
 * The hours of a source that `range` touches, up to now, oldest first. `parts` may hold other sources' too. `limits`
 * are the strategy's; undefined where this process has none, and then nothing says when a pending hour is lost.
 */
export const coverageOf = (
  source: CoveredSource,
  limits: CollectionLimits | undefined,
  range: Window,
  now: number,
  parts: ReadonlyArray<CoveragePart>
): ReadonlyArray<CoverageHour> => {
  const ours = Map.groupBy(parts.filter((part) => part.source === source.name), ({ hour }) => hour)
  const hours: Array<CoverageHour> = []
  for (let start = Math.floor(range.from / hourMs) * hourMs; start < Math.min(range.to, now); start += hourMs) {
    hours.push(hourOf(source, limits, { from: start, to: Math.min(start + hourMs, now) }, ours.get(start) ?? []))
  }
  return hours
}
