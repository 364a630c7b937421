/**
 * Port: signs checkpoints, and nothing that is not append-only. The signer has its own durable state per origin (last
 * size and root, fsynced before it answers) and demands a consistency proof from it (ledger format §4).
 */
import type { Revocation } from "@rainlogs/verify/Keys"
import { Context, type Effect, type Option, Schema } from "effect"
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

/** What a change of keys says (ledger format §4, `rainlogs-keys/v1`), but for the keys themselves. */
export interface KeysRequest {
  readonly origin: Origin
  /** One more than that of the keys in force. */
  readonly version: number
  /** The whole list of revoked keys from this change on, sorted by id. The log key in force now may be on it. */
  readonly revoked: ReadonlyArray<Revocation>
}

/** Keys that are made and not yet in use: both public keys, and the document that both log keys signed. */
export interface PreparedKeys {
  readonly log: string
  readonly clock: string
  readonly document: Uint8Array
}

/** A pair of keys sealed with the signer's wrapping key, to be kept where a lost signer can be restored from. */
export interface SealedKeys {
  /** The log key in vkey form. */
  readonly log: string
  /** The file as `SignerKeyFile` reads it. */
  readonly bytes: Uint8Array
}

/** Holds the keys of ledgers and signs only what extends what it signed before. */
export class Signer extends Context.Service<Signer, {
  /**
   * Makes the origin's keys if it has none, and returns both public keys in vkey form: those that signed the newest
   * checkpoint.
   */
  readonly keys: (origin: Origin) => Effect.Effect<{ readonly log: string; readonly clock: string }, SignerUnavailable>
  readonly state: (origin: Origin) => Effect.Effect<SignerState, SignerUnavailable>
  /**
   * Signs the checkpoint `size`, `root`, given a consistency proof from the last signed size. Signing the last size
   * and root again is allowed and gives the same bytes for `immutable`; `served` also carries the clock's cosignature.
   *
   * `log` is the log key (vkey form) that the chain names for this size; the one in use when left out. Naming the
   * prepared one puts it in use and destroys the one before: from then on no other can be asked for. A key that the
   * signer does not hold is refused.
   */
  readonly sign: (request: {
    readonly origin: Origin
    readonly size: number
    readonly root: Uint8Array
    readonly proof: ReadonlyArray<Uint8Array>
    readonly log?: string
  }) => Effect.Effect<
    { readonly immutable: Uint8Array; readonly served: Uint8Array },
    SignerRefused | SignerUnavailable
  >
  /** Signs the text of a genesis or policy document as a note by the log key. */
  readonly signDocument: (origin: Origin, text: string) => Effect.Effect<Uint8Array, SignerUnavailable>
  /**
   * Makes the keys that follow, durable before it answers; the keys in use go on signing. While keys of this version
   * are prepared, they are the answer, whatever else is asked: chain their document first.
   */
  readonly prepareKeys: (request: KeysRequest) => Effect.Effect<PreparedKeys, SignerUnavailable>
  /** The prepared keys that are not yet in use, if there are any. */
  readonly preparedKeys: (origin: Origin) => Effect.Effect<Option.Option<PreparedKeys>, SignerUnavailable>
  /**
   * Says that the chain names the prepared keys now: documents are signed with them from here on, checkpoints still as
   * `sign` is told. Called as soon as the change is chained, for a document of a revoked key that is chained after it is
   * not believed. Forgotten when the process ends, so said again whenever the ledger is opened.
   */
  readonly adoptKeys: (origin: Origin) => Effect.Effect<void, SignerUnavailable>
  /** The keys in use and then the prepared ones, sealed. Empty where the signer keeps its own backup. */
  readonly sealedKeys: (origin: Origin) => Effect.Effect<ReadonlyArray<SealedKeys>, SignerUnavailable>
}>()("@rainlogs/core/Signer") {}
