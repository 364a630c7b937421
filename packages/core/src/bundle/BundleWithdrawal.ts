/**
 * Withdraws what an erasure leaves in bundles. It runs when the objects are gone and before the erasure is reported: a
 * bundle that is made from then on cannot hold them, and none that was made before can be downloaded.
 */
import { Clock, Context, Effect, Layer } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { CustomerId } from "../domain/Identifier.ts"
import type { StorageError } from "../storage/ObjectStore.ts"
import { BundleFiles } from "./BundleFiles.ts"
import { BundleStore } from "./BundleStore.ts"
import { sweepCustomer } from "./BundleSweep.ts"

/** Withdraws bundles. */
export class BundleWithdrawal extends Context.Service<BundleWithdrawal, {
  /**
   * Withdraws the ready bundles that hold a window of the erasure, starts those again that are being made, and removes
   * their files. Doing it again is fine, and finishes what a crash left.
   */
  readonly withdraw: (customer: CustomerId, erasure: string) => Effect.Effect<void, DatabaseError | StorageError>
}>()("@rainlogs/core/BundleWithdrawal") {
  /** Requires the records of the bundles and their folder. */
  static readonly layer = Layer.effect(
    BundleWithdrawal,
    Effect.gen(function*() {
      const store = yield* BundleStore
      const files = yield* BundleFiles
      const withdraw = Effect.fn("BundleWithdrawal.withdraw")(function*(customer: CustomerId, erasure: string) {
        // The records first: from then on nobody can open what may not be removed yet.
        const withdrawn = yield* store.withdraw(customer, erasure, yield* Clock.currentTimeMillis)
        if (withdrawn > 0) yield* Effect.logInfo(`the erasure ${erasure} withdrew ${withdrawn} bundles`)
        // Also when no record changed: a crash after the records leaves the files.
        yield* sweepCustomer(customer).pipe(
          Effect.provideService(BundleStore, store),
          Effect.provideService(BundleFiles, files)
        )
      })
      return BundleWithdrawal.of({ withdraw })
    })
  )
}
