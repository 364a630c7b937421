/**
 * Trusted times (ledger format §6): what somebody other than the log attests, that a checkpoint existed at a time. They
 * come from RFC 3161 tokens and from cosignatures of witnesses; each covers every entry below its tree size.
 */

/** A checkpoint of `size` entries existed at `time` (ms). */
export interface TrustedTime {
  readonly size: number
  readonly time: number
  /** Who says so, for a person. */
  readonly by: string
  /** The file it was read from. */
  readonly key: string
  /** When the certificates behind it expire, ms; null when nothing expires. */
  readonly expires: number | null
}

/** Answers, for leaf indexes in ascending order, the earliest trusted time over an entry. */
export class EarliestTimes {
  readonly #sizes: ReadonlyArray<number>
  readonly #earliest: ReadonlyArray<TrustedTime>
  #at = 0

  constructor(times: ReadonlyArray<TrustedTime>) {
    const sorted = [...times].sort((left, right) => left.size - right.size || left.time - right.time)
    const earliest: Array<TrustedTime> = []
    for (const time of sorted.toReversed()) {
      const after = earliest.at(-1)
      earliest.push(after !== undefined && after.time < time.time ? after : time)
    }
    this.#sizes = sorted.map(({ size }) => size)
    this.#earliest = earliest.toReversed()
  }

  /** The earliest time over the entry at `index`, which must not be smaller than in the call before; null if none. */
  over(index: number): TrustedTime | null {
    while ((this.#sizes[this.#at] ?? Number.POSITIVE_INFINITY) <= index) this.#at += 1
    return this.#earliest[this.#at] ?? null
  }
}

/**
 * The times whose certificates have expired by `now` (ms) and which no later time, itself still good, has covered
 * before they did.
 */
export const needingRenewal = (times: ReadonlyArray<TrustedTime>, now: number): ReadonlyArray<TrustedTime> => {
  const good: Array<TrustedTime> = []
  const needing: Array<TrustedTime> = []
  for (const time of [...times].sort((left, right) => right.time - left.time)) {
    const { expires } = time
    const renewed = (later: TrustedTime) =>
      expires !== null && later.time > time.time && later.time <= expires && later.size >= time.size
    if (expires === null || expires >= now || good.findLast(renewed) !== undefined) good.push(time)
    else needing.push(time)
  }
  return needing
}
