/**
 * C2SP tlog-proof: an inclusion proof and the checkpoint it leads to, in one file. The `extra` data of proofs that
 * Rainlogs writes is the entry itself, so that object and proof are all there is to hand over.
 */
import * as Base64 from "./Base64.ts"
import * as Bytes from "./Bytes.ts"
import { type Checkpoint, parseCheckpoint } from "./Checkpoint.ts"
import { type Verify, verify } from "./Ed25519.ts"
import * as Field from "./Field.ts"
import { MalformedError } from "./Malformed.ts"
import { leafHash, verifyInclusion } from "./Merkle.ts"
import { type Note, parseNote, printNote, verifyNote } from "./Note.ts"
import type { VerifierKey } from "./VerifierKey.ts"

const format = "c2sp.org/tlog-proof@v1"
const header = `${format}\n`
// A tree of 2^53 leaves has paths of 53 hashes at most.
const maxHashes = 63
const maxBytes = 1_000_000

/** Where a leaf stands, and what leads from it to a signed root. */
export interface TlogProof {
  /** Application data, here the entry; null when there is none. */
  readonly extra: Uint8Array | null
  readonly index: number
  /** The inclusion path, leaf first; 32 bytes each. */
  readonly hashes: ReadonlyArray<Uint8Array>
  readonly checkpoint: Note
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const checkHashes = (hashes: ReadonlyArray<Uint8Array>): void => {
  if (hashes.length > maxHashes) throw new MalformedError(format, `${hashes.length} hashes, the limit is ${maxHashes}`)
  const wrong = hashes.find((hash) => hash.length !== 32)
  if (wrong !== undefined) throw new MalformedError(format, `a hash of ${wrong.length} bytes, expected 32`)
}

/** The bytes of a proof. */
export const printTlogProof = (proof: TlogProof): Uint8Array => {
  checkHashes(proof.hashes)
  const lines = [
    ...proof.extra === null ? [] : [`extra ${Base64.encode(proof.extra)}`],
    `index ${Field.count(format, proof.index)}`,
    ...proof.hashes.map(Base64.encode)
  ]
  return Bytes.concat(new TextEncoder().encode(`${header}${lines.join("\n")}\n\n`), printNote(proof.checkpoint))
}

/** Reads a proof of at most 1 000 000 bytes; throws {@link MalformedError}. Nothing is verified. */
export const parseTlogProof = (bytes: Uint8Array): TlogProof => {
  if (bytes.length > maxBytes) throw new MalformedError(format, `${bytes.length} bytes, the limit is ${maxBytes}`)
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    throw new MalformedError(format, "not valid UTF-8")
  }
  if (!text.startsWith(header)) throw new MalformedError(format, `expected the line "${format}"`, 1)
  const end = text.indexOf("\n\n", header.length)
  if (end < 0) throw new MalformedError(format, "no blank line before the checkpoint")
  const lines = text.slice(header.length, end).split("\n")
  const extra = lines[0]?.startsWith("extra ") === true ? Base64.decode(lines.shift()?.slice(6) ?? "") : null
  const [index, ...hashes] = lines
  if (index?.startsWith("index ") !== true) throw new MalformedError(format, "expected the line \"index …\"")
  const proof = {
    extra,
    index: Field.parseCount(format, index.slice(6)),
    hashes: hashes.map(Base64.decode),
    checkpoint: parseNote(new TextEncoder().encode(text.slice(end + 2)))
  }
  checkHashes(proof.hashes)
  return proof
}

/** Why the entry is not shown to be in the ledger of the log key, or null with the checkpoint when it is. */
export const verifyTlogProof = (
  entry: Uint8Array,
  proof: TlogProof,
  logKeys: ReadonlyArray<VerifierKey>,
  verifySignature: Verify = verify
): { readonly objection: string } | { readonly objection: null; readonly checkpoint: Checkpoint } => {
  const { bad, verified } = verifyNote(proof.checkpoint, logKeys, verifySignature)
  if (bad.length > 0) return { objection: "the log's signature on the checkpoint is invalid" }
  const [key] = verified
  if (key === undefined) return { objection: "the checkpoint is not signed by the given key of the log" }
  const checkpoint = parseCheckpoint(proof.checkpoint.text)
  if (checkpoint.origin !== key.name) return { objection: "the checkpoint is of another ledger" }
  if (proof.extra !== null && !Bytes.equal(proof.extra, entry)) return { objection: "the proof carries another entry" }
  const { root, size } = checkpoint
  const claim = { index: proof.index, size, leafHash: leafHash(entry), root, proof: proof.hashes }
  return verifyInclusion(claim)
    ? { objection: null, checkpoint }
    : { objection: "the inclusion proof does not lead to the signed root" }
}
