/**
 * Port: signs checkpoints, and nothing that is not append-only. The signer has its own durable state per origin (last
 * size and root, fsynced before it answers) and demands a consistency proof from it (ledger format §4).
 */
import { Context, type Effect, Schema } from "effect"
import type { Origin } from "../domain/Customer.ts"

/** The signer refuses: what it was asked to sign does not extend what it signed before. Nothing was signed. */
export class SignerRefused extends Schema.TaggedError<SignerRefused>()("SignerRefused", {
  origin: Schema.String,
  lastSize: Schema.Int,
  askedSize: Schema.Int,
  detail: Schema.String
}) {}

/** The signer's state or key could not be read or written. Nothing was signed. */
export class SignerUnavailable extends Schema.TaggedError<SignerUnavailable>()("SignerUnavailable", {
  origin: Schema.String,
  detail: Schema.String
}) {}

/** The last checkpoint the signer signed; size 0 and the empty root before the first. */
export interface SignerState {
  readonly size: number
  readonly root: Uint8Array
}

/** Holds the keys of ledgers and signs only what extends what it signed before. */
export class Signer extends Context.Service<Signer, {
  /** Makes the origin's keys if it has none, and returns both public keys in vkey form. */
  readonly keys: (origin: Origin) => Effect.Effect<{ readonly log: string; readonly clock: string }, SignerUnavailable>
  readonly state: (origin: Origin) => Effect.Effect<SignerState, SignerUnavailable>
  /**
   * Signs the checkpoint `size`, `root`, given a consistency proof from the last signed size. Signing the last size
   * and root again is allowed and gives the same bytes for `immutable`; `served` also carries the clock's cosignature.
   */
  readonly sign: (request: {
    readonly origin: Origin
    readonly size: number
    readonly root: Uint8Array
    readonly proof: ReadonlyArray<Uint8Array>
  }) => Effect.Effect<
    { readonly immutable: Uint8Array; readonly served: Uint8Array },
    SignerRefused | SignerUnavailable
  >
  /** Signs the text of a genesis or policy document as a note by the log key. */
  readonly signDocument: (origin: Origin, text: string) => Effect.Effect<Uint8Array, SignerUnavailable>
}>()("@rainlogs/core/Signer") {}
