/**
 * The data key of one archived object, for handing it over with the object: read from its key record and unwrapped.
 */
import type { ObjectEntry } from "@rainlogs/verify/Entry"
import { MalformedError } from "@rainlogs/verify/Malformed"
import { Effect, Option, type Redacted, Schema } from "effect"
import { CustomerId } from "../domain/Identifier.ts"
import { keyRecordKey, parseKeyRecord, wrappingContext } from "../secrets/KeyRecord.ts"
import type { Kms, KmsError } from "../secrets/Kms.ts"

/** The key record of an object cannot be used; nothing is disclosed instead of something else. */
export class DisclosureFailed extends Schema.TaggedError<DisclosureFailed>()("DisclosureFailed", {
  key: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.key}: ${this.detail}; run rainlogs fsck`
  }
}

/**
 * The data key (32 bytes) of an encrypted object; none when its record was destroyed, as after a crypto-erasure. `read`
 * gives the bytes of a stored file, or null.
 */
export const discloseDataKey = Effect.fn("discloseDataKey")(function*(
  kms: Kms["Service"],
  read: (key: string) => Promise<Uint8Array | null>,
  entry: ObjectEntry
): Effect.fn.Return<Option.Option<Redacted.Redacted<Uint8Array>>, DisclosureFailed | KmsError> {
  const { dek, job, object, origin } = entry
  if (dek === null) return Option.none()
  const key = keyRecordKey(dek)
  const failed = (detail: string) => new DisclosureFailed({ key, detail })
  const bytes = yield* Effect.tryPromise({ try: () => read(key), catch: (cause) => failed(String(cause)) })
  if (bytes === null) return Option.none()
  const record = yield* Effect.try({
    try: () => parseKeyRecord(bytes),
    catch: (cause) => failed(cause instanceof MalformedError ? cause.message : String(cause))
  })
  if (record.origin !== origin || record.job !== job || record.object !== object) {
    return yield* failed("the key record is of another object")
  }
  // An origin ends in the customer's id (ledger format §1).
  const customer = CustomerId.make(origin.slice(-36))
  const wrapped = { kek: record.kek, bytes: record.wrapped }
  return Option.some(yield* kms.unwrap(customer, wrapped, wrappingContext(origin, job, record.kek)))
})
