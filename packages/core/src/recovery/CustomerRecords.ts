/**
 * Port: takes a customer's rows out of the database and puts them back into an empty one, with the ledger's entries.
 */
import type { Entry } from "@rainlogs/verify/Entry"
import type { Gap } from "@rainlogs/verify/Gap"
import type { Hold } from "@rainlogs/verify/Hold"
import type { Release } from "@rainlogs/verify/Release"
import type { Tombstone } from "@rainlogs/verify/Tombstone"
import { Context, type Effect, type Stream } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { CustomerId } from "../domain/Identifier.ts"
import type { CustomerRecord } from "./CustomerRecord.ts"

/** What a hold, its release or a tombstone says. */
export type LifecycleDocument =
  | { readonly kind: "hold"; readonly hold: Hold }
  | { readonly kind: "release"; readonly release: Release }
  | { readonly kind: "tombstone"; readonly tombstone: Tombstone }

/**
 * An entry of the ledger as it goes back; `gap` is the document of a zone's gap, `lifecycle` that of a hold, a release
 * or a tombstone; else null.
 */
export interface RestoredEntry {
  readonly leaf: number
  readonly bytes: Uint8Array
  readonly entry: Entry
  readonly gap: Gap | null
  readonly lifecycle: LifecycleDocument | null
}

/** Reads and restores customers' rows. */
export class CustomerRecords extends Context.Service<CustomerRecords, {
  /** Customers whose record changed since it was kept, by id: at most `most` after `after`. */
  readonly unsaved: (
    after: CustomerId | null,
    most: number
  ) => Effect.Effect<ReadonlyArray<CustomerId>, DatabaseError>
  /** Reads a record, has `write` keep it and notes that it is kept. Records of one customer are kept one at a time. */
  readonly keep: <E, R>(
    customer: CustomerId,
    write: (record: CustomerRecord) => Effect.Effect<void, E, R>
  ) => Effect.Effect<void, E | DatabaseError, R>
  /**
   * Restores a customer that the database does not have, in one transaction: rows, entries in the order of the ledger,
   * committed windows, gaps, holds and erasures. An erasure
   * that is not reported goes back as announced. Stretches of a timeline that no entry covers become planned windows
   * again. `now` in ms.
   */
  readonly restore: <E, R>(
    record: CustomerRecord,
    entries: Stream.Stream<RestoredEntry, E, R>,
    now: number
  ) => Effect.Effect<void, E | DatabaseError, R>
}>()("@rainlogs/core/CustomerRecords") {}
