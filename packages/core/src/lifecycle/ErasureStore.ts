/**
 * Port: erasures and the windows they name, in SQL. What changes a state is called inside `LedgerStore.appendAt`, so
 * that a row and its ledger entry are committed together, under the ledger's lock.
 */
import { Context, type Effect, type Option } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { CustomerId, JobId, ZoneId } from "../domain/Identifier.ts"
import type { Erasure, ErasureTarget } from "./Erasure.ts"

/** Windows to erase: committed, not empty, named by no erasure, wholly inside `[from, to)` (Unix ms). */
export interface Selection {
  /** One zone, or all of the customer. */
  readonly zone: ZoneId | null
  readonly from: number
  readonly to: number
  /** Only windows that ended and were archived at least this long ago, as a Unix time in ms; null for all. */
  readonly dueBefore: number | null
  /** Windows under an active hold are left out. */
  readonly held: "left-out" | "included"
}

/** Where a page of windows begins: after this window end (Unix ms) and job. */
export interface SelectionCursor {
  readonly to: number
  readonly job: JobId
}

/** How much a selection comes to; sizes in bytes, times in Unix ms. */
export interface SelectionSize {
  readonly windows: number
  readonly storedBytes: number
  readonly oldest: number | null
  readonly newest: number | null
}

/** An announcement and the windows it names. */
export interface Announcement {
  readonly erasure: Omit<Erasure, "state" | "intent" | "executed" | "done" | "lastError">
  /** Job id and SHA-256 of the intent's entry. */
  readonly intent: { readonly job: JobId; readonly document: string }
  readonly jobs: ReadonlyArray<JobId>
}

/** Erasures in SQL. */
export class ErasureStore extends Context.Service<ErasureStore, {
  /** Windows of a selection, the oldest first: at most `limit`, after `after`. */
  readonly select: (
    customer: CustomerId,
    selection: Selection,
    page: { readonly limit: number; readonly after: SelectionCursor | null }
  ) => Effect.Effect<ReadonlyArray<ErasureTarget>, DatabaseError>
  readonly size: (customer: CustomerId, selection: Selection) => Effect.Effect<SelectionSize, DatabaseError>
  /** The windows of these ledger entries, as far as the customer has them; in any order. */
  readonly windows: (
    customer: CustomerId,
    places: ReadonlyArray<{ readonly chain: string; readonly seq: number }>
  ) => Effect.Effect<ReadonlyArray<ErasureTarget>, DatabaseError>
  /** Records an announcement and marks its windows. */
  readonly announce: (customer: CustomerId, announcement: Announcement) => Effect.Effect<void, DatabaseError>
  /** announced → executing. */
  readonly begin: (customer: CustomerId, id: string, now: number) => Effect.Effect<void, DatabaseError>
  /** Notes why a try did not come to its end; the state stays. */
  readonly failed: (
    customer: CustomerId,
    id: string,
    detail: string,
    now: number
  ) => Effect.Effect<void, DatabaseError>
  /** executing → done. */
  readonly finish: (
    customer: CustomerId,
    id: string,
    report: { readonly job: JobId; readonly document: string; readonly executed: number }
  ) => Effect.Effect<void, DatabaseError>
  readonly erasure: (customer: CustomerId, id: string) => Effect.Effect<Option.Option<Erasure>, DatabaseError>
  /** The windows an erasure names, by chain, then sequence number. */
  readonly targets: (customer: CustomerId, id: string) => Effect.Effect<ReadonlyArray<ErasureTarget>, DatabaseError>
  /** Erasures by the time they were requested, newest first: at most `limit`, before `before`. */
  readonly erasures: (
    customer: CustomerId,
    page: { readonly limit: number; readonly before: { readonly requested: number; readonly id: string } | null }
  ) => Effect.Effect<ReadonlyArray<Erasure>, DatabaseError>
  /** Erasures that are not done, the oldest first: at most `limit`. */
  readonly open: (customer: CustomerId, limit: number) => Effect.Effect<ReadonlyArray<Erasure>, DatabaseError>
  /** An executing erasure that names windows a scope covers, and which: their number, from the first to the last. */
  readonly executingIn: (
    customer: CustomerId,
    scope: { readonly chain: string; readonly from: number; readonly to: number }
  ) => Effect.Effect<
    Option.Option<{ readonly id: string; readonly windows: number; readonly from: number; readonly to: number }>,
    DatabaseError
  >
}>()("@rainlogs/core/ErasureStore") {}
