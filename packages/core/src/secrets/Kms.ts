/**
 * Port: wraps and unwraps data keys and small secrets under a customer's key-encryption key. The master key never
 * leaves the adapter. AES-256-GCM; the additional data binds a wrapped key to its place (ledger format §7).
 */
import { Context, type Effect, type Redacted, Schema } from "effect"
import type { CustomerId } from "../domain/Identifier.ts"

/** A wrapped secret: nonce (12 bytes) ∥ ciphertext ∥ tag (16 bytes), and the id of the key that wrapped it. */
export interface Wrapped {
  readonly kek: string
  readonly bytes: Uint8Array
}

/** The key is unknown, or the wrapped bytes or their additional data were changed. */
export class KmsError extends Schema.TaggedError<KmsError>()("KmsError", {
  operation: Schema.String,
  kek: Schema.String,
  detail: Schema.String
}) {}

/** Wraps and unwraps small secrets under the key of their customer. */
export class Kms extends Context.Service<Kms, {
  /** The id of the key-encryption key that new secrets of the customer are wrapped with. */
  readonly currentKek: (customer: CustomerId) => Effect.Effect<string, KmsError>
  /** Wraps `secret` (raw bytes) with additional data `aad`. */
  readonly wrap: (
    customer: CustomerId,
    secret: Redacted.Redacted<Uint8Array>,
    aad: Uint8Array
  ) => Effect.Effect<Wrapped, KmsError>
  /** Unwraps; fails if key, bytes or `aad` differ from what was wrapped. */
  readonly unwrap: (
    customer: CustomerId,
    wrapped: Wrapped,
    aad: Uint8Array
  ) => Effect.Effect<Redacted.Redacted<Uint8Array>, KmsError>
}>()("@rainlogs/core/Kms") {}
