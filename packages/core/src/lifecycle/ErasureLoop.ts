/**
 * Finishes erasures that a crash or a failing store interrupted, and deletes what is past its retention where that is
 * asked for; for as long as the layer lives.
 */
import { Effect, Layer, Option, Schedule } from "effect"
import { type LedgerOf, LedgerStore } from "../ledger/LedgerStore.ts"
import type { Erasure } from "./Erasure.ts"
import { Erasures } from "./Erasures.ts"
import { ErasureStore } from "./ErasureStore.ts"
import { Retention, retentionBasis } from "./Retention.ts"

/** How often, in ms, and whether what is past retention is deleted. */
export interface ErasureLoopOptions {
  readonly intervalMs: number
  readonly retention: "on" | "off"
}

/** Once a minute; nothing is deleted that nobody asked for. */
export const defaultErasureLoop: ErasureLoopOptions = { intervalMs: 60_000, retention: "off" }

/** Open erasures of one ledger that a round looks at. */
const mostOpen = 1_000

const make = Effect.fnUntraced(function*(options: ErasureLoopOptions) {
  const ledgers = yield* LedgerStore
  const erasures = yield* Erasures
  const store = yield* ErasureStore
  const retention = yield* Retention

  // What the run itself announced is its to execute; what a person announced waits for that person.
  const isOurs = ({ basis, reason, state }: Erasure) =>
    state === "executing" || (options.retention === "on" && reason === "retention" && basis === retentionBasis)

  const finish = (ledger: LedgerOf, { id }: Erasure) =>
    erasures.execute(ledger, id).pipe(
      Effect.catch((error) =>
        Effect.logWarning(`the erasure ${id} is not done; it is tried again`, error).pipe(
          Effect.annotateLogs({ customer: ledger.customer })
        )
      )
    )

  const tend = Effect.fnUntraced(function*(ledger: LedgerOf) {
    const open = (yield* store.open(ledger.customer, mostOpen)).filter(isOurs)
    yield* Effect.forEach(open, (erasure) => finish(ledger, erasure), { discard: true })
    if (options.retention === "off") return
    while (Option.isSome(yield* retention.step(ledger))) yield* Effect.yieldNow
  })

  // A ledger that fails does not keep the others waiting.
  const round = Effect.flatMap(ledgers.ledgers, (all) =>
    Effect.forEach(
      all,
      (ledger) =>
        tend(ledger).pipe(
          Effect.catchCause((cause) =>
            Effect.logWarning("erasures of a ledger are not finished; the next round tries", cause).pipe(
              Effect.annotateLogs({ customer: ledger.customer })
            )
          )
        ),
      { discard: true }
    )).pipe(
      Effect.catchCause((cause) => Effect.logWarning("the ledgers could not be listed; the next round tries", cause))
    )

  yield* Effect.forkScoped(Effect.repeat(round, Schedule.spaced(options.intervalMs)))
})

/** Runs as long as the layer lives. */
export const layer = (
  options: ErasureLoopOptions = defaultErasureLoop
): Layer.Layer<never, never, LedgerStore | Erasures | ErasureStore | Retention> => Layer.effectDiscard(make(options))
