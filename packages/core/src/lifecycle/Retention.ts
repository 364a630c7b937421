/**
 * Deletes what is past its retention: a tombstone for every {@link mostTargets} windows, announced and executed. It is
 * off unless a setting asks for it, for nothing brings the windows back.
 */
import { retentionDays } from "@rainlogs/verify/verification/Policies"
import { Clock, Context, Effect, Layer, Option } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { LedgerOf } from "../ledger/LedgerStore.ts"
import { PolicyChanges } from "../ledger/PolicyChanges.ts"
import type { SignerUnavailable } from "../ledger/Signer.ts"
import type { StorageError } from "../storage/ObjectStore.ts"
import type { Erasure } from "./Erasure.ts"
import { Erasures } from "./Erasures.ts"
import { ErasureStore, type Selection, type SelectionSize } from "./ErasureStore.ts"
import type { ErasureIncomplete, ErasureMissing, ErasureRefused } from "./LifecycleError.ts"

const day = 86_400_000

/** The basis that the tombstones of the retention run name. */
export const retentionBasis = "retention of the policy in force"

/** What is past retention: windows that may go now, and those that a legal hold keeps. */
export interface RetentionDue {
  readonly days: number
  readonly due: SelectionSize
  readonly held: number
}

/** Deletes what is past its retention. */
export class Retention extends Context.Service<Retention, {
  /** What a run would delete at `now` (Unix ms); nothing is changed. */
  readonly due: (ledger: LedgerOf, now: number) => Effect.Effect<RetentionDue, StorageError | DatabaseError>
  /** Deletes one tombstone's worth; none when nothing is past retention. */
  readonly step: (
    ledger: LedgerOf
  ) => Effect.Effect<
    Option.Option<Erasure>,
    ErasureRefused | ErasureMissing | ErasureIncomplete | StorageError | DatabaseError | SignerUnavailable
  >
}>()("@rainlogs/core/Retention") {}

const make = Effect.gen(function*() {
  const erasures = yield* Erasures
  const store = yield* ErasureStore
  const policies = yield* PolicyChanges

  const due = Effect.fn("Retention.due")(function*(ledger: LedgerOf, now: number) {
    const policy = yield* policies.inForce(ledger)
    const days = Option.isSome(policy) ? retentionDays(policy.value.policy) : Number.POSITIVE_INFINITY
    const none: SelectionSize = { windows: 0, storedBytes: 0, oldest: null, newest: null }
    if (!Number.isFinite(days)) return { days: 0, due: none, held: 0 }
    const selection: Selection = {
      zone: null,
      from: 0,
      to: Number.MAX_SAFE_INTEGER,
      dueBefore: now - days * day,
      held: "left-out"
    }
    const free = yield* store.size(ledger.customer, selection)
    const all = yield* store.size(ledger.customer, { ...selection, held: "included" })
    return { days, due: free, held: all.windows - free.windows }
  })

  const step = Effect.fn("Retention.step")(function*(ledger: LedgerOf) {
    // What an earlier run announced and did not finish comes first.
    const waiting = (yield* store.open(ledger.customer, 100)).find(({ reason, state }) =>
      reason === "retention" && state === "executing"
    )
    if (waiting !== undefined) return Option.some(yield* erasures.execute(ledger, waiting.id))
    const now = yield* Clock.currentTimeMillis
    const draft = yield* erasures.draft(
      ledger,
      {
        zone: null,
        from: 0,
        to: Number.MAX_SAFE_INTEGER,
        reason: "retention",
        method: "delete",
        basis: retentionBasis
      },
      null,
      now
    )
    if (Option.isNone(draft)) return Option.none()
    const { id } = yield* erasures.announce(ledger, new TextEncoder().encode(draft.value.document), now)
    return Option.some(yield* erasures.execute(ledger, id))
  })

  return Retention.of({ due, step })
})

/** Requires `Erasures`, `ErasureStore` and `PolicyChanges`. */
export const layer: Layer.Layer<Retention, never, Erasures | ErasureStore | PolicyChanges> = Layer.effect(
  Retention,
  make
)
