/**
 * Keeps every ledger anchored: a sweep looks which ledgers owe an anchor a stamp, and one worker per anchor has them
 * stamped, those that have waited longest first. Archiving and publishing never wait for it; an anchor that hangs
 * holds up nobody but itself.
 */
import { Clock, Context, Effect, Latch, Layer, Option, Schedule } from "effect"
import type { CustomerId } from "../domain/Identifier.ts"
import { LedgerEvents } from "../ledger/LedgerEvents.ts"
import { LedgerStore } from "../ledger/LedgerStore.ts"
import { PublishLoop } from "../ledger/PublishLoop.ts"
import { CircuitBreaker } from "../resilience/CircuitBreaker.ts"
import { RateBudget } from "../resilience/RateBudget.ts"
import { ObjectStore } from "../storage/ObjectStore.ts"
import { type Anchor, type AnchorError, Anchors } from "./Anchor.ts"
import { AnchorAlarm } from "./AnchorAlarm.ts"
import { makeCoverage } from "./AnchorCoverage.ts"
import { AnchoredLedger } from "./AnchoredLedger.ts"
import { guarded, guardKey } from "./AnchorGuard.ts"
import { makeRecovery } from "./AnchorRecovery.ts"
import * as AnchorStatus from "./AnchorStatus.ts"
import { makeStamper } from "./Stamper.ts"

/** Anchors every ledger for as long as the layer lives. */
export class AnchorLoop extends Context.Service<AnchorLoop, {
  /** How the anchors are doing over all ledgers. */
  readonly status: Effect.Effect<AnchorStatus.AnchorsStatus>
  /** Brings the gauges of the debts up to date, which grow while nothing can be read. */
  readonly gauges: Effect.Effect<void>
}>()("@rainlogs/core/AnchorLoop") {}

/** The pace of looking, ms. */
export interface AnchorLoopOptions {
  /** Time between two sweeps over all ledgers; 30 000 when left out. */
  readonly sweepMs?: number
  /** Ledgers looked at at once; 4 when left out. */
  readonly concurrency?: number
}

/** How long a ledger is left alone by an anchor that keeps another checkpoint of it, ms. */
const equivocationPauseMs = 3_600_000

/** The shortest pause of a worker whose anchor will not answer, ms. */
const shortestPauseMs = 1_000

const make = Effect.fnUntraced(function*(options: AnchorLoopOptions) {
  const { concurrency = 4, sweepMs = 30_000 } = options
  const anchors = yield* Anchors
  const store = yield* LedgerStore
  const objects = yield* ObjectStore
  const publishing = yield* PublishLoop
  const breaker = yield* CircuitBreaker
  const budgets = yield* RateBudget
  const stamper = makeStamper(objects, yield* LedgerEvents)
  const coverage = makeCoverage(store, objects)
  const alarm = new AnchorAlarm(anchors)
  const ledgers = new Map<CustomerId, AnchoredLedger>()
  const recovered = new Set<CustomerId>()
  const work = new Map(anchors.map((anchor) => [guarded(anchor, { breaker, budgets }), Latch.makeUnsafe(false)]))

  const recover = makeRecovery({ stamper, look: (ledger) => ledger.look(store, coverage, anchors) })

  const look = Effect.fnUntraced(function*(ledger: AnchoredLedger) {
    if (!ledger.allOwe(anchors)) yield* ledger.look(store, coverage, anchors)
    if (!recovered.has(ledger.ledger.customer)) {
      yield* Effect.forEach(anchors, (anchor) => recover(ledger, anchor), { discard: true })
      yield* publishing.notify(ledger.ledger.customer)
      recovered.add(ledger.ledger.customer)
    }
    const now = yield* Clock.currentTimeMillis
    for (const [anchor, latch] of work) {
      const due = ledger.due(anchor)
      if (due !== null && due.at <= now) latch.openUnsafe()
    }
  })

  const sweep = Effect.gen(function*() {
    for (const of of yield* store.ledgers) {
      if (!ledgers.has(of.customer)) ledgers.set(of.customer, new AnchoredLedger(of))
    }
    yield* Effect.forEach([...ledgers.values()], (ledger) =>
      look(ledger).pipe(
        Effect.catch((error) =>
          Effect.logWarning(`the anchors of ${ledger.ledger.origin} cannot be looked at; the next sweep tries`, error)
        )
      ), { concurrency, discard: true })
    const now = yield* Clock.currentTimeMillis
    yield* alarm.gauges([...ledgers.values()], now)
    yield* alarm.say([...ledgers.values()], now)
  }).pipe(
    Effect.catchCause((cause) => Effect.logError("the ledgers could not be listed for anchoring", cause))
  )

  /** The due ledger that has waited longest. */
  const next = (anchor: Anchor, now: number): AnchoredLedger | null => {
    let first: AnchoredLedger | null = null
    let longest = -1
    for (const ledger of ledgers.values()) {
      const due = ledger.due(anchor)
      const debt = ledger.debt(anchor.id, now)
      if (due === null || due.at > now || debt <= longest) continue
      longest = debt
      first = ledger
    }
    return first
  }

  const stampOne = Effect.fnUntraced(function*(anchor: Anchor, ledger: AnchoredLedger) {
    // Another process may have been here since the last sweep.
    yield* ledger.look(store, coverage, anchors)
    const still = ledger.due(anchor)
    if (still === null || still.at > (yield* Clock.currentTimeMillis)) return
    const head = yield* stamper.head(ledger.ledger)
    if (Option.isNone(head) || head.value.size <= still.index) {
      // The publisher is not there yet.
      return ledger.postpone(anchor.id, (yield* Clock.currentTimeMillis) + shortestPauseMs)
    }
    const facts = yield* stamper.stamp(ledger.ledger, anchor, head.value, ledger.contextFor(anchor.id))
    ledger.learn(anchor.id, head.value.size, facts)
    ledger.succeeded(anchor.id)
    yield* alarm.stamped(anchor, facts)
    yield* publishing.notify(ledger.ledger.customer)
    yield* ledger.look(store, coverage, anchors)
  })

  // Pauses the worker for as long as the anchor itself asks; anything else is between it and this ledger.
  const failed = Effect.fnUntraced(function*(anchor: Anchor, ledger: AnchoredLedger, error: AnchorError) {
    const now = yield* Clock.currentTimeMillis
    const wish = error.retryAfterMs ?? 0
    yield* alarm.failed(anchor, ledger.ledger.origin, error)
    if (error.category === "throttled") return yield* Effect.sleep(Math.max(shortestPauseMs, Math.min(wish, sweepMs)))
    ledger.failed(anchor.id, now, error.category === "equivocation" ? equivocationPauseMs : wish)
  })

  const troubled = Effect.fnUntraced(
    function*(anchor: Anchor, ledger: AnchoredLedger, cause: unknown, pauseMs: number) {
      yield* Effect.logWarning(`${ledger.ledger.origin} could not be anchored by ${anchor.id}`, cause)
      ledger.failed(anchor.id, yield* Clock.currentTimeMillis, 0)
      yield* Effect.sleep(pauseMs)
    }
  )

  const waitForCircuit = (anchor: Anchor) =>
    breaker.check(guardKey(anchor)).pipe(
      Effect.catchTag("CircuitOpen", ({ retryAfterMs }) => Effect.sleep(Math.max(shortestPauseMs, retryAfterMs)))
    )

  // One turn of an anchor's worker.
  const turn = Effect.fnUntraced(function*(anchor: Anchor, latch: Latch.Latch) {
    yield* waitForCircuit(anchor)
    latch.closeUnsafe()
    const ledger = next(anchor, yield* Clock.currentTimeMillis)
    if (ledger === null) return yield* latch.await
    yield* stampOne(anchor, ledger).pipe(
      Effect.catchTags({
        AnchorError: (error) => failed(anchor, ledger, error),
        // The archive's own trouble: asking for more receipts would waste them.
        StorageError: (error) => troubled(anchor, ledger, error, error.category === "corrupt" ? 0 : sweepMs),
        DatabaseError: (error) => troubled(anchor, ledger, error, sweepMs)
      }),
      Effect.catchDefect((defect) => troubled(anchor, ledger, defect, 0))
    )
  })

  if (anchors.length === 0) {
    yield* Effect.logInfo("No anchor is configured: nothing outside the archive attests its time (see docs/anchors.md)")
  } else {
    yield* Effect.forkScoped(Effect.repeat(sweep, Schedule.spaced(sweepMs)))
    for (const [anchor, latch] of work) yield* Effect.forkScoped(Effect.forever(turn(anchor, latch)))
  }

  return AnchorLoop.of({
    status: Effect.map(Clock.currentTimeMillis, (now) => AnchorStatus.make(anchors, [...ledgers.values()], alarm, now)),
    gauges: Effect.flatMap(Clock.currentTimeMillis, (now) => alarm.gauges([...ledgers.values()], now))
  })
})

/** Runs as long as the layer lives. */
export const layer = (
  options: AnchorLoopOptions = {}
): Layer.Layer<
  AnchorLoop,
  never,
  Anchors | LedgerStore | ObjectStore | PublishLoop | LedgerEvents | CircuitBreaker | RateBudget
> => Layer.effect(AnchorLoop, make(options))
