/**
 * A log object: the sealed bytes of one window, and what the ledger entry says of them.
 */
import { Schema } from "effect"
import { Sha256Hex } from "./Identifier.ts"

/** How faithful the records are to what the source saw. */
export const Fidelity = Schema.Literals(["complete", "sampled", "partial"])
export type Fidelity = typeof Fidelity.Type

/** SHA-256 of the empty string: the object hash of an empty window, for which nothing is stored. */
export const emptyObject = Sha256Hex.make("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

/** The facts of one sealed window. `key`, `dek` are null for an empty window. Sizes in bytes. */
export const LogObject = Schema.Struct({
  key: Schema.NullOr(Schema.String),
  sha256: Sha256Hex,
  size: Schema.Int,
  codec: Schema.Literals(["identity", "gzip", "zstd"]),
  encryption: Schema.Literals(["none", "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM"]),
  dek: Schema.NullOr(Schema.String),
  records: Schema.Int,
  plainSize: Schema.Int,
  fidelity: Fidelity,
  params: Schema.NullOr(Sha256Hex)
})
export type LogObject = typeof LogObject.Type
