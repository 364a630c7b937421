/**
 * Everything that ends the life of archived windows, as one layer: policies, holds, erasures, retention.
 */
import { Layer } from "effect"
import { BundleWithdrawal } from "../bundle/BundleWithdrawal.ts"
import * as PolicyChanges from "../ledger/PolicyChanges.ts"
import * as Erasures from "./Erasures.ts"
import * as LegalHolds from "./LegalHolds.ts"
import * as Retention from "./Retention.ts"

/** Requires the ledger, its publisher, the object store, the signer, the stores of holds and erasures, and the bundles. */
export const layer = Retention.layer.pipe(
  Layer.provideMerge(Layer.merge(Erasures.layer, LegalHolds.layer)),
  Layer.provideMerge(Layer.merge(PolicyChanges.layer, BundleWithdrawal.layer))
)
