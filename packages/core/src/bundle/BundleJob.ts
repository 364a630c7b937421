/**
 * A bundle that is made in the background: what was asked for, how far it is, and the file that came of it. Its states
 * are a table; the database accepts no other transition.
 */
import { Schema } from "effect"
import { Origin } from "../domain/Customer.ts"
import { CustomerId, Sha256Hex, Timestamp, ZoneId } from "../domain/Identifier.ts"
import { Window } from "../domain/Window.ts"

/** Identifies a bundle job: a random lower-case UUID. */
export const BundleId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/u, {
    expected: "a lower-case UUID"
  })),
  Schema.brand("BundleId")
)
export type BundleId = typeof BundleId.Type

/** The states of a bundle. `requested` and `running` are open; `failed`, `expired` and `withdrawn` are final. */
export const BundleState = Schema.Literals(["requested", "running", "ready", "failed", "expired", "withdrawn"])
export type BundleState = typeof BundleState.Type

/** What can happen to a bundle. */
export type BundleEvent = "lease" | "finish" | "retry" | "fail" | "expire" | "withdraw"

/**
 * State × event → state. A missing cell is a transition that must not happen. `lease` on `running` is a take-over after
 * the lease ran out; the fence grows with each lease.
 */
export const transitions: { readonly [S in BundleState]: { readonly [E in BundleEvent]?: BundleState } } = {
  requested: { lease: "running" },
  running: { lease: "running", finish: "ready", retry: "requested", fail: "failed" },
  ready: { expire: "expired", withdraw: "withdrawn" },
  failed: {},
  expired: {},
  withdrawn: {}
}

/** The finished file: size and SHA-256, and what it holds. */
export const BundleFile = Schema.Struct({
  bytes: Schema.Int,
  sha256: Sha256Hex,
  objects: Schema.Int,
  /** Size of the ledger that the bundle shows, in entries. */
  ledgerSize: Schema.Int
})
export type BundleFile = typeof BundleFile.Type

/** One bundle job; times in Unix ms. */
export const BundleJob = Schema.Struct({
  id: BundleId,
  customer: CustomerId,
  origin: Origin,
  zone: ZoneId,
  /** Objects of windows that overlap it are in the bundle. */
  range: Window,
  /** Whether the data keys of the objects go into the bundle. */
  disclose: Schema.Boolean,
  state: BundleState,
  attempts: Schema.Int,
  fence: Schema.Int,
  /** Of the attempt that runs: ledger entries gone through, and bytes of the file written. */
  progress: Schema.Struct({ entries: Schema.Int, bytes: Schema.Int }),
  file: Schema.NullOr(BundleFile),
  /** Why the last attempt failed; `code` is one of `BundleFailureCode`. */
  error: Schema.NullOr(Schema.Struct({ code: Schema.String, detail: Schema.String })),
  /** The erasure of a window in the file, for which it was removed. */
  withdrawnBy: Schema.NullOr(Schema.String),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  expiresAt: Schema.NullOr(Timestamp)
})
export type BundleJob = typeof BundleJob.Type
