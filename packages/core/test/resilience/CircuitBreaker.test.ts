import { assert, describe, it } from "@effect/vitest"
import {
  type BreakerEvent,
  type BreakerState,
  CircuitBreaker,
  type Outcome,
  transitions
} from "@rainlogs/core/resilience/CircuitBreaker"
import { Effect, Exit, Fiber, Metric, Schema } from "effect"
import { TestClock } from "effect/testing"

const options = { threshold: 3, coolDownMs: 1_000, coolDownCapMs: 4_000 }
const layer = CircuitBreaker.layerOptions(options)

/** One call that ends with `outcome`; succeeds with whether it was admitted. */
const call = (outcome: Outcome, key = "k", retryAfterMs: number | null = null) =>
  Effect.scoped(Effect.gen(function*() {
    const breaker = yield* CircuitBreaker
    const permit = yield* breaker.admit(key)
    yield* permit.settle(outcome, retryAfterMs)
  })).pipe(Effect.as(true), Effect.catchTag("CircuitOpen", () => Effect.succeed(false)))

const stateOf = (key = "k") =>
  Effect.map(Effect.flatMap(CircuitBreaker, (breaker) => breaker.snapshot), (all) => all.find((one) => one.key === key))

describe("the table", () => {
  const states: ReadonlyArray<BreakerState> = ["closed", "open", "half-open"]
  const events: ReadonlyArray<BreakerEvent> = ["succeeded", "failed", "tripped", "cooled"]

  it("allows exactly these transitions", () => {
    const allowed = states.flatMap((state) =>
      events.flatMap((event) =>
        transitions[state][event] === undefined ? [] : [`${state} ${event} ${transitions[state][event]}`]
      )
    )
    assert.deepStrictEqual(allowed, [
      "closed succeeded closed",
      "closed failed closed",
      "closed tripped open",
      "open cooled half-open",
      "half-open succeeded closed",
      "half-open failed open"
    ])
  })
})

describe("CircuitBreaker", () => {
  it.effect("opens after the threshold of failures in a row, not before", () =>
    Effect.gen(function*() {
      yield* call("failure")
      yield* call("failure")
      yield* call("success")
      yield* call("failure")
      yield* call("failure")
      assert.deepStrictEqual(yield* stateOf(), { key: "k", state: "closed", failures: 2, openUntil: null })
      yield* call("failure")
      assert.deepStrictEqual(yield* stateOf(), { key: "k", state: "open", failures: 3, openUntil: 1_000 })
      assert.isFalse(yield* call("success"))
      assert.isTrue(yield* call("success", "another key"))
    }).pipe(Effect.provide(layer)))

  it.effect("does not count what says nothing of the other side", () =>
    Effect.gen(function*() {
      yield* call("failure")
      yield* call("failure")
      for (let i = 0; i < 10; i++) yield* call("ignored")
      assert.strictEqual((yield* stateOf())?.failures, 2)
      assert.strictEqual((yield* stateOf())?.state, "closed")
    }).pipe(Effect.provide(layer)))

  it.effect("lets exactly one probe through after the cool-down", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* Effect.replicateEffect(call("failure"), 3)
      yield* TestClock.adjust(999)
      const early = yield* Effect.scoped(breaker.admit("k")).pipe(Effect.flip)
      assert.deepStrictEqual([early.state, early.retryAfterMs], ["open", 1])
      yield* TestClock.adjust(1)
      yield* breaker.check("k")
      yield* Effect.scoped(Effect.gen(function*() {
        const probe = yield* breaker.admit("k")
        const others = yield* Effect.all(
          Array.from({ length: 20 }, () => Effect.exit(Effect.scoped(breaker.admit("k")))),
          { concurrency: "unbounded" }
        )
        assert.isTrue(others.every(Exit.isFailure))
        assert.strictEqual((yield* Effect.flip(breaker.check("k"))).state, "half-open")
        yield* probe.settle("success")
      }))
      // Closed, idle and without failures: nothing is kept.
      assert.isUndefined(yield* stateOf())
      assert.isTrue(yield* call("failure"))
    }).pipe(Effect.provide(layer)))

  it.effect("doubles the cool-down with each failed probe up to the cap, and starts over after a success", () =>
    Effect.gen(function*() {
      yield* Effect.replicateEffect(call("failure"), 3)
      for (const coolDown of [1_000, 2_000, 4_000, 4_000]) {
        yield* TestClock.adjust(coolDown - 1)
        assert.isFalse(yield* call("failure"), `still open before ${coolDown}`)
        yield* TestClock.adjust(1)
        assert.isTrue(yield* call("failure"), `probed after ${coolDown}`)
      }
      yield* TestClock.adjust(4_000)
      assert.isTrue(yield* call("success"))
      yield* Effect.replicateEffect(call("failure"), 3)
      yield* TestClock.adjust(1_000)
      assert.isTrue(yield* call("success"))
    }).pipe(Effect.provide(layer)))

  it.effect("stays open as long as the server asked", () =>
    Effect.gen(function*() {
      yield* Effect.replicateEffect(call("failure", "k", 60_000), 3)
      yield* TestClock.adjust(59_999)
      assert.isFalse(yield* call("success"))
      yield* TestClock.adjust(1)
      assert.isTrue(yield* call("success"))
    }).pipe(Effect.provide(layer)))

  it.effect("an interrupted probe frees its place", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* Effect.replicateEffect(call("failure"), 3)
      yield* TestClock.adjust(1_000)
      const probe = yield* Effect.scoped(Effect.andThen(breaker.admit("k"), Effect.never)).pipe(Effect.forkChild)
      yield* Effect.yieldNow
      assert.isFalse(yield* call("success"))
      yield* Fiber.interrupt(probe)
      assert.isTrue(yield* call("success"))
    }).pipe(Effect.provide(layer)))

  it.effect("a verdict from before a change of state changes nothing", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* Effect.scoped(Effect.gen(function*() {
        const slow = yield* breaker.admit("k")
        const slowFailure = yield* breaker.admit("k")
        yield* Effect.replicateEffect(call("failure"), 3)
        yield* slow.settle("success")
        assert.strictEqual((yield* stateOf())?.state, "open")
        yield* TestClock.adjust(1_000)
        yield* Effect.scoped(Effect.gen(function*() {
          const probe = yield* breaker.admit("k")
          yield* slowFailure.settle("failure")
          assert.strictEqual((yield* stateOf())?.state, "half-open")
          yield* probe.settle("success")
          // Settled once: the second verdict of the same call is dropped.
          yield* probe.settle("failure")
        }))
        assert.deepStrictEqual(yield* stateOf(), { key: "k", state: "closed", failures: 0, openUntil: null })
      }))
    }).pipe(Effect.provide(layer)))

  it.effect("counts transitions and breakers that are not closed", () =>
    Effect.gen(function*() {
      yield* Effect.replicateEffect(call("failure"), 3)
      yield* Effect.replicateEffect(call("failure", "other"), 3)
      const values = (yield* Metric.snapshot)
        .filter((metric) => metric.id.startsWith("rainlogs_circuit"))
        .map((metric) => `${metric.id} ${JSON.stringify(metric.attributes)} ${JSON.stringify(metric.state)}`)
      assert.isTrue(values.some((one) => /transitions_total .*closed.*open.* .*2/.test(one)), values.join("\n"))
      assert.isTrue(values.some((one) => /breakers .*"open".* .*2/.test(one)), values.join("\n"))
    }).pipe(Effect.provide(layer), Effect.provideService(Metric.MetricRegistry, new Map())))

  /** The rules once more, as plain as can be: what any sequence of calls and pauses must do. */
  const Step = Schema.Union([
    Schema.Literals(["success", "failure", "ignored"]),
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 2_500 })))
  ])

  it.effect.prop(
    "does what the rules say for any sequence of calls and pauses",
    [Schema.Array(Step)],
    ([steps]) =>
      Effect.gen(function*() {
        const model = { now: 0, failures: 0, openings: 0, openUntil: -1 }
        for (const step of steps) {
          if (typeof step === "number") {
            yield* TestClock.adjust(step)
            model.now += step
            continue
          }
          const open = model.openings > 0
          const admitted = !open || model.now >= model.openUntil
          assert.strictEqual(yield* call(step), admitted)
          if (!admitted || step === "ignored") continue
          if (step === "success") {
            model.failures = 0
            model.openings = 0
          } else if (++model.failures >= options.threshold) {
            model.openUntil = model.now + Math.min(options.coolDownCapMs, options.coolDownMs * 2 ** model.openings)
            model.openings++
          }
        }
      }).pipe(
        Effect.provide(CircuitBreaker.layerOptions(options), { local: true }),
        Effect.provide(TestClock.layer(), { local: true })
      ),
    {
      arbitrary: { runs: 300 }
    }
  )
})
