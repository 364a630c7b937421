/**
 * How a source's timeline is cut into windows: a pure function of where it ends, what time it is and the limits.
 * A backlog is cut into the longest allowed windows on their grid; at the fresh end a window is as long as the live grid.
 */
import type { CollectionLimits } from "../collect/CollectionStrategy.ts"
import { endOnGrid, type Window } from "../domain/Window.ts"

/** What the planner may choose; all in ms. */
export interface PlanningOptions {
  /** Length of the windows at the fresh end. */
  readonly liveWindowMs: number
  /** The longest window planned, if the source allows it. */
  readonly longestWindowMs: number
  /** How long before the source forgets a range it is given up: covers clock skew and the length of a pull. */
  readonly horizonMarginMs: number
  /** At most so many windows are planned for a source in one round. */
  readonly mostWindows: number
}

/** Five-minute live windows, an hour at most, ten minutes of margin, a thousand windows a round. */
export const defaultPlanning: PlanningOptions = {
  liveWindowMs: 300_000,
  longestWindowMs: 3_600_000,
  horizonMarginMs: 600_000,
  mostWindows: 1000
}

/** The oldest start the source still answers for, rounded up to the minute; what starts earlier is lost. */
export const oldestCollectable = (now: number, limits: CollectionLimits, options: PlanningOptions): number =>
  Math.ceil((now - limits.horizonMs + options.horizonMarginMs) / 60_000) * 60_000

/** The end of what is settled, rounded down to the live grid; nothing later is planned. */
export const settledUntil = (now: number, limits: CollectionLimits, options: PlanningOptions): number =>
  Math.floor((now - limits.settleMs) / options.liveWindowMs) * options.liveWindowMs

/**
 * Contiguous windows from `from` up to `until`, each to the next multiple of `longestMs`. A source that is behind gets
 * long windows, few requests; one that keeps up gets a live window each time `until` moves on (`settledUntil`).
 */
export const planWindows = (
  from: number,
  until: number,
  longestMs: number,
  options: Pick<PlanningOptions, "mostWindows">
): ReadonlyArray<Window> => {
  const windows: Array<Window> = []
  for (let start = from; start < until && windows.length < options.mostWindows;) {
    const end = endOnGrid(start, longestMs, until)
    windows.push({ from: start, to: end })
    start = end
  }
  return windows
}
