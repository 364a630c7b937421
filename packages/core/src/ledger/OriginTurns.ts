/**
 * One step at a time per ledger, and those of other ledgers beside it.
 */
import { Effect, Semaphore } from "effect"
import type { Origin } from "../domain/Customer.ts"

/** Runs a step when no other of the same origin runs. */
export const makeOriginTurns = () => {
  const turns = new Map<Origin, Semaphore.Semaphore>()
  return <A, E, R>(origin: Origin, step: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const turn = turns.get(origin) ?? Semaphore.makeUnsafe(1)
      turns.set(origin, turn)
      return turn.withPermits(1)(step)
    })
}
