/**
 * Where attention begins: what `GET /health`, `GET /health/worker` and the alerts have in common.
 */

/** A ledger with an entry unpublished for longer than this needs attention, in ms. */
export const publicationLagMs = 600_000

/** A source is at risk when less than this part of what it keeps is left for its oldest uncollected record. */
export const riskyPart = 0.25
