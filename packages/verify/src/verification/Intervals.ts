/**
 * A set of half-open intervals, kept merged: memory grows with the number of holes, not of windows.
 */

/** `[from, to)`. */
export interface Interval {
  readonly from: number
  readonly to: number
}

/** Disjoint, sorted, never touching intervals. */
export class Intervals {
  readonly #items: Array<Interval> = []

  /** The merged intervals, ascending. */
  get items(): ReadonlyArray<Interval> {
    return this.#items
  }

  /** Adds an interval and answers its first overlap with what was there, or null. */
  add(interval: Interval): Interval | null {
    const first = this.#firstEndingAtOrAfter(interval.from)
    let { from, to } = interval
    let overlap: Interval | null = null
    let last = first
    for (; last < this.#items.length; last++) {
      const item = this.#items[last]
      if (item === undefined || item.from > interval.to) break
      const common = { from: Math.max(item.from, interval.from), to: Math.min(item.to, interval.to) }
      if (overlap === null && common.from < common.to) overlap = common
      from = Math.min(from, item.from)
      to = Math.max(to, item.to)
    }
    this.#items.splice(first, last - first, { from, to })
    return overlap
  }

  /** The holes between the intervals. */
  holes(): Array<Interval> {
    return this.#items.slice(1).map((item, index) => ({ from: this.#items[index]?.to ?? item.from, to: item.from }))
  }

  #firstEndingAtOrAfter(time: number): number {
    let [low, high] = [0, this.#items.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#items[middle]?.to ?? 0) < time) low = middle + 1
      else high = middle
    }
    return low
  }
}
