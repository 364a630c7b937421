/**
 * Ports of a process that kills itself with SIGKILL at one step. It wraps the real adapters from outside: no code that
 * is shipped knows of it.
 */
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { Signer } from "@rainlogs/core/ledger/Signer"
import { ObjectStore } from "@rainlogs/core/storage/ObjectStore"
import { Effect, Layer } from "effect"
import type { Kill, Step } from "./Steps.ts"
import { stepOfKey } from "./Steps.ts"

/** Longest time from the beginning of a step to a kill within it, ms. */
const longestWithin = 6

/** Runs a step, or dies around it. */
export type AtStep = <A, E, R>(step: Step | undefined, call: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Counts the steps and dies at the one asked for; `draw` says how long after the beginning of it. */
export const makeSwitch = (kill: Kill | null, draw: () => number): AtStep => {
  let left = kill?.nth ?? 0
  const die = Effect.sync(() => process.kill(process.pid, "SIGKILL"))
  // The signal arrives before the system call returns; nothing may run after it in any case.
  const end = Effect.andThen(die, Effect.never)
  return (step, call) =>
    Effect.suspend(() => {
      if (kill === null || step !== kill.step || --left !== 0) return call
      if (kill.moment === "before") return end
      if (kill.moment === "after") return Effect.andThen(call, end)
      setTimeout(() => process.kill(process.pid, "SIGKILL"), draw() * longestWithin)
      return Effect.andThen(call, Effect.never)
    })
}

/** The object store with the switch at its writes. */
export const objects = (at: AtStep) =>
  Layer.effect(
    ObjectStore,
    Effect.map(ObjectStore, (inner) =>
      ObjectStore.of({
        ...inner,
        put: (key, body) => at(stepOfKey(key), inner.put(key, body)),
        putBytes: (key, bytes) => at(stepOfKey(key), inner.putBytes(key, bytes)),
        replace: (key, bytes) => at(stepOfKey(key), inner.replace(key, bytes))
      }))
  )

/** The window ledger with the switch at its durable steps. */
export const windows = (at: AtStep) =>
  Layer.effect(
    WindowLedger,
    Effect.map(WindowLedger, (inner) =>
      WindowLedger.of({
        ...inner,
        stored: (leased, object, now) => at("stored", inner.stored(leased, object, now)),
        commit: (leased, object, now) => at("commit", inner.commit(leased, object, now)),
        // A full disk is waited for half a minute; a run that fills it on purpose has not the time.
        retry: (leased, failure, notBefore, now) => inner.retry(leased, failure, Math.min(notBefore, now + 100), now)
      }))
  )

/** The ledger store with the switch where an anchor's receipt is chained. */
export const ledger = (at: AtStep) =>
  Layer.effect(
    LedgerStore,
    Effect.map(LedgerStore, (inner) =>
      LedgerStore.of({
        ...inner,
        append: (of, draft, now) => at(draft.kind === "anchored" ? "anchored" : undefined, inner.append(of, draft, now))
      }))
  )

/** The signer with the switch; `signed` is told of every checkpoint before its caller is. */
export const signer = (at: AtStep, signed: (note: Uint8Array) => void) =>
  Layer.effect(
    Signer,
    Effect.map(Signer, (inner) =>
      Signer.of({
        ...inner,
        sign: (request) =>
          at("sign", Effect.tap(inner.sign(request), ({ served }) => Effect.sync(() => signed(served))))
      }))
  )
