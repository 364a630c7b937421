/**
 * A log object: the sealed bytes of one window, and what the ledger entry says of them.
 */
import * as Entry from "@rainlogs/verify/Entry"
import { Schema } from "effect"
import { Sha256Hex } from "./Identifier.ts"

/** How faithful the records are to what the source saw. */
export const Fidelity = Schema.Literals(["complete", "sampled", "partial"])
export type Fidelity = typeof Fidelity.Type

/** SHA-256 of the empty string: the object hash of an empty window, for which nothing is stored. */
export const emptyObject = Sha256Hex.make(Entry.emptyObject)

/** The facts of one sealed window. `key`, `dek` are null for an empty window, `recordsRoot` where none was made. Sizes in bytes. */
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
  params: Schema.NullOr(Sha256Hex),
  recordsRoot: Schema.NullOr(Sha256Hex)
})
export type LogObject = typeof LogObject.Type

/** The object of a window that held no record: nothing is stored, so nothing is compressed or encrypted. */
export const emptyLogObject = {
  key: null,
  sha256: emptyObject,
  size: 0,
  codec: "identity",
  encryption: "none",
  dek: null,
  records: 0,
  plainSize: 0,
  recordsRoot: null
} as const satisfies Partial<LogObject>
