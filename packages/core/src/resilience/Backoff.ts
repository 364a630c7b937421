/**
 * Exponential backoff with full jitter, and the server's own wish (`Retry-After`, RFC 9110 §10.2.3) as its floor.
 * Full jitter spreads the retries of many callers over the whole interval, so that they do not return as one wave.
 */
import { Effect, Random } from "effect"

/** How the delay grows: `baseMs` doubles with each attempt up to `capMs`; both in ms. */
export interface BackoffOptions {
  readonly baseMs: number
  readonly capMs: number
}

/** Retries of a window: 1 s doubling to 5 min, the longest a limited API asks us to stay away. */
export const defaultBackoff: BackoffOptions = { baseMs: 1_000, capMs: 300_000 }

/** No server's wish is followed for longer than a day, ms: a broken header must not stop a zone for ever. */
export const longestRetryAfterMs = 86_400_000

/**
 * The longest delay before retry number `attempt`, ms. `attempt` counts from 0; anything below is taken as 0.
 */
export const ceiling = (policy: BackoffOptions, attempt: number): number =>
  Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(Math.max(0, Math.floor(attempt)), 64))

/**
 * Draws the delay before retry number `attempt` (from 0), in whole ms: uniform in `[0, ceiling]`, and never below
 * `retryAfterMs`, the server's wish. Drawn from the `Random` service, so `Random.withSeed` makes it repeatable.
 */
export const delay = Effect.fnUntraced(function*(
  policy: BackoffOptions,
  attempt: number,
  retryAfterMs: number | null
): Effect.fn.Return<number> {
  const drawn = yield* Random.nextIntBetween(0, ceiling(policy, attempt))
  return retryAfterMs === null ? drawn : Math.max(drawn, retryAfterMs)
})

const httpDate = /^[A-Za-z]{3,9},? [0-9A-Za-z :-]+(?: GMT)?$/

/**
 * Reads a `Retry-After` header, delta seconds or an HTTP date, as ms from `nowMs` (Unix ms); null when it is absent
 * or not understood. A date in the past is 0; the result is at most {@link longestRetryAfterMs}.
 */
export const parseRetryAfter = (header: string | undefined, nowMs: number): number | null => {
  const text = header?.trim() ?? ""
  if (/^[0-9]+(?:\.[0-9]+)?$/.test(text)) return Math.min(Math.ceil(Number(text) * 1_000), longestRetryAfterMs)
  if (!httpDate.test(text)) return null
  const at = Date.parse(text)
  return Number.isNaN(at) ? null : Math.min(Math.max(0, at - nowMs), longestRetryAfterMs)
}
