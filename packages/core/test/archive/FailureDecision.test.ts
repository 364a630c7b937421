import { assert, describe, it } from "@effect/vitest"
import {
  decideFailure,
  type Failure,
  failuresBeforeSplit,
  middleOf,
  silencesBeforeSplit
} from "@rainlogs/core/archive/FailureDecision"

const hour = { from: 1_767_225_600_000, to: 1_767_229_200_000 }
const limits = { shortestWindowMs: 1000 }
const failure = (category: Failure["category"], fields: Partial<Failure> = {}): Failure => ({
  category,
  code: "any",
  detail: "any",
  remedy: null,
  retryAfterMs: null,
  ...fields
})

describe("deciding on a failed attempt", () => {
  it("retries what may pass, with the server's wish as the floor", () => {
    assert.deepStrictEqual(decideFailure(failure("transient", { retryAfterMs: 7000 }), hour, 2, limits), {
      action: "retry",
      attempt: 2,
      atLeastMs: 7000
    })
  })

  it("splits a window that keeps breaking, but not below a minute", () => {
    const failures = failuresBeforeSplit - 1
    assert.deepStrictEqual(decideFailure(failure("malformed"), hour, failures, limits), {
      action: "split",
      at: hour.from + 1_800_000,
      lesson: "plan-shorter"
    })
    const short = { from: hour.from, to: hour.from + 119_000 }
    assert.strictEqual(decideFailure(failure("malformed"), short, failures, limits).action, "retry")
  })

  it("is patient with a source that does not begin to answer, and plans no shorter windows for it", () => {
    const silent = failure("transient", { code: "server-error" })
    assert.strictEqual(decideFailure(silent, hour, silencesBeforeSplit - 2, limits).action, "retry")
    assert.deepStrictEqual(decideFailure(silent, hour, silencesBeforeSplit - 1, limits), {
      action: "split",
      at: hour.from + 1_800_000,
      lesson: "none"
    })
  })

  it("splits an oversize window at once, down to the source's shortest", () => {
    assert.strictEqual(decideFailure(failure("oversize"), hour, 0, limits).action, "split")
    const shortest = { from: hour.from, to: hour.from + 1999 }
    assert.strictEqual(decideFailure(failure("oversize"), shortest, 0, limits).action, "retry")
  })

  it("blocks the zone with the reason and the remedy", () => {
    const off = failure("blocked", { code: "retention-off", remedy: "turn it on" })
    assert.deepStrictEqual(decideFailure(off, hour, 0, limits), {
      action: "block",
      reason: "retention-off",
      remedy: "turn it on"
    })
    assert.strictEqual(decideFailure(failure("unauthorised"), hour, 0, limits).action, "block")
  })

  it("does not count waiting as failing", () => {
    for (const category of ["throttled", "not-ready", "expired", "storage-full"] as const) {
      assert.strictEqual(decideFailure(failure(category), hour, 50, limits).action, "postpone", category)
    }
  })
})

describe("the middle of a window", () => {
  it("lies strictly inside, on a whole minute or second", () => {
    for (const length of [2000, 3000, 59_000, 119_000, 120_000, 181_000, 3_600_000]) {
      const window = { from: hour.from + 1000, to: hour.from + 1000 + length }
      const at = middleOf(window, 1000)
      assert.isDefined(at, String(length))
      assert.isTrue(at! > window.from && at! < window.to && at! % 1000 === 0, String(length))
    }
    assert.isUndefined(middleOf({ from: 0, to: 1999 }, 1000))
  })
})
