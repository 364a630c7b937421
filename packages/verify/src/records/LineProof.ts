/**
 * `rainlogs-line-proof/v1` (ledger format §9): shows one log line to somebody who gets no other. It leads from the line,
 * over its object's `records-root` and its entry, to a checkpoint that the log signed. The line itself is a file of its
 * own, without its LF.
 */
import { encode as ascii } from "../Ascii.ts"
import * as Base64 from "../Base64.ts"
import type { Checkpoint } from "../Checkpoint.ts"
import { type Verify, verify } from "../Ed25519.ts"
import { type ObjectEntry, parseEntry } from "../Entry.ts"
import * as Field from "../Field.ts"
import * as Hex from "../Hex.ts"
import { joinLines, Lines } from "../Lines.ts"
import { MalformedError } from "../Malformed.ts"
import { leafHash, verifyInclusion } from "../Merkle.ts"
import { parseTlogProof, printTlogProof, type TlogProof, verifyTlogProof } from "../TlogProof.ts"
import type { VerifierKey } from "../VerifierKey.ts"
import { commitment } from "./RecordsRoot.ts"

const format = "rainlogs-line-proof/v1"
const maxHashes = 32
const maxBytes = 65_536

/** A proof of one line. */
export interface LineProof {
  /** Number of the line in its object, from 0. */
  readonly line: number
  /** Its salt, 32 bytes. */
  readonly salt: Uint8Array
  /** The path from its commitment to the records root; 32 bytes each. */
  readonly path: ReadonlyArray<Uint8Array>
  /** The proof of the object's entry, which it carries as its extra data. */
  readonly entry: TlogProof
}

const hash = (_: string, text: string): Uint8Array => {
  const bytes = Base64.decode(text)
  if (bytes.length !== 32) throw new MalformedError(format, `${bytes.length} bytes, expected 32`)
  return bytes
}

const check = (proof: LineProof): LineProof => {
  if (proof.path.length > maxHashes) throw new MalformedError(format, `${proof.path.length} hashes in the path`)
  if (proof.entry.extra === null) throw new MalformedError(format, "the entry's proof does not carry the entry")
  return proof
}

/** The bytes of a proof: a few lines, a blank line, and the entry's tlog-proof. */
export const printLineProof = (proof: LineProof): Uint8Array => {
  check(proof)
  const head = joinLines([
    format,
    `line ${Field.count(format, proof.line)}`,
    `salt ${Base64.encode(proof.salt)}`,
    ...proof.path.map((node) => `path ${Base64.encode(node)}`)
  ])
  const entry = printTlogProof(proof.entry)
  const bytes = new Uint8Array(head.length + 1 + entry.length)
  bytes.set(ascii(`${head}\n`, format))
  bytes.set(entry, head.length + 1)
  return bytes
}

/** Reads a proof of at most 64 KiB; throws {@link MalformedError}. Nothing is verified. */
export const parseLineProof = (bytes: Uint8Array): LineProof => {
  if (bytes.length > maxBytes) throw new MalformedError(format, `${bytes.length} bytes, the limit is ${maxBytes}`)
  const blank = bytes.findIndex((byte, at) => byte === 0x0a && bytes[at + 1] === 0x0a)
  if (blank < 0) throw new MalformedError(format, "no blank line before the entry's proof")
  const lines = new Lines(format, new TextDecoder("latin1").decode(bytes.subarray(0, blank + 1)))
  const proof = {
    line: lines.field("line", Field.parseCount),
    salt: lines.field("salt", hash),
    path: lines.repeated("path", () => lines.field("path", hash)),
    entry: parseTlogProof(bytes.slice(blank + 2))
  }
  lines.end()
  return check(proof)
}

/** What a valid proof shows: the line stands at its place in the object of this entry. */
export interface ProvenLine {
  readonly objection: null
  readonly entry: ObjectEntry
  readonly checkpoint: Checkpoint
}

/** Why the line is not proven by the keys of the log, or what is. Throws {@link MalformedError} for a bad entry. */
export const verifyLineProof = (
  proof: LineProof,
  line: Uint8Array,
  logKeys: ReadonlyArray<VerifierKey>,
  verifySignature: Verify = verify
): { readonly objection: string } | ProvenLine => {
  const { extra } = proof.entry
  if (extra === null) return { objection: "the proof does not carry the entry" }
  const included = verifyTlogProof(extra, proof.entry, logKeys, verifySignature)
  if (included.objection !== null) return included
  const entry = parseEntry(extra)
  if (entry.kind !== "object" || entry.recordsRoot === null) {
    return { objection: "the entry states no records root, so no line of it can be proven alone" }
  }
  if (entry.origin !== included.checkpoint.origin) return { objection: "the entry is of another ledger" }
  if (line.includes(0x0a)) return { objection: "the line holds a line feed: give one line, without its end" }
  const claim = {
    index: proof.line,
    size: entry.records,
    leafHash: leafHash(commitment(proof.salt, line)),
    root: Hex.decode(entry.recordsRoot, 32),
    proof: proof.path
  }
  return verifyInclusion(claim)
    ? { objection: null, entry, checkpoint: included.checkpoint }
    : { objection: "the line is not the one that was archived at this place" }
}
