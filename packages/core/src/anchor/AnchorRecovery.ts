/**
 * What an earlier process left of a ledger's anchoring: receipts that were kept and not yet chained, and when the newest
 * one expires.
 */
import { Clock, Effect, Option } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { StorageError } from "../storage/ObjectStore.ts"
import { type Anchor, type AnchorError, isTrusted } from "./Anchor.ts"
import type { AnchoredLedger } from "./AnchoredLedger.ts"
import { renewalIntervalMs } from "./AnchorSchedule.ts"
import type { makeStamper } from "./Stamper.ts"

/** What recovery works with; `look` reads what has changed in a ledger. */
export interface RecoveryRooms {
  readonly stamper: ReturnType<typeof makeStamper>
  readonly look: (ledger: AnchoredLedger) => Effect.Effect<void, StorageError | DatabaseError>
}

type Failure = AnchorError | StorageError | DatabaseError

const isBeyondRepair = (error: Failure): error is AnchorError | StorageError =>
  error._tag === "AnchorError" || (error._tag === "StorageError" && error.category === "corrupt")

// A receipt that cannot be read or chained stays where it is; the next checkpoint gets another.
const leavingOut = <A, R>(effect: Effect.Effect<A, Failure, R>, { ledger }: AnchoredLedger) =>
  Effect.catchIf(
    effect,
    isBeyondRepair,
    (error) => Effect.logError(`a stored receipt for ${ledger.origin} is left out`, error)
  )

/** Builds the effect that recovers one ledger for one anchor. */
export const makeRecovery = ({ look, stamper }: RecoveryRooms) => {
  const chainStored = Effect.fnUntraced(function*(ledger: AnchoredLedger, anchor: Anchor, size: number) {
    const request = yield* stamper.requestAt(ledger.ledger, size)
    const facts = yield* stamper.stamp(ledger.ledger, anchor, request, ledger.contextFor(anchor.id))
    ledger.learn(anchor.id, size, facts)
    yield* look(ledger)
  }, leavingOut)

  const learnExpiry = Effect.fnUntraced(function*(ledger: AnchoredLedger, anchor: Anchor) {
    const last = ledger.last(anchor.id)
    if (last === null || !isTrusted(anchor.type) || last.expires !== null) return
    // A younger one is followed by the next before its renewal could come up.
    if (last.time > (yield* Clock.currentTimeMillis) - renewalIntervalMs) return
    const facts = yield* stamper.facts(ledger.ledger, anchor, last.size)
    if (Option.isSome(facts)) ledger.learn(anchor.id, last.size, facts.value)
  }, leavingOut)

  return Effect.fnUntraced(function*(ledger: AnchoredLedger, anchor: Anchor) {
    const sizes = yield* stamper.stored(ledger.ledger, anchor, ledger.chainedUpTo(anchor.id), ledger.size)
    for (const size of sizes) yield* chainStored(ledger, anchor, size)
    yield* learnExpiry(ledger, anchor)
  })
}
