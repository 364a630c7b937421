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
  /**
   * A gap reaches this close to the source's horizon. A window is given up at half of it, so that what a gap leaves of
   * a window has the other half to be collected in; the half also covers clock skew and the wait for a request.
   */
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

const minutesUp = (ms: number): number => Math.ceil(ms / 60_000) * 60_000

/** Where a gap of expired time ends, on a whole minute: the oldest start that can still be collected without haste. */
export const oldestCollectable = (now: number, limits: CollectionLimits, options: PlanningOptions): number =>
  minutesUp(now - limits.horizonMs + options.horizonMarginMs)

/** A window that starts before this whole minute is not asked for any more. */
export const givenUpBefore = (now: number, limits: CollectionLimits, options: PlanningOptions): number =>
  minutesUp(now - limits.horizonMs + options.horizonMarginMs / 2)

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
