/**
 * Circuit breakers, one per key (zone and API): after a row of failures a key is left alone for a while, then exactly
 * one probe finds out whether the other side is back. The states are a table.
 *
 * Effect's own breaker (`effect/persistence/CircuitBreaker`, experimental) was considered: it judges an effect when
 * that effect ends, but a streamed response is judged when its last byte has come, it shows no list of all keys and no
 * count of failures, and it keeps its transitions inside its stores.
 */
import { Clock, Context, Effect, Layer, Metric, Schema, type Scope } from "effect"

/** The states of a breaker. */
export type BreakerState = "closed" | "open" | "half-open"

/**
 * What can happen to a breaker: a call `succeeded`, a call `failed` below the threshold, a failure reached the
 * threshold (`tripped`), or a caller came after the cool-down (`cooled`).
 */
export type BreakerEvent = "succeeded" | "failed" | "tripped" | "cooled"

/** State × event → state. A missing cell is an event that cannot happen in that state. */
export const transitions: { readonly [S in BreakerState]: { readonly [E in BreakerEvent]?: BreakerState } } = {
  closed: { succeeded: "closed", failed: "closed", tripped: "open" },
  open: { cooled: "half-open" },
  "half-open": { succeeded: "closed", failed: "open" }
}

/** What a call said of the other side. `ignored` says nothing: it neither counts nor ends a row of failures. */
export type Outcome = "success" | "failure" | "ignored"

/** A call was not admitted. `retryAfterMs` is when to ask again at the earliest, ms. */
export class CircuitOpen extends Schema.TaggedError<CircuitOpen>()("CircuitOpen", {
  key: Schema.String,
  state: Schema.Literals(["open", "half-open"]),
  retryAfterMs: Schema.Finite
}) {}

/** When a breaker opens, and for how long. */
export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly threshold: number
  /** The first cool-down, ms; it doubles with each opening that follows a failed probe. */
  readonly coolDownMs: number
  /** The longest cool-down, ms. */
  readonly coolDownCapMs: number
}

/** Five failures in a row; 5 s doubling to 5 min. */
export const defaultBreakerOptions: BreakerOptions = { threshold: 5, coolDownMs: 5_000, coolDownCapMs: 300_000 }

/** One breaker as people see it. `openUntil` is Unix ms, null unless open. */
export interface BreakerSnapshot {
  readonly key: string
  readonly state: BreakerState
  /** Failures in a row so far. */
  readonly failures: number
  readonly openUntil: number | null
}

/** The right to make one call; its first verdict counts, later ones are dropped. */
export interface Permit {
  /** Says how the call ended. `retryAfterMs` is the server's wish: an opening lasts at least that long. */
  readonly settle: (outcome: Outcome, retryAfterMs?: number | null) => Effect.Effect<void>
}

interface Breaker {
  state: BreakerState
  /** Failures in a row. */
  failures: number
  /** Openings since the last success: the exponent of the cool-down. */
  openings: number
  /** Monotonic ms. */
  openUntil: number
  probing: boolean
  /** Grows with each change of state: the verdict of a call admitted before it changes nothing. */
  generation: number
  /** Calls under way: an idle closed breaker without failures is forgotten, so keys do not accumulate. */
  calls: number
}

const transitionsTotal = Metric.counter("rainlogs_circuit_breaker_transitions_total", {
  description: "Changes of state of circuit breakers",
  incremental: true
})
const breakersNow = Metric.gauge("rainlogs_circuit_breakers", { description: "Circuit breakers not closed, by state" })

const monotonicMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/** The circuit breakers of this process, by key. */
export class CircuitBreaker extends Context.Service<CircuitBreaker, {
  /** Fails like {@link admit} would, but takes no probe: for callers who have to wait before they can call. */
  readonly check: (key: string) => Effect.Effect<void, CircuitOpen>
  /**
   * Admits one call, or fails with `CircuitOpen`. A permit not settled when the scope closes (interruption) is
   * `ignored`, which frees the probe's place.
   */
  readonly admit: (key: string) => Effect.Effect<Permit, CircuitOpen, Scope.Scope>
  /** Every breaker that is not idle, sorted by key. */
  readonly snapshot: Effect.Effect<ReadonlyArray<BreakerSnapshot>>
}>()("@rainlogs/core/CircuitBreaker") {
  /** Breakers in this process, with `options` for every key. */
  static readonly layerOptions = (options: BreakerOptions): Layer.Layer<CircuitBreaker> =>
    Layer.effect(CircuitBreaker, make(options))

  static readonly layer: Layer.Layer<CircuitBreaker> = Layer.suspend(() =>
    CircuitBreaker.layerOptions(defaultBreakerOptions)
  )
}

const make = (options: BreakerOptions): Effect.Effect<CircuitBreaker["Service"]> =>
  Effect.sync(() => {
    const breakers = new Map<string, Breaker>()

    const move = (breaker: Breaker, event: BreakerEvent): Effect.Effect<void> => {
      const from = breaker.state
      const to = transitions[from][event]
      if (to === undefined) return Effect.die(new Error(`a breaker that is ${from} cannot have ${event}`))
      if (to === from) return Effect.void
      breaker.state = to
      breaker.generation++
      breaker.probing = false
      const count = (state: BreakerState): Effect.Effect<void> =>
        Metric.update(
          Metric.withAttributes(breakersNow, { state }),
          Array.from(breakers.values()).filter((one) => one.state === state).length
        )
      return Metric.update(Metric.withAttributes(transitionsTotal, { from, to }), 1).pipe(
        Effect.andThen(count("open")),
        Effect.andThen(count("half-open"))
      )
    }

    const open = (breaker: Breaker, event: "failed" | "tripped", now: number, retryAfterMs: number) => {
      const coolDown = Math.min(options.coolDownCapMs, options.coolDownMs * 2 ** Math.min(breaker.openings, 64))
      breaker.openings++
      breaker.openUntil = now + Math.max(coolDown, retryAfterMs)
      return move(breaker, event)
    }

    const settle = Effect.fnUntraced(function*(
      breaker: Breaker,
      generation: number,
      outcome: Outcome,
      retryAfterMs: number
    ): Effect.fn.Return<void> {
      if (breaker.generation !== generation) return
      if (outcome === "ignored") {
        breaker.probing = false
        return
      }
      if (outcome === "success") {
        breaker.failures = 0
        breaker.openings = 0
        return yield* move(breaker, "succeeded")
      }
      breaker.failures++
      const now = yield* monotonicMs
      if (breaker.state === "half-open") return yield* open(breaker, "failed", now, retryAfterMs)
      if (breaker.failures >= options.threshold) return yield* open(breaker, "tripped", now, retryAfterMs)
      return yield* move(breaker, "failed")
    })

    const refusal = (key: string, breaker: Breaker | undefined, now: number): CircuitOpen | undefined => {
      if (breaker?.state === "open" && now < breaker.openUntil) {
        return new CircuitOpen({ key, state: "open", retryAfterMs: breaker.openUntil - now })
      }
      if (breaker?.state === "half-open" && breaker.probing) {
        return new CircuitOpen({ key, state: "half-open", retryAfterMs: options.coolDownMs })
      }
      return undefined
    }

    const check = Effect.fnUntraced(function*(key: string): Effect.fn.Return<void, CircuitOpen> {
      const refused = refusal(key, breakers.get(key), yield* monotonicMs)
      if (refused !== undefined) return yield* refused
    })

    const begin = Effect.fnUntraced(function*(key: string): Effect.fn.Return<Breaker, CircuitOpen> {
      const now = yield* monotonicMs
      const known = breakers.get(key)
      const refused = refusal(key, known, now)
      if (refused !== undefined) return yield* refused
      const breaker = known ??
        { state: "closed", failures: 0, openings: 0, openUntil: 0, probing: false, generation: 0, calls: 0 }
      breakers.set(key, breaker)
      breaker.calls++
      if (breaker.state === "open") yield* move(breaker, "cooled")
      if (breaker.state === "half-open") breaker.probing = true
      return breaker
    })

    const admit = (key: string): Effect.Effect<Permit, CircuitOpen, Scope.Scope> =>
      Effect.acquireRelease(
        Effect.map(begin(key), (breaker) => {
          const generation = breaker.generation
          let settled = false
          return {
            breaker,
            settle: (outcome: Outcome, retryAfterMs: number | null = null) =>
              Effect.suspend(() => {
                if (settled) return Effect.void
                settled = true
                return settle(breaker, generation, outcome, retryAfterMs ?? 0)
              })
          }
        }),
        (permit) =>
          Effect.andThen(
            permit.settle("ignored"),
            Effect.sync(() => {
              const breaker = permit.breaker
              breaker.calls--
              if (breaker.calls === 0 && breaker.state === "closed" && breaker.failures === 0) breakers.delete(key)
            })
          )
      )

    const snapshot = Effect.gen(function*() {
      const now = yield* monotonicMs
      const wall = yield* Clock.currentTimeMillis
      return Array.from(breakers, ([key, breaker]): BreakerSnapshot => ({
        key,
        state: breaker.state,
        failures: breaker.failures,
        openUntil: breaker.state === "open" ? wall + breaker.openUntil - now : null
      })).sort((a, b) => (a.key < b.key ? -1 : 1))
    })

    return { check, admit, snapshot }
  })
