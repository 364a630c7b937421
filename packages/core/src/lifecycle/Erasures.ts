/**
 * Erases archived windows (ledger format §7): announces an erasure, executes it, reports it. Whether each step is
 * allowed is decided under the ledger's lock by the verifier's own rules; every step can be repeated, by another process
 * and after a crash, and nothing is reported as erased that the store still has.
 */
import { Context, Effect, Layer, type Option } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import { BundleWithdrawal } from "../bundle/BundleWithdrawal.ts"
import type { ZoneId } from "../domain/Identifier.ts"
import { type LedgerOf, LedgerStore } from "../ledger/LedgerStore.ts"
import { PolicyChanges } from "../ledger/PolicyChanges.ts"
import { Publisher } from "../ledger/Publisher.ts"
import { Signer, type SignerUnavailable } from "../ledger/Signer.ts"
import { ObjectStore, type StorageError } from "../storage/ObjectStore.ts"
import type { Erasure, ErasureMethod, ErasureReason } from "./Erasure.ts"
import * as ErasureAnnouncement from "./ErasureAnnouncement.ts"
import * as ErasureExecution from "./ErasureExecution.ts"
import { ErasureStore, type SelectionCursor } from "./ErasureStore.ts"
import { HoldStore } from "./HoldStore.ts"
import type { ErasureIncomplete, ErasureMissing, ErasureRefused } from "./LifecycleError.ts"

/** What is to be erased, why and how. Windows wholly inside `[from, to)`, Unix ms. */
export interface ErasureRequest {
  /** One zone, or all of the customer. */
  readonly zone: ZoneId | null
  readonly from: number
  readonly to: number
  readonly reason: ErasureReason
  readonly method: ErasureMethod
  /** Opaque reference to the legal basis. */
  readonly basis: string
}

/** The announcement of an erasure before it is signed. `next` asks for the windows that did not fit into it. */
export interface ErasureDraft {
  readonly document: string
  readonly id: string
  readonly targets: number
  /** Approvers who must sign it. */
  readonly quorum: number
  readonly next: SelectionCursor | null
}

type Failure = StorageError | DatabaseError | SignerUnavailable

/** Erases archived windows. */
export class Erasures extends Context.Service<Erasures, {
  /** Writes the announcement of an erasure; none if no window is left. Nothing is stored. */
  readonly draft: (
    ledger: LedgerOf,
    request: ErasureRequest,
    after: SelectionCursor | null,
    now: number
  ) => Effect.Effect<Option.Option<ErasureDraft>, ErasureRefused | StorageError | DatabaseError>
  /** Chains an announcement with its approvers' signatures. The same again is the same erasure. */
  readonly announce: (
    ledger: LedgerOf,
    bytes: Uint8Array,
    now: number
  ) => Effect.Effect<Erasure, ErasureRefused | Failure>
  /** Erases what was announced and chains the report. Done already, it changes nothing. */
  readonly execute: (
    ledger: LedgerOf,
    id: string
  ) => Effect.Effect<Erasure, ErasureRefused | ErasureMissing | ErasureIncomplete | Failure>
}>()("@rainlogs/core/Erasures") {}

/** What the steps of an erasure work with. */
export interface ErasureRooms {
  readonly ledgers: LedgerStore["Service"]
  readonly objects: ObjectStore["Service"]
  readonly signer: Signer["Service"]
  readonly policies: PolicyChanges["Service"]
  readonly holds: HoldStore["Service"]
  readonly erasures: ErasureStore["Service"]
  readonly publisher: Publisher["Service"]
  readonly bundles: BundleWithdrawal["Service"]
}

const make = Effect.gen(function*() {
  const rooms: ErasureRooms = {
    ledgers: yield* LedgerStore,
    objects: yield* ObjectStore,
    signer: yield* Signer,
    policies: yield* PolicyChanges,
    holds: yield* HoldStore,
    erasures: yield* ErasureStore,
    publisher: yield* Publisher,
    bundles: yield* BundleWithdrawal
  }
  return Erasures.of({
    draft: (ledger, request, after, now) => ErasureAnnouncement.draft(rooms, ledger, request, after, now),
    announce: (ledger, bytes, now) => ErasureAnnouncement.announce(rooms, ledger, bytes, now),
    execute: (ledger, id) => ErasureExecution.execute(rooms, ledger, id)
  })
})

/** Requires the ledger, its publisher and policies, the stores of holds and erasures, and what withdraws bundles. */
export const layer: Layer.Layer<
  Erasures,
  never,
  | LedgerStore
  | ObjectStore
  | Signer
  | PolicyChanges
  | HoldStore
  | ErasureStore
  | Publisher
  | BundleWithdrawal
> = Layer.effect(Erasures, make)
