/**
 * Keeps stamping within what an anchor allows: so many stamps a minute over all ledgers, none while it asks to be left
 * alone, and after a row of failures only a probe now and then. A receipt of a clock that is far off is a failure.
 */
import { clockSkew } from "@rainlogs/verify/verification/Anchoring"
import { Clock, Effect } from "effect"
import type { CircuitBreaker, CircuitOpen } from "../resilience/CircuitBreaker.ts"
import type { Budget, BudgetExhausted, RateBudget } from "../resilience/RateBudget.ts"
import { type Anchor, type AnchorCategory, AnchorError, isTrusted, type Receipt } from "./Anchor.ts"

/** The key of an anchor's breaker and of its budget. */
export const guardKey = (anchor: Pick<Anchor, "id">): string => `anchor ${anchor.id}`

/** How long an anchor that says "too many" and not for how long is left alone, ms. */
export const silentThrottleMs = 60_000

/** The longest time a stamp may take, ms: adapters have shorter limits of their own, a store may have none. */
export const longestStampMs = 120_000

/**
 * How far an anchor's clock may be from ours, ms: half of what the verifier allows before it takes one of the two for a
 * lie, so that neither may drift into that before the next receipt.
 */
export const longestSkewMs = clockSkew / 2

/** The budget of an anchor. */
export const budgetOf = (anchor: Anchor): Budget => ({
  key: guardKey(anchor),
  limit: anchor.stampsPerMinute,
  windowMs: 60_000
})

/** The same anchor, guarded. A refusal of our own is `throttled`. */
export const guarded = (
  anchor: Anchor,
  rooms: { readonly breaker: CircuitBreaker["Service"]; readonly budgets: RateBudget["Service"] }
): Anchor => {
  const { breaker, budgets } = rooms
  const budget = budgetOf(anchor)

  const failed = (category: AnchorCategory, detail: string, retryAfterMs: number | null) =>
    new AnchorError({ anchor: anchor.id, category, detail, retryAfterMs })
  const refused = (detail: string) => ({ retryAfterMs }: CircuitOpen | BudgetExhausted) =>
    failed("throttled", detail, retryAfterMs)

  const checkClock = Effect.fnUntraced(function*({ time }: Receipt) {
    const skew = time - (yield* Clock.currentTimeMillis)
    if (!isTrusted(anchor.type) || Math.abs(skew) <= longestSkewMs) return
    const [seconds, direction] = [Math.round(Math.abs(skew) / 1000), skew > 0 ? "ahead of" : "behind"]
    const detail = `its clock is ${seconds} s ${direction} this machine's: check this machine's, then the anchor's`
    return yield* failed("untrusted", detail, null)
  })

  return {
    ...anchor,
    stamp: (request) =>
      Effect.scoped(Effect.gen(function*() {
        const permit = yield* Effect.mapError(breaker.admit(guardKey(anchor)), refused("left alone after failures"))
        const receipt = yield* anchor.stamp(request).pipe(
          Effect.timeoutOrElse({
            duration: longestStampMs,
            orElse: () => Effect.fail(failed("transient", `no receipt within ${longestStampMs / 1000} s`, null))
          }),
          Effect.tap(checkClock),
          Effect.tapError(({ category, retryAfterMs }) =>
            Effect.gen(function*() {
              if (category === "throttled") yield* budgets.pause(budget, retryAfterMs ?? silentThrottleMs)
              // Another checkpoint at the same size says nothing against whoever kept it.
              yield* permit.settle(category === "equivocation" ? "success" : "failure", retryAfterMs)
            })
          )
        )
        yield* permit.settle("success")
        return receipt
      })).pipe(
        budgets.spend([budget]),
        Effect.catchTag("BudgetExhausted", (error) => Effect.fail(refused("its budget of stamps is used up")(error)))
      )
  }
}
