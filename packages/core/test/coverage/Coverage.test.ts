import { assert, describe, it } from "@effect/vitest"
import { logpullLimits } from "../../src/collect/Logpull.ts"
import { coverageOf, type CoveragePart, hourMs } from "../../src/coverage/Coverage.ts"

const day = Date.UTC(2026, 10, 1)
const limits = logpullLimits(300_000)
const minute = 60_000
const name = "cloudflare/logpull/http_requests" as const

const part = (
  hour: number,
  verdict: CoveragePart["verdict"],
  minutes: number,
  more: Partial<CoveragePart> = {}
): CoveragePart => ({
  source: name,
  hour: day + hour * hourMs,
  verdict,
  gapReason: null,
  ms: minutes * minute,
  records: 0,
  earliest: day + hour * hourMs,
  ...more
})

/** The hours 0 to `hours` of the day, at `now`; the archive begins at the day's start and is planned to `planned`. */
const hoursOf = (
  parts: ReadonlyArray<CoveragePart>,
  { hours = 1, now = day + 48 * hourMs, planned = 48, startsAt = day, unlimited = false } = {}
) =>
  coverageOf(
    { name, startsAt, plannedTo: day + planned * hourMs },
    unlimited ? { ...limits, horizonMs: Infinity } : limits,
    { from: day, to: day + hours * hourMs },
    now,
    parts
  )

describe("the coverage of an hour", () => {
  it("is the worst of its parts", () => {
    const order = ["complete", "sampled", "partial", "pending", "gap"] as const
    for (const [place, worst] of order.entries()) {
      const parts = order.slice(0, place + 1).map((verdict) => part(0, verdict, 60 / (place + 1)))
      assert.strictEqual(hoursOf(parts)[0]?.verdict, worst)
      assert.strictEqual(hoursOf(parts.toReversed())[0]?.verdict, worst)
    }
  })

  it("of one gap minute is a gap, with every reason once", () => {
    const [hour] = hoursOf([
      part(0, "complete", 58, { records: 7 }),
      part(0, "gap", 1, { gapReason: "session" }),
      part(0, "gap", 1, { gapReason: "expired" })
    ])
    assert.deepInclude(hour, { verdict: "gap", reasons: ["expired", "session"], records: 7, lostAt: null })
    assert.deepStrictEqual(hour?.ms, {
      complete: 58 * minute,
      sampled: 0,
      partial: 0,
      unknown: 0,
      pending: 0,
      gap: 2 * minute
    })
  })

  it("before the archive began is unknown, never complete", () => {
    const hours = hoursOf([part(1, "complete", 30, { earliest: day + 90 * minute }), part(2, "complete", 60)], {
      hours: 3,
      startsAt: day + 90 * minute
    })
    assert.deepStrictEqual(hours.map(({ verdict }) => verdict), ["unknown", "unknown", "complete"])
    assert.strictEqual(hours[1]?.ms.unknown, 30 * minute)
  })

  it("that is not planned yet is pending, and an hour in the future is not there", () => {
    const now = day + 2.5 * hourMs
    const hours = hoursOf([part(0, "complete", 60), part(1, "complete", 30)], { hours: 24, now, planned: 1.5 })
    assert.deepStrictEqual(hours.map(({ verdict }) => verdict), ["complete", "pending", "pending"])
    assert.strictEqual(hours[2]?.ms.pending, 30 * minute)
    assert.strictEqual(hours[1]?.lostAt, day + 1.5 * hourMs + limits.horizonMs)
    for (const hour of hours) {
      assert.strictEqual(
        Object.values(hour.ms).reduce((sum, ms) => sum + ms, 0),
        Math.min(hourMs, now - hour.start)
      )
    }
  })

  it("is lost when the source forgets its earliest pending window, which may start before the hour", () => {
    const [hour] = hoursOf([part(0, "pending", 60, { earliest: day - 20 * minute })])
    assert.strictEqual(hour?.lostAt, day - 20 * minute + limits.horizonMs)
    assert.isNull(hoursOf([part(0, "pending", 60)], { unlimited: true })[0]?.lostAt)
  })

  it("takes no other source's tiles", () => {
    const [hour] = hoursOf([
      part(0, "complete", 60),
      part(0, "gap", 60, { source: "cloudflare/graphql/firewall_events", gapReason: "blocked" })
    ])
    assert.strictEqual(hour?.verdict, "complete")
  })
})
