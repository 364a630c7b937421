/**
 * Request budgets shared by all callers of this process: at most `limit` requests in any interval of `windowMs`.
 * A caller names every budget its request draws on and waits until all of them allow it.
 *
 * The window slides: Effect's `RateLimiter` has fixed windows (twice the limit passes across an edge) and token buckets
 * (a full bucket plus its refill pass in one window), which the real limits punish. A request counts from
 * its start until `windowMs` after its response began, because the server counted it at some moment between the two;
 * so its count never exceeds the limit, whatever the network's delay.
 */
import { Clock, Context, Effect, Latch, Layer, Metric, Schema } from "effect"

/** One budget a request draws on. Budgets with the same key are one; their limits must agree. */
export interface Budget {
  /** Names what is limited, e.g. `zone <id>`; never holds a credential, only the hash of one. */
  readonly key: string
  /** Requests per window. */
  readonly limit: number
  /** Length of the window, ms. */
  readonly windowMs: number
}

/** The wait would be too long. `retryAfterMs` is when to ask again at the earliest, ms. */
export class BudgetExhausted extends Schema.TaggedError<BudgetExhausted>()("BudgetExhausted", {
  key: Schema.String,
  retryAfterMs: Schema.Finite
}) {}

/** How long and how many callers may wait. */
export interface RateBudgetOptions {
  /** The longest wait of one caller, ms. */
  readonly longestWaitMs: number
  /** Callers that may wait at once; one more is refused. */
  readonly longestQueue: number
}

/** Two windows of a minute, a thousand callers. */
export const defaultRateBudgetOptions: RateBudgetOptions = { longestWaitMs: 120_000, longestQueue: 1_000 }

/** One budget as people see it. */
export interface RateBudgetSnapshot {
  readonly key: string
  readonly limit: number
  readonly windowMs: number
  /** Requests that count now, those under way included. */
  readonly used: number
  readonly underWay: number
  /** Callers waiting for this budget or another one with it. */
  readonly waiting: number
  /** Unix ms until which the server asked us to stay away, or null. */
  readonly pausedUntil: number | null
}

/** The place of one request under way, the same object in every budget it draws on. */
interface Slot {
  readonly budgets: ReadonlyArray<Budget>
}

interface Ledger {
  limit: number
  windowMs: number
  readonly underWay: Set<Slot>
  /** When the others' responses began, monotonic ms, ascending. */
  readonly settled: Array<number>
  /** Monotonic ms. */
  pausedUntil: number
}

interface Waiter {
  readonly budgets: ReadonlyArray<Budget>
  /** Opened when there is something to look at again. */
  readonly changed: Latch.Latch
  /** Its turn depends on the end of a request under way, which nobody can foretell. */
  dependsOnOthers: boolean
  granted: Slot | undefined
}

const waits = Metric.histogram("rainlogs_rate_budget_wait_ms", {
  description: "Time a request waited for its budgets, ms",
  boundaries: [0, 10, 100, 1_000, 5_000, 15_000, 30_000, 60_000, 120_000]
})
const pauses = Metric.counter("rainlogs_rate_budget_pauses_total", {
  description: "Pauses of a budget asked for by the server",
  incremental: true
})

const monotonicMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/** The request budgets of this process, by key. */
export class RateBudget extends Context.Service<RateBudget, {
  /**
   * Waits until every budget allows one more request, then runs `request`, whose end is the moment the response began
   * (or failed). Callers go in the order they came, except past those who wait for a budget they do not share.
   * Interruption gives the place back. Fails with `BudgetExhausted` when the wait is known to be too long.
   */
  readonly spend: (
    budgets: ReadonlyArray<Budget>
  ) => <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BudgetExhausted, R>
  /** Nobody draws on `budget` for the next `forMs`: the server's `Retry-After`. A longer pause stays. */
  readonly pause: (budget: Budget, forMs: number) => Effect.Effect<void>
  /** Every budget in use, sorted by key. */
  readonly snapshot: Effect.Effect<ReadonlyArray<RateBudgetSnapshot>>
}>()("@rainlogs/core/RateBudget") {
  /** Budgets in this process. */
  static readonly layerOptions = (options: RateBudgetOptions): Layer.Layer<RateBudget> =>
    Layer.effect(RateBudget, make(options))

  static readonly layer: Layer.Layer<RateBudget> = Layer.suspend(() =>
    RateBudget.layerOptions(defaultRateBudgetOptions)
  )
}

const make = (options: RateBudgetOptions): Effect.Effect<RateBudget["Service"]> =>
  Effect.sync(() => {
    const ledgers = new Map<string, Ledger>()
    const queue = new Set<Waiter>()

    const ledgerOf = (budget: Budget): Ledger => {
      const known = ledgers.get(budget.key)
      if (known !== undefined) return known
      const fresh: Ledger = {
        limit: budget.limit,
        windowMs: budget.windowMs,
        underWay: new Set(),
        settled: [],
        pausedUntil: 0
      }
      ledgers.set(budget.key, fresh)
      return fresh
    }

    /** Drops what no longer counts. A request counts at `settledAt + windowMs` too: the window is closed at both ends. */
    const expire = (ledger: Ledger, now: number): void => {
      let expired = 0
      while (expired < ledger.settled.length && ledger.settled[expired]! + ledger.windowMs < now) expired++
      ledger.settled.splice(0, expired)
    }

    const forgetIdle = (now: number): void => {
      for (const [key, ledger] of ledgers) {
        expire(ledger, now)
        if (ledger.settled.length === 0 && ledger.underWay.size === 0 && ledger.pausedUntil <= now) ledgers.delete(key)
      }
    }

    /** When the budget allows a request, monotonic ms: `now` if at once, Infinity if that depends on one under way. */
    const freeAt = (budget: Budget, now: number): number => {
      const ledger = ledgerOf(budget)
      expire(ledger, now)
      const excess = ledger.settled.length + ledger.underWay.size - ledger.limit
      if (excess < 0) return Math.max(now, ledger.pausedUntil)
      const last = ledger.settled[excess]
      return last === undefined ? Infinity : Math.max(last + ledger.windowMs + 1, ledger.pausedUntil)
    }

    const allFreeAt = (budgets: ReadonlyArray<Budget>, now: number): number =>
      Math.max(now, ...budgets.map((budget) => freeAt(budget, now)))

    /** Ends a request: it counts from `now` on for one window, or not at all if it was never made (null). */
    const settle = (slot: Slot, now: number | null): void => {
      for (const budget of slot.budgets) {
        const ledger = ledgerOf(budget)
        if (ledger.underWay.delete(slot) && now !== null) ledger.settled.push(now)
      }
    }

    /** Lets everybody go who can, in the order they came. */
    const drain = (now: number): void => {
      for (const waiter of queue) {
        if (allFreeAt(waiter.budgets, now) > now) continue
        queue.delete(waiter)
        const slot: Slot = { budgets: waiter.budgets }
        for (const budget of waiter.budgets) ledgerOf(budget).underWay.add(slot)
        waiter.granted = slot
        waiter.changed.openUnsafe()
      }
    }

    /** After the end of a request: lets go who can, and those who waited for that end look again. */
    const wakeAll = Effect.map(monotonicMs, (now) => {
      drain(now)
      for (const waiter of queue) {
        if (waiter.dependsOnOthers) waiter.changed.openUnsafe()
      }
    })

    const exhausted = (budgets: ReadonlyArray<Budget>, now: number): BudgetExhausted => {
      const slowest = budgets.reduce((one, other) => (freeAt(other, now) > freeAt(one, now) ? other : one), budgets[0]!)
      const at = freeAt(slowest, now)
      return new BudgetExhausted({ key: slowest.key, retryAfterMs: Number.isFinite(at) ? at - now : slowest.windowMs })
    }

    /** Sleeps and drains until this waiter has its place; each waiter wakes itself, so no wake-up can be lost. */
    const waitForTurn = (waiter: Waiter, deadline: number): Effect.Effect<Slot, BudgetExhausted> =>
      Effect.gen(function*() {
        while (true) {
          const now = yield* monotonicMs
          waiter.changed.closeUnsafe()
          drain(now)
          if (waiter.granted !== undefined) return waiter.granted
          const free = allFreeAt(waiter.budgets, now)
          waiter.dependsOnOthers = !Number.isFinite(free)
          if (now >= deadline || (!waiter.dependsOnOthers && free > deadline)) {
            return yield* exhausted(waiter.budgets, now)
          }
          yield* Effect.raceFirst(waiter.changed.await, Effect.sleep(Math.min(free, deadline) - now))
        }
      })

    const acquire = Effect.fnUntraced(function*(
      budgets: ReadonlyArray<Budget>,
      restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    ): Effect.fn.Return<Slot, BudgetExhausted> {
      const now = yield* monotonicMs
      forgetIdle(now)
      if (queue.size >= options.longestQueue) return yield* exhausted(budgets, now)
      const waiter: Waiter = {
        budgets,
        changed: Latch.makeUnsafe(false),
        dependsOnOthers: false,
        granted: undefined
      }
      queue.add(waiter)
      const slot = yield* restore(waitForTurn(waiter, now + options.longestWaitMs)).pipe(
        // The place may have been granted in the same moment the caller was interrupted: give it back.
        Effect.onError(() =>
          Effect.suspend(() => {
            queue.delete(waiter)
            if (waiter.granted !== undefined) settle(waiter.granted, null)
            return wakeAll
          })
        )
      )
      yield* Metric.update(waits, (yield* monotonicMs) - now)
      return slot
    })

    const release = (slot: Slot): Effect.Effect<void> =>
      Effect.flatMap(monotonicMs, (now) => {
        settle(slot, now)
        return wakeAll
      })

    const spend = (budgets: ReadonlyArray<Budget>) => <A, E, R>(request: Effect.Effect<A, E, R>) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(acquire(budgets, restore), (slot) => Effect.onExit(restore(request), () => release(slot)))
      )

    const pause = Effect.fnUntraced(function*(budget: Budget, forMs: number): Effect.fn.Return<void> {
      const ledger = ledgerOf(budget)
      ledger.pausedUntil = Math.max(ledger.pausedUntil, (yield* monotonicMs) + forMs)
      yield* Metric.update(pauses, 1)
    })

    const snapshot = Effect.gen(function*() {
      const now = yield* monotonicMs
      const wall = yield* Clock.currentTimeMillis
      forgetIdle(now)
      return Array.from(ledgers, ([key, ledger]): RateBudgetSnapshot => ({
        key,
        limit: ledger.limit,
        windowMs: ledger.windowMs,
        used: ledger.settled.length + ledger.underWay.size,
        underWay: ledger.underWay.size,
        waiting: Array.from(queue).filter((waiter) => waiter.budgets.some((budget) => budget.key === key)).length,
        pausedUntil: ledger.pausedUntil > now ? wall + ledger.pausedUntil - now : null
      })).sort((a, b) => (a.key < b.key ? -1 : 1))
    })

    return { spend, pause, snapshot }
  })
