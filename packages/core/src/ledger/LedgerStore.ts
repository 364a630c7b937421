/**
 * Port: the ledger's rows in SQL. Appending is one transaction under the customer's advisory lock, with the
 * constraints of ledger format §3. The window ledger appends object entries through the same code, in the
 * transaction that commits the window.
 */
import { Context, type Effect, type Option, type Stream } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { Origin } from "../domain/Customer.ts"
import type { CustomerId } from "../domain/Identifier.ts"
import type { EventDraft } from "./EntryDraft.ts"

/** One customer's ledger. */
export interface LedgerOf {
  readonly customer: CustomerId
  readonly origin: Origin
}

/** The state of one chain: `nextSeq` entries, the last of which has hash `head` (hex; the genesis prev if none). */
export interface ChainHead {
  readonly chain: string
  readonly nextSeq: number
  readonly head: string
}

/** A ledger's size and heads, read in one snapshot. */
export interface LedgerSnapshot {
  readonly size: number
  readonly heads: ReadonlyArray<ChainHead>
  /** Largest entry time, Unix ms; null if empty. */
  readonly lastTime: number | null
}

/** An appended entry as the publisher reads it back. */
export interface LedgerRow {
  readonly leafIndex: number
  /** The entry text, exactly the Merkle leaf data. */
  readonly entry: Uint8Array
  readonly leafHash: Uint8Array
}

/** An event of the control chain as it is found: its document's SHA-256 (hex), its time (Unix ms) and its places. */
export interface FoundEvent {
  readonly documentSha256: string
  readonly time: number
  readonly seq: number
  readonly leafIndex: number
}

/** The entries of all ledgers in append order. */
export class LedgerStore extends Context.Service<LedgerStore, {
  /** The ledgers of all customers. */
  readonly ledgers: Effect.Effect<ReadonlyArray<LedgerOf>, DatabaseError>
  /** Appends one event entry; an event whose job is already in the ledger is not appended again ("exists"). */
  readonly append: (
    ledger: LedgerOf,
    draft: EventDraft,
    now: number
  ) => Effect.Effect<"appended" | "exists", DatabaseError>
  /**
   * Appends an event whose document depends on the ledger's state (a heartbeat): `make` sees the snapshot under the
   * customer's lock and returns the draft to append at exactly that place, after making its document durable;
   * `none` appends nothing.
   */
  readonly appendAt: <E, R>(
    ledger: LedgerOf,
    now: number,
    make: (snapshot: LedgerSnapshot) => Effect.Effect<Option.Option<EventDraft>, E, R>
  ) => Effect.Effect<boolean, E | DatabaseError, R>
  readonly snapshot: (ledger: LedgerOf) => Effect.Effect<LedgerSnapshot, DatabaseError>
  /** Rows `[from, to)` by leaf index, in order, streamed. */
  readonly rows: (ledger: LedgerOf, from: number, to: number) => Stream.Stream<LedgerRow, DatabaseError>
  /** The last event of a kind in the control chain, or none. */
  readonly lastEvent: (
    ledger: LedgerOf,
    kind: EventDraft["kind"]
  ) => Effect.Effect<Option.Option<FoundEvent>, DatabaseError>
  /** The events of a kind in the control chain, the newest first, streamed. */
  readonly events: (
    ledger: LedgerOf,
    kind: EventDraft["kind"]
  ) => Stream.Stream<FoundEvent, DatabaseError>
  /** Runs `work` if no other process publishes this ledger now; none if one does. */
  readonly exclusively: <A, E, R>(
    ledger: LedgerOf,
    work: Effect.Effect<A, E, R>
  ) => Effect.Effect<Option.Option<A>, E | DatabaseError, R>
}>()("@rainlogs/core/LedgerStore") {}
