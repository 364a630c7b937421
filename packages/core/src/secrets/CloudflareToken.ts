/**
 * How a zone's Cloudflare API token is kept: wrapped by the customer's key-encryption key, bound to its customer and
 * zone by the additional data, so that a row copied to another zone or customer does not unwrap. And how it is named
 * where it must not be told.
 */
import { sha256 } from "@rainlogs/verify/Hash"
import { encode } from "@rainlogs/verify/Hex"
import { Effect, Redacted } from "effect"
import type { CustomerId, ZoneId } from "../domain/Identifier.ts"
import { Kms, type KmsError, type Wrapped } from "./Kms.ts"

/** The additional data of a wrapped token: `rainlogs-cloudflare-token/v1` ∥ 0x00 ∥ customer ∥ 0x00 ∥ zone, as ASCII. */
export const cloudflareTokenAad = (customer: CustomerId, zone: ZoneId): Uint8Array =>
  new TextEncoder().encode(`rainlogs-cloudflare-token/v1\0${customer}\0${zone}`)

/** Names a token without telling it: the first 16 hex digits of its SHA-256. */
export const fingerprint = (token: Redacted.Redacted<string>): string =>
  encode(sha256(new TextEncoder().encode(Redacted.value(token)))).slice(0, 16)

/** Wraps a token for storage with its zone. */
export const wrapCloudflareToken = Effect.fn("CloudflareToken.wrap")(
  function*(
    customer: CustomerId,
    zone: ZoneId,
    token: Redacted.Redacted<string>
  ): Effect.fn.Return<Wrapped, KmsError, Kms> {
    const kms = yield* Kms
    const secret = Redacted.make(new TextEncoder().encode(Redacted.value(token)))
    return yield* kms.wrap(customer, secret, cloudflareTokenAad(customer, zone))
  }
)

/** The token of a zone, from its wrapped form; fails if it was changed or belongs elsewhere. */
export const unwrapCloudflareToken = Effect.fn("CloudflareToken.unwrap")(
  function*(
    customer: CustomerId,
    zone: ZoneId,
    wrapped: Wrapped
  ): Effect.fn.Return<Redacted.Redacted<string>, KmsError, Kms> {
    const kms = yield* Kms
    const secret = yield* kms.unwrap(customer, wrapped, cloudflareTokenAad(customer, zone))
    return Redacted.make(new TextDecoder().decode(Redacted.value(secret)))
  }
)
