/**
 * All that the database knows of a customer and the ledger does not say: names, API keys' hashes, zones with their
 * sealed tokens, where their timelines begin, pipelines and keys of pseudonyms. It is what a rebuilt database needs besides the ledger.
 */
import { Schema } from "effect"
import { Origin } from "../domain/Customer.ts"
import { CloudflareZoneId, CustomerId, Sha256Hex, SourceId, Timestamp, ZoneId } from "../domain/Identifier.ts"
import { SourceName, SourceStatus } from "../domain/Source.ts"
import { Quota } from "../quota/Quota.ts"

/** One customer's record. `token.sealed` is base64 of nonce ∥ ciphertext ∥ tag under the customer's own key. */
export const CustomerRecord = Schema.Struct({
  id: CustomerId,
  name: Schema.NonEmptyString,
  origin: Origin,
  createdAt: Timestamp,
  /** Left out where nothing is limited. */
  quota: Schema.optionalKey(Quota),
  apiKeys: Schema.Array(Schema.Struct({
    prefix: Schema.NonEmptyString,
    sha256: Sha256Hex,
    createdAt: Timestamp,
    revokedAt: Schema.NullOr(Timestamp)
  })),
  /** Keys of pseudonyms: `key.sealed` as in `token`, null once it is destroyed. Left out where there is none. */
  pseudonymKeys: Schema.optionalKey(Schema.Array(Schema.Struct({
    period: Schema.NonEmptyString,
    key: Schema.NullOr(Schema.Struct({ kek: Schema.NonEmptyString, sealed: Schema.String })),
    createdAt: Timestamp,
    destroyedAt: Schema.NullOr(Timestamp)
  }))),
  zones: Schema.Array(Schema.Struct({
    id: ZoneId,
    name: Schema.NonEmptyString,
    cloudflareZone: CloudflareZoneId,
    token: Schema.Struct({ kek: Schema.NonEmptyString, sealed: Schema.String }),
    createdAt: Timestamp,
    sources: Schema.Array(Schema.Struct({
      id: SourceId,
      name: SourceName,
      startsAt: Timestamp,
      windowMs: Schema.Int,
      /** Left out by records that were written before sources had a status of their own: active. */
      status: Schema.optionalKey(SourceStatus),
      /** The newest version; left out where none was ever set. */
      pipeline: Schema.optionalKey(Schema.Struct({
        version: Schema.Int,
        document: Schema.NullOr(Schema.String),
        setAt: Timestamp
      }))
    }))
  }))
})
export type CustomerRecord = typeof CustomerRecord.Type
