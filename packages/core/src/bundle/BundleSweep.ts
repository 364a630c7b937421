/**
 * Tidying up after bundles: files whose time is over, records that nobody needs any more, and files that no record
 * names, as a killed process or a deletion in the middle leaves them. What one round leaves half done the next one does.
 */
import { Clock, Effect, Option } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { CustomerId } from "../domain/Identifier.ts"
import type { StorageError } from "../storage/ObjectStore.ts"
import { BundleFiles, type StoredBundle } from "./BundleFiles.ts"
import type { BundleJob } from "./BundleJob.ts"
import { type BundleOf, BundleStore } from "./BundleStore.ts"

/** How long the record of a failed, expired or withdrawn bundle is kept, ms: 30 days. */
export const recordRetentionMs = 30 * 86_400_000

/** Ended bundles tidied up in one round. */
const batch = 100

/** A file has a use: the ready bundle's own, or what the running attempt writes. */
const isWanted = (file: StoredBundle, job: Option.Option<BundleJob>): boolean =>
  Option.exists(
    job,
    ({ fence, state }) => fence === file.fence && (state === "running" || (state === "ready" && file.kind === "whole"))
  )

// Files are read first, records second: the record of a file that was there is not older than the file.
const removeUnwanted = Effect.fnUntraced(function*(of: BundleOf, found: ReadonlyArray<StoredBundle>) {
  if (found.length === 0) return
  const files = yield* BundleFiles
  const job = yield* (yield* BundleStore).bundle(of)
  for (const file of found) {
    if (isWanted(file, job)) continue
    yield* Effect.logInfo(`removed ${file.name}: no bundle needs it`)
    yield* files.removeFile(of.customer, file)
  }
})

/** Removes what is left of one bundle's lost attempts. */
export const sweepBundle = Effect.fn("sweepBundle")(function*(of: BundleOf) {
  const found = yield* (yield* BundleFiles).files(of.customer)
  yield* removeUnwanted(of, found.filter(({ id }) => id === of.id))
})

/** Removes every file of one customer that no record needs. */
export const sweepCustomer = Effect.fn("sweepCustomer")(function*(customer: CustomerId) {
  const byBundle = Map.groupBy(yield* (yield* BundleFiles).files(customer), ({ id }) => id)
  for (const [id, found] of byBundle) yield* removeUnwanted({ customer, id }, found)
})

/** Ends the bundles whose time is over, and forgets those that ended long ago. */
export const sweepOverdue: Effect.Effect<void, DatabaseError | StorageError, BundleStore | BundleFiles> = Effect.gen(
  function*() {
    const store = yield* BundleStore
    const files = yield* BundleFiles
    const now = yield* Clock.currentTimeMillis
    for (const { customer, id, state } of yield* store.overdue(now, now - recordRetentionMs, batch)) {
      const gone = state === "ready"
        ? yield* store.expire({ customer, id }, now)
        : yield* store.remove({ customer, id })
      if (gone) yield* files.remove({ customer, id })
    }
  }
)

/** Removes every file that no record needs. */
export const sweepOrphans: Effect.Effect<void, DatabaseError | StorageError, BundleStore | BundleFiles> = Effect.gen(
  function*() {
    const files = yield* BundleFiles
    for (const customer of yield* files.customers) yield* sweepCustomer(customer)
  }
)
