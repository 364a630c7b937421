import { assert, describe, it } from "@effect/vitest"
import {
  defaultPlanning,
  givenUpBefore,
  oldestCollectable,
  planWindows,
  settledUntil
} from "@rainlogs/core/archive/PlanWindows"
import { Effect, Schema } from "effect"

const hour = 3_600_000
const limits = {
  source: "cloudflare/logpull/http_requests" as const,
  settleMs: 300_000,
  horizonMs: 168 * hour,
  longestWindowMs: hour,
  shortestWindowMs: 1000
}
const Instant = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4_000_000_000_000 }))
const Length = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 * hour }))
const Longest = Schema.Int.check(Schema.isBetween({ minimum: 60_000, maximum: hour }))

describe("planning windows", () => {
  it.effect.prop("windows are contiguous, not empty, no longer than allowed and end at the end", [
    Instant,
    Length,
    Longest
  ], ([from, length, longest]) =>
    Effect.sync(() => {
      const until = from + length
      const windows = planWindows(from, until, longest, { ...defaultPlanning, mostWindows: Infinity })
      let reached = from
      for (const window of windows) {
        assert.strictEqual(window.from, reached)
        assert.isAbove(window.to, window.from)
        assert.isAtMost(window.to - window.from, longest)
        reached = window.to
      }
      assert.strictEqual(reached, until)
    }))

  it("cuts a backlog on the hour grid, and the rest is one window", () => {
    const from = Date.UTC(2026, 0, 1, 0, 30)
    const windows = planWindows(from, Date.UTC(2026, 0, 1, 2, 42), hour, defaultPlanning)
    assert.deepStrictEqual(
      windows.map(({ from, to }) => (to - from) / 60_000),
      [30, 60, 42]
    )
  })

  it("a source that keeps up gets one live window each time", () => {
    const now = Date.UTC(2026, 0, 1, 2, 47, 10)
    const before = settledUntil(now, limits, defaultPlanning)
    const after = settledUntil(now + defaultPlanning.liveWindowMs, limits, defaultPlanning)
    assert.deepStrictEqual(planWindows(before, after, hour, defaultPlanning), [{ from: before, to: before + 300_000 }])
  })

  it("plans nothing where nothing is settled", () => {
    assert.deepStrictEqual(planWindows(1000, 1000, hour, defaultPlanning), [])
    assert.deepStrictEqual(planWindows(2000, 1000, hour, defaultPlanning), [])
  })

  it("stops at the most windows of a round", () => {
    const windows = planWindows(0, 100 * hour, hour, { ...defaultPlanning, mostWindows: 7 })
    assert.strictEqual(windows.length, 7)
  })

  it("keeps a margin to the source's horizon and settles on the live grid", () => {
    const now = Date.UTC(2026, 0, 8, 0, 7, 30)
    assert.strictEqual(
      new Date(oldestCollectable(now, limits, defaultPlanning)).toISOString(),
      "2026-01-01T00:18:00.000Z"
    )
    assert.strictEqual(new Date(givenUpBefore(now, limits, defaultPlanning)).toISOString(), "2026-01-01T00:13:00.000Z")
    assert.strictEqual(new Date(settledUntil(now, limits, defaultPlanning)).toISOString(), "2026-01-08T00:00:00.000Z")
  })
})
