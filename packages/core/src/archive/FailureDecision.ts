/**
 * What to do with a window whose attempt failed: a pure decision on the failure's category. A window is
 * retried until the source has forgotten it, and then the planner declares a gap; only where a zone reads back less far
 * than its source may is that found out here.
 */
import type { CollectionLimits } from "../collect/CollectionStrategy.ts"
import type { BlockReason } from "../domain/Source.ts"
import { duration, type Window } from "../domain/Window.ts"

/** A failed attempt: `category` as in `CollectionError`, or where on our side it failed. */
export interface Failure {
  readonly category:
    | "throttled"
    | "transient"
    | "malformed"
    | "oversize"
    | "not-ready"
    | "expired"
    | "unauthorised"
    | "blocked"
    | "rejected"
    | "storage"
    | "storage-full"
    | "internal"
  readonly code: string
  readonly detail: string
  readonly remedy: string | null
  readonly retryAfterMs: number | null
}

/**
 * `retry` waits an exponential back-off of `attempt` (or the server's wish, if longer); `postpone` waits `delayMs` and
 * does not count as a failure; `split` cuts the window, and `lesson` says whether its length was to blame, so that the
 * next are to be planned shorter; `give-up` makes the window a gap: the zone reads back less far than its source may;
 * `block` stops the source until somebody mends the cause.
 */
export type Decision =
  | { readonly action: "retry"; readonly attempt: number; readonly atLeastMs: number }
  | { readonly action: "postpone"; readonly delayMs: number }
  | { readonly action: "split"; readonly at: number; readonly lesson: "plan-shorter" | "none" }
  | { readonly action: "give-up"; readonly detail: string }
  | { readonly action: "block"; readonly reason: BlockReason; readonly remedy: string }

/** After so many failures in a row a window is tried in halves: shorter streams break less often. */
export const failuresBeforeSplit = 4

/**
 * The same where the source did not begin to answer. Most often it fails for windows of any length; were they cut as
 * soon, an outage of some days would leave windows of a minute, more than the request budget can bring in.
 */
export const silencesBeforeSplit = 12

/** Codes of failures before the first byte of a window's records. */
const silences: ReadonlySet<string> = new Set([
  "connection-failed",
  "tls-failed",
  "server-error",
  "redirected",
  "html-page",
  "error-envelope",
  "unexpected-answer"
])

/** A window is not split below this for repeated failure (ms); only for size does it go down to the source's limit. */
export const shortestForFailure = 60_000

/** Where to cut a window: its middle, on whole minutes where there are two, else on whole seconds. */
export const middleOf = (window: Window, shortestMs: number): number | undefined => {
  const unit = duration(window) >= 120_000 ? 60_000 : Math.max(shortestMs, 1)
  const at = Math.floor((window.from + duration(window) / 2) / unit) * unit
  return at - window.from >= shortestMs && window.to - at >= shortestMs ? at : undefined
}

const blockReasons: { readonly [code: string]: BlockReason } = {
  "retention-off": "retention-off",
  "not-entitled": "not-entitled",
  "zone-not-found": "zone-not-found"
}

/** How a source is blocked for a failure of category `unauthorised` or `blocked`. */
export const blockOf = (failure: Pick<Failure, "code" | "detail" | "remedy">) => ({
  action: "block" as const,
  reason: blockReasons[failure.code] ?? "unauthorised",
  remedy: failure.remedy ?? failure.detail
})

/** The code of a window that is older than its zone, though not its source, reads back. */
const beyondReach = "beyond-reach"

/** Decides on a failed attempt of `window`, which failed `failures` times before. */
export const decideFailure = (
  failure: Failure,
  window: Window,
  failures: number,
  limits: Pick<CollectionLimits, "shortestWindowMs">
): Decision => {
  const retry: Decision = { action: "retry", attempt: failures, atLeastMs: failure.retryAfterMs ?? 0 }
  switch (failure.category) {
    case "throttled":
      // Not the window's fault, and waiting is what the other side asks for.
      return { action: "postpone", delayMs: Math.max(failure.retryAfterMs ?? 0, 1000) }
    case "not-ready":
      return { action: "postpone", delayMs: 60_000 }
    case "expired":
      if (failure.code === beyondReach) return { action: "give-up", detail: failure.detail }
      return { action: "postpone", delayMs: 600_000 }
    case "unauthorised":
    case "blocked":
      return blockOf(failure)
    case "oversize": {
      const at = middleOf(window, limits.shortestWindowMs)
      return at === undefined ? retry : { action: "split", at, lesson: "plan-shorter" }
    }
    case "transient":
    case "malformed": {
      const silent = silences.has(failure.code)
      if (failures + 1 < (silent ? silencesBeforeSplit : failuresBeforeSplit)) return retry
      const at = middleOf(window, shortestForFailure)
      return at === undefined ? retry : { action: "split", at, lesson: silent ? "none" : "plan-shorter" }
    }
    case "storage-full":
      return { action: "postpone", delayMs: 30_000 }
    case "rejected":
    case "storage":
    case "internal":
      return retry
  }
}
