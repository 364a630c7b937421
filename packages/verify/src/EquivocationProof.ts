/**
 * `rainlogs-equivocation/v1`: a portable proof that a log signed two histories. For one size, two signed heads with
 * different roots; for two sizes, the larger one's tree shown by a consistency proof to have another root at the smaller
 * size than the one that was signed.
 */
import { encode } from "./Ascii.ts"
import * as Base64 from "./Base64.ts"
import * as Bytes from "./Bytes.ts"
import { type Checkpoint, parseCheckpoint } from "./Checkpoint.ts"
import { type Verify, verify } from "./Ed25519.ts"
import { joinLines, Lines } from "./Lines.ts"
import { MalformedError } from "./Malformed.ts"
import { verifyConsistency } from "./Merkle.ts"
import { parseNote, verifyNote } from "./Note.ts"
import type { VerifierKey } from "./VerifierKey.ts"

const format = "rainlogs-equivocation/v1"
// A consistency proof has at most two hashes a level.
const maxHashes = 128

/** Two signed notes that contradict each other. */
export interface EquivocationProof {
  /** The signed head of the smaller size, as its note's bytes. */
  readonly first: Uint8Array
  /** The signed head of the larger or same size. */
  readonly second: Uint8Array
  /** For different sizes: the root that the second tree has at the first size, and the proof of it. */
  readonly prefix: { readonly root: Uint8Array; readonly proof: ReadonlyArray<Uint8Array> } | null
}

/** The document. */
export const printEquivocation = (proof: EquivocationProof): string => {
  const text = joinLines([
    format,
    `first ${Base64.encode(proof.first)}`,
    `second ${Base64.encode(proof.second)}`,
    ...proof.prefix === null ? [] : [
      `root ${Base64.encode(proof.prefix.root)}`,
      ...proof.prefix.proof.map((hash) => `hash ${Base64.encode(hash)}`)
    ]
  ])
  encode(text, format)
  return text
}

const hash = (_: string, text: string): Uint8Array => {
  const bytes = Base64.decode(text)
  if (bytes.length !== 32) throw new MalformedError(format, `a hash of ${bytes.length} bytes, expected 32`)
  return bytes
}

/** Reads the document; throws {@link MalformedError}. */
export const parseEquivocation = (text: string): EquivocationProof => {
  encode(text, format)
  const lines = new Lines(format, text)
  const bytes = (_: string, word: string) => Base64.decode(word)
  const [first, second] = [lines.field("first", bytes), lines.field("second", bytes)]
  let prefix: EquivocationProof["prefix"] = null
  if (lines.has("root")) {
    const root = lines.field("root", hash)
    const proof = lines.repeated("hash", () => lines.field("hash", hash))
    if (proof.length > maxHashes) throw new MalformedError(format, `${proof.length} hashes, the limit is ${maxHashes}`)
    prefix = { root, proof }
  }
  lines.end()
  return { first, second, prefix }
}

/**
 * Why the document proves nothing against the log of these keys (all of one origin), or null when it proves that the log
 * equivocated. Throws {@link MalformedError} for a head that is no signed checkpoint.
 */
export const objectionTo = (
  proof: EquivocationProof,
  logKeys: ReadonlyArray<VerifierKey>,
  verifySignature: Verify = verify
): string | null => {
  const heads: Array<Checkpoint> = []
  for (const bytes of [proof.first, proof.second]) {
    const note = parseNote(bytes)
    const { bad, verified } = verifyNote(note, logKeys, verifySignature)
    if (bad.length > 0 || verified.length === 0) return "one of the heads is not validly signed by the log"
    heads.push(parseCheckpoint(note.text))
  }
  const [first, second] = heads
  if (first === undefined || second === undefined) return "two heads are needed"
  if ([first, second].some(({ origin }) => logKeys.every(({ name }) => name !== origin))) {
    return "the heads are of another ledger"
  }
  if (first.size === second.size) {
    if (proof.prefix !== null) return "heads of one size need no consistency proof"
    return Bytes.equal(first.root, second.root) ? "both heads are the same" : null
  }
  if (first.size > second.size || proof.prefix === null) {
    return "the first head is the smaller one, and a proof is needed"
  }
  const { proof: hashes, root } = proof.prefix
  const claim = { size1: first.size, size2: second.size, root1: root, root2: second.root, proof: hashes }
  if (!verifyConsistency(claim)) return "the consistency proof does not lead to the second head"
  return Bytes.equal(root, first.root) ? "the heads are consistent" : null
}
