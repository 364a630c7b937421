/**
 * Where attention begins: what `GET /health`, `GET /health/worker` and the alerts have in common.
 */

/** A ledger with an entry unpublished for longer than this needs attention, in ms. */
export const publicationLagMs = 600_000

/**
 * How long until a source forgets its oldest uncollected record (Unix ms), ms; null if nothing is uncollected, or nothing
 * is lost by waiting (`horizonMs` is Infinity).
 */
export const timeToLoss = (oldestUncommitted: number | null, horizonMs: number, now: number): number | null =>
  oldestUncommitted === null || !Number.isFinite(horizonMs) ? null : oldestUncommitted + horizonMs - now

/** A source is at risk when less than this part of what it keeps is left for its oldest uncollected record. */
export const riskyPart = 0.25
