/**
 * Everything that ends the life of archived windows, as one layer: policies, holds, erasures, retention.
 */
import { Layer } from "effect"
import * as PolicyChanges from "../ledger/PolicyChanges.ts"
import * as Erasures from "./Erasures.ts"
import * as LegalHolds from "./LegalHolds.ts"
import * as Retention from "./Retention.ts"

/** Requires the ledger, its publisher, the object store, the signer, and the stores of holds and erasures. */
export const layer = Retention.layer.pipe(
  Layer.provideMerge(Layer.merge(Erasures.layer, LegalHolds.layer)),
  Layer.provideMerge(PolicyChanges.layer)
)
