import { assert, describe, it } from "@effect/vitest"
import * as Backoff from "@rainlogs/core/resilience/Backoff"
import { Effect, Random, Schema } from "effect"

const integer = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

describe("Backoff.delay", () => {
  it.effect.prop(
    "lies between 0 and the ceiling, and never below the server's wish",
    [integer(1, 10_000), integer(0, 600_000), integer(-3, 2_000), Schema.NullOr(integer(0, 900_000))],
    ([baseMs, capMs, attempt, wish]) =>
      Effect.gen(function*() {
        const options = { baseMs, capMs }
        const drawn = yield* Backoff.delay(options, attempt, wish)
        assert.isAtLeast(drawn, wish ?? 0)
        assert.isAtMost(drawn, Math.max(Backoff.ceiling(options, attempt), wish ?? 0))
        assert.isTrue(Number.isSafeInteger(drawn))
      })
  )

  it("doubles the ceiling with each attempt up to the cap", () => {
    const ceilings = [0, 1, 2, 3, 8, 9, 10_000].map((attempt) =>
      Backoff.ceiling({ baseMs: 1_000, capMs: 300_000 }, attempt)
    )
    assert.deepStrictEqual(ceilings, [1_000, 2_000, 4_000, 8_000, 256_000, 300_000, 300_000])
  })

  it.effect("uses the whole interval: full jitter", () =>
    Effect.gen(function*() {
      const draws = yield* Effect.replicateEffect(Backoff.delay({ baseMs: 1_000, capMs: 300_000 }, 3, null), 2_000)
      const tenths = new Set(draws.map((draw) => Math.min(9, Math.floor(draw / 800))))
      assert.strictEqual(tenths.size, 10)
      const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length
      assert.isTrue(mean > 3_700 && mean < 4_300, `mean ${mean} of a uniform draw up to 8000`)
    }).pipe(Random.withSeed("full-jitter")))

  it.effect("is the same again with the same seed", () =>
    Effect.gen(function*() {
      const draw = Effect.replicateEffect(Backoff.delay({ baseMs: 1_000, capMs: 300_000 }, 5, null), 5)
      const one = yield* Random.withSeed(draw, "a")
      assert.deepStrictEqual(yield* Random.withSeed(draw, "a"), one)
      assert.notDeepEqual(yield* Random.withSeed(draw, "b"), one)
    }))
})

describe("Backoff.parseRetryAfter", () => {
  const now = Date.UTC(2026, 10, 22, 12, 0, 0)

  it.each([
    ["120", 120_000],
    [" 0 ", 0],
    ["1.5", 1_500],
    ["Sun, 22 Nov 2026 12:00:30 GMT", 30_000],
    ["Sunday, 22-Nov-26 12:00:30 GMT", 30_000],
    ["Sun, 22 Nov 2026 11:00:00 GMT", 0],
    ["99999999999", Backoff.longestRetryAfterMs],
    ["Fri, 22 Nov 2097 12:00:00 GMT", Backoff.longestRetryAfterMs]
  ])("reads %j as %d ms", (header, expected) => {
    assert.strictEqual(Backoff.parseRetryAfter(header, now), expected)
  })

  it.each([undefined, "", "soon", "-5", "1e3", "0x10", "12:00", "NaN"].map((header) => [header]))(
    "does not understand %j",
    (header) => {
      assert.isNull(Backoff.parseRetryAfter(header, now))
    }
  )
})
