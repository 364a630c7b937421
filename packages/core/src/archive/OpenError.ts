/**
 * Why a stored object could not be opened. Bytes already given out were authentic; the rest is withheld.
 */
import { Schema } from "effect"

/** What is wrong. `key-missing` is also how an erased object looks (crypto-erasure, ledger format §7). */
export const OpenFault = Schema.Literals([
  "key-missing",
  "key-record-malformed",
  "key-record-mismatch",
  "not-authentic",
  "not-zstd",
  "unsupported-codec",
  "size-mismatch",
  "records-mismatch",
  "hash-mismatch",
  "range"
])
export type OpenFault = typeof OpenFault.Type

/** The stored object, its key record and what the ledger says of it do not fit together. */
export class OpenError extends Schema.TaggedError<OpenError>()("OpenError", {
  key: Schema.String,
  code: OpenFault,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.key}: ${this.code}: ${this.detail}`
  }
}
