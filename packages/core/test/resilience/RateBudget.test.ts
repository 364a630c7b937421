import { assert, describe, it } from "@effect/vitest"
import { type Budget, BudgetExhausted, RateBudget } from "@rainlogs/core/resilience/RateBudget"
import { Clock, Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"

const minute = 60_000
const budget = (key: string, limit: number): Budget => ({ key, limit, windowMs: minute })
const patient = RateBudget.layerOptions({ longestWaitMs: 100 * minute, longestQueue: 10_000 })

/** The most arrivals in any closed interval of `windowMs`. */
const busiest = (arrivals: ReadonlyArray<number>, windowMs: number): number => {
  const sorted = [...arrivals].sort((a, b) => a - b)
  let most = 0
  let first = 0
  for (let last = 0; last < sorted.length; last++) {
    while (sorted[last]! - sorted[first]! > windowMs) first++
    most = Math.max(most, last - first + 1)
  }
  return most
}

const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

const Request = Schema.Struct({
  /** After the request before it, ms. */
  gap: Schema.Union([Schema.Literal(0), between(0, 500), between(0, 40_000)]),
  /** Until the response begins, ms. */
  takes: Schema.Union([Schema.Literal(0), between(0, 3_000), between(0, 90_000)]),
  /** When within that time the server counts it, thousandths. */
  counted: between(0, 1_000),
  zone: between(0, 2)
})

describe("RateBudget", () => {
  it.effect.prop(
    "no interval of the window ever holds more requests than the limit, whenever within a request the server counts it",
    [Schema.Array(Request), between(1, 6)],
    ([requests, limit]) =>
      Effect.gen(function*() {
        const budgets = yield* RateBudget
        const counts: Array<{ readonly zone: number; readonly at: number }> = []
        const fibers: Array<Fiber.Fiber<void, BudgetExhausted>> = []
        for (const { counted, gap, takes, zone } of requests) {
          yield* TestClock.adjust(gap)
          const request = Effect.gen(function*() {
            const start = yield* Clock.currentTimeMillis
            counts.push({ zone, at: start + Math.floor(takes * counted / 1_000) })
            yield* Effect.sleep(takes)
          })
          const spend = budgets.spend([budget("user", 2 * limit), budget(`zone ${zone}`, limit)])(request)
          fibers.push(yield* Effect.forkChild(spend, { startImmediately: true }))
        }
        yield* TestClock.adjust(100 * minute)
        for (const fiber of fibers) yield* Fiber.join(fiber)
        assert.strictEqual(counts.length, requests.length)
        assert.isAtMost(busiest(counts.map((one) => one.at), minute), 2 * limit)
        for (const zone of [0, 1, 2]) {
          assert.isAtMost(busiest(counts.filter((one) => one.zone === zone).map((one) => one.at), minute), limit)
        }
      }).pipe(Effect.provide(patient, { local: true }), Effect.provide(TestClock.layer(), { local: true })),
    { arbitrary: { runs: 200 }, timeout: 60_000 }
  )

  it.effect.prop(
    "nobody waits longer than needed, and all go in the order they came",
    [Schema.Array(between(0, 20_000)), between(1, 6)],
    ([gaps, limit]) =>
      Effect.gen(function*() {
        const budgets = yield* RateBudget
        const starts: Array<number> = []
        const expected: Array<number> = []
        let arrival = 0
        for (const [index, gap] of gaps.entries()) {
          yield* TestClock.adjust(gap)
          arrival += gap
          const before = expected[index - limit]
          expected.push(Math.max(arrival, expected[index - 1] ?? 0, before === undefined ? 0 : before + minute + 1))
          const request = Effect.map(Clock.currentTimeMillis, (now) => {
            starts[index] = now
          })
          yield* Effect.forkChild(budgets.spend([budget("zone", limit)])(request), { startImmediately: true })
        }
        yield* TestClock.adjust(100 * minute)
        assert.deepStrictEqual(starts, expected)
      }).pipe(Effect.provide(patient, { local: true }), Effect.provide(TestClock.layer(), { local: true })),
    { arbitrary: { runs: 100 }, timeout: 60_000 }
  )

  it.effect("a caller of a used-up zone does not hold up the others of the same user", () =>
    Effect.gen(function*() {
      const { spend, snapshot } = yield* RateBudget
      const user = budget("user", 10)
      const went: Array<string> = []
      const go = (zone: string) =>
        spend([user, budget(zone, 1)])(Effect.sync(() => went.push(zone))).pipe(
          Effect.forkChild({ startImmediately: true })
        )
      yield* go("a")
      yield* go("a")
      yield* go("b")
      assert.deepStrictEqual(went, ["a", "b"])
      assert.deepStrictEqual((yield* snapshot).map(({ key, used, waiting }) => [key, used, waiting]), [
        ["a", 1, 1],
        ["b", 1, 0],
        ["user", 2, 1]
      ])
      yield* TestClock.adjust(minute + 1)
      assert.deepStrictEqual(went, ["a", "b", "a"])
    }).pipe(Effect.provide(patient)))

  it.effect("an interrupted caller gives its place to the next", () =>
    Effect.gen(function*() {
      const { snapshot, spend } = yield* RateBudget
      const zone = budget("zone", 1)
      const first = yield* Effect.forkChild(spend([zone])(Effect.never), { startImmediately: true })
      const second = yield* Effect.forkChild(spend([zone])(Effect.succeed("second")), { startImmediately: true })
      const third = yield* Effect.forkChild(spend([zone])(Effect.succeed("third")), { startImmediately: true })
      yield* Fiber.interrupt(second)
      assert.strictEqual((yield* snapshot)[0]?.waiting, 1)
      yield* TestClock.adjust(10 * minute)
      assert.isUndefined(third.pollUnsafe(), "the first request is still under way and counts")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust(minute)
      assert.isUndefined(third.pollUnsafe(), "an interrupted request counts: the server may have seen it")
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(third), "third")
    }).pipe(Effect.provide(patient)))

  it.effect("the window is closed at both ends", () =>
    Effect.gen(function*() {
      const { spend } = yield* RateBudget
      const zone = budget("zone", 1)
      yield* spend([zone])(Effect.void)
      yield* TestClock.adjust(minute)
      const fiber = yield* Effect.forkChild(spend([zone])(Effect.void), { startImmediately: true })
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.isDefined(fiber.pollUnsafe())
    }).pipe(Effect.provide(patient)))

  it.effect("a pause keeps everybody away until it ends", () =>
    Effect.gen(function*() {
      const { pause, snapshot, spend } = yield* RateBudget
      const zone = budget("zone", 15)
      yield* pause(zone, 30_000)
      yield* pause(zone, 10_000)
      assert.strictEqual((yield* snapshot)[0]?.pausedUntil, 30_000)
      const fiber = yield* Effect.forkChild(spend([zone])(Effect.void), { startImmediately: true })
      yield* TestClock.adjust(29_999)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      yield* Fiber.join(fiber)
    }).pipe(Effect.provide(patient)))

  it.effect("refuses at once a wait that is known to be too long, and says how long", () =>
    Effect.gen(function*() {
      const { pause, spend } = yield* RateBudget
      const zone = budget("zone", 15)
      yield* pause(zone, 5 * minute)
      const error = yield* Effect.flip(spend([zone])(Effect.void))
      assert.deepStrictEqual([error.key, error.retryAfterMs], ["zone", 5 * minute])
    }).pipe(Effect.provide(RateBudget.layer)))

  it.effect("a wait ends with BudgetExhausted after the longest time, whatever happens", () =>
    Effect.gen(function*() {
      const { spend } = yield* RateBudget
      const zone = budget("zone", 1)
      yield* Effect.forkChild(spend([zone])(Effect.never), { startImmediately: true })
      const fiber = yield* Effect.forkChild(spend([zone])(Effect.void), { startImmediately: true })
      yield* TestClock.adjust(119_999)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit))
    }).pipe(Effect.provide(RateBudget.layer)))

  it.effect("refuses one caller more than the queue holds", () =>
    Effect.gen(function*() {
      const { snapshot, spend } = yield* RateBudget
      const zone = budget("zone", 1)
      yield* spend([zone])(Effect.void)
      for (let i = 0; i < 2; i++) yield* Effect.forkChild(spend([zone])(Effect.void), { startImmediately: true })
      assert.strictEqual((yield* snapshot)[0]?.waiting, 2)
      const error = yield* Effect.flip(spend([zone])(Effect.void))
      assert.isTrue(error instanceof BudgetExhausted)
    }).pipe(Effect.provide(RateBudget.layerOptions({ longestWaitMs: 2 * minute, longestQueue: 2 }))))

  it.effect("forgets budgets that are not used any more", () =>
    Effect.gen(function*() {
      const { snapshot, spend } = yield* RateBudget
      for (let zone = 0; zone < 100; zone++) yield* spend([budget(`zone ${zone}`, 5)])(Effect.void)
      assert.strictEqual((yield* snapshot).length, 100)
      yield* TestClock.adjust(minute + 1)
      assert.strictEqual((yield* snapshot).length, 0)
    }).pipe(Effect.provide(patient)))

  it.effect("a failed request counts and its failure comes through", () =>
    Effect.gen(function*() {
      const { snapshot, spend } = yield* RateBudget
      assert.strictEqual(yield* Effect.flip(spend([budget("zone", 5)])(Effect.fail("broken" as const))), "broken")
      assert.strictEqual((yield* snapshot)[0]?.used, 1)
    }).pipe(Effect.provide(patient)))
})
