/**
 * Port: takes a customer's rows out of the database and puts them back into an empty one, with the ledger's entries.
 */
import type { Entry } from "@rainlogs/verify/Entry"
import type { Gap } from "@rainlogs/verify/Gap"
import { Context, type Effect, type Stream } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { CustomerId } from "../domain/Identifier.ts"
import type { CustomerRecord } from "./CustomerRecord.ts"

/** An entry of the ledger as it goes back; `gap` is the document of a zone's gap, else null. */
export interface RestoredEntry {
  readonly leaf: number
  readonly bytes: Uint8Array
  readonly entry: Entry
  readonly gap: Gap | null
}

/** Reads and restores customers' rows. */
export class CustomerRecords extends Context.Service<CustomerRecords, {
  readonly read: (customer: CustomerId) => Effect.Effect<CustomerRecord, DatabaseError>
  /**
   * Restores a customer that the database does not have, in one transaction: rows, entries in the order of the ledger,
   * committed windows and gaps. Stretches of a timeline that no entry covers become planned windows again. `now` in ms.
   */
  readonly restore: <E, R>(
    record: CustomerRecord,
    entries: Stream.Stream<RestoredEntry, E, R>,
    now: number
  ) => Effect.Effect<void, E | DatabaseError, R>
}>()("@rainlogs/core/CustomerRecords") {}
