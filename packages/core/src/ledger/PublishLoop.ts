/**
 * Keeps every ledger published and beating: a ledger is published shortly after it is told of an append, at most about
 * once a second, and a sweep opens new ledgers, writes due heartbeats and catches whatever was not told.
 */
import { Clock, Context, Effect, Layer, Schedule, Scope, Semaphore } from "effect"
import type { Origin } from "../domain/Customer.ts"
import type { CustomerId } from "../domain/Identifier.ts"
import { LedgerEvents } from "./LedgerEvents.ts"
import { type LedgerOf, LedgerStore } from "./LedgerStore.ts"
import { Publisher } from "./Publisher.ts"

/** Publishes every ledger for as long as the layer lives. */
export class PublishLoop extends Context.Service<PublishLoop, {
  /** Says that the customer's ledger has new entries. Returns at once; calls in quick succession are one publish. */
  readonly notify: (customer: CustomerId) => Effect.Effect<void>
}>()("@rainlogs/core/PublishLoop") {}

/** The pace of publishing, times in ms. */
export interface PublishLoopOptions {
  /** Least time between two publishes of one ledger; 1 000 when left out. */
  readonly intervalMs?: number
  /** Time between two sweeps over all ledgers; 30 000 when left out, well below the heartbeats' tolerance. */
  readonly sweepMs?: number
  /** Ledgers published at once; 4 when left out. */
  readonly concurrency?: number
}

// Up to a minute apart, for as long as it takes: the store or the database will be back.
const backoff = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")]).pipe(Schedule.jittered)

const make = Effect.fnUntraced(function*(options: PublishLoopOptions) {
  const { concurrency = 4, intervalMs = 1_000, sweepMs = 30_000 } = options
  const store = yield* LedgerStore
  const publisher = yield* Publisher
  const events = yield* LedgerEvents
  const scope = yield* Scope.Scope
  const permits = yield* Semaphore.make(concurrency)
  const ledgers = new Map<CustomerId, LedgerOf>()
  const opened = new Set<Origin>()
  // `waiting`: told of appends since its last publish began. `working`: has a fiber. Both change without a pause in
  // between, so no notice falls between the end of one fiber and the start of the next.
  const waiting = new Set<CustomerId>()
  const working = new Set<CustomerId>()

  const refresh = Effect.map(store.ledgers, (all) => {
    for (const ledger of all) ledgers.set(ledger.customer, ledger)
    return all
  })

  // What the ledger owes comes first, so that a signed head never shows a heartbeat missing that is only late. Heartbeats
  // need no signer, so they come before the opening, which does: they go on while the signer is away.
  const tend = Effect.fnUntraced(
    function*(ledger: LedgerOf) {
      yield* events.heartbeats(ledger, yield* Clock.currentTimeMillis)
      if (opened.has(ledger.origin)) return
      yield* events.open(ledger)
      opened.add(ledger.origin)
    },
    Effect.catchTag(
      ["GenesisMismatch", "PolicyInvalid"],
      (error) => Effect.logError(`the ledger ${error.origin} cannot be opened: ${error.detail}`)
    )
  )

  const publishOnce = Effect.fnUntraced(function*(customer: CustomerId) {
    const ledger = ledgers.get(customer) ?? (yield* Effect.map(refresh, () => ledgers.get(customer)))
    if (ledger === undefined) return yield* Effect.logWarning(`customer ${customer} has no ledger to publish`)
    yield* tend(ledger)
    const { outcome } = yield* publisher.publish(ledger)
    if (outcome === "busy") waiting.add(customer)
  })

  const work = (customer: CustomerId): Effect.Effect<void> =>
    Effect.gen(function*() {
      for (;;) {
        if (!waiting.delete(customer)) {
          working.delete(customer)
          return
        }
        yield* permits.withPermits(1)(publishOnce(customer)).pipe(
          Effect.tapError((error) =>
            Effect.logWarning(`publishing the ledger of ${customer} failed; it is tried again`, error)
          ),
          Effect.retry(backoff)
        )
        yield* Effect.sleep(intervalMs)
      }
    }).pipe(Effect.catchCause((cause) => {
      working.delete(customer)
      return Effect.logError(`publishing the ledger of ${customer} broke off until the next sweep`, cause)
    }))

  const notify = (customer: CustomerId): Effect.Effect<void> =>
    Effect.suspend(() => {
      waiting.add(customer)
      if (working.has(customer)) return Effect.void
      working.add(customer)
      return Effect.asVoid(Effect.forkIn(work(customer), scope))
    })

  const sweep = refresh.pipe(
    Effect.flatMap((all) => Effect.forEach(all, ({ customer }) => notify(customer), { discard: true })),
    Effect.catchCause((cause) => Effect.logError("the ledgers could not be listed; the next sweep tries", cause))
  )

  yield* Effect.forkScoped(Effect.repeat(sweep, Schedule.spaced(sweepMs)))
  return PublishLoop.of({ notify })
})

/** Runs as long as the layer lives. Requires `LedgerStore`, `Publisher` and `LedgerEvents`. */
export const layer = (
  options: PublishLoopOptions = {}
): Layer.Layer<PublishLoop, never, LedgerStore | Publisher | LedgerEvents> => Layer.effect(PublishLoop, make(options))
