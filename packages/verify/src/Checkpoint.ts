/**
 * C2SP tlog-checkpoint with exactly three body lines (ledger format §4): origin, tree size, base64 root.
 */
import { decode as base64, encode as toBase64 } from "./Base64.ts"
import { concat } from "./Bytes.ts"
import { cosignatureMessage } from "./Cosignature.ts"
import * as Ed25519 from "./Ed25519.ts"
import { count, parseCount } from "./Field.ts"
import { MalformedError } from "./Malformed.ts"
import { type NoteSigner, printNote, signNote } from "./Note.ts"
import { isKeyName } from "./VerifierKey.ts"

export { cosignatureMessage } from "./Cosignature.ts"

const format = "checkpoint"

/** The head of a log: its origin, its number of leaves and its Merkle root (32 bytes). */
export interface Checkpoint {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
}

/** The three body lines, the text of the signed note. */
export const printCheckpoint = (checkpoint: Checkpoint): string => {
  if (!isKeyName(checkpoint.origin)) throw new MalformedError(format, "the origin cannot name a key", 1)
  if (checkpoint.root.length !== 32) throw new MalformedError(format, "the root has not 32 bytes", 3)
  return `${checkpoint.origin}\n${count(format, checkpoint.size)}\n${toBase64(checkpoint.root)}\n`
}

/** Reads a note text as a checkpoint; throws {@link MalformedError} for any other size of body, number or root. */
export const parseCheckpoint = (text: string): Checkpoint => {
  const [origin = "", sizeText = "", rootText = "", ...rest] = text.split("\n")
  if (rest.length !== 1 || rest[0] !== "") throw new MalformedError(format, "expected exactly three lines")
  if (!isKeyName(origin)) throw new MalformedError(format, "the origin cannot name a key", 1)
  const root = base64(rootText)
  if (root.length !== 32) throw new MalformedError(format, `a root of ${root.length} bytes, expected 32`, 3)
  return { origin, size: parseCount(format, sizeText), root }
}

/** A signer of cosignatures and the time it states, in Unix seconds. */
export interface ClockSigner extends NoteSigner {
  readonly timestamp: number
}

/**
 * Signs a checkpoint as the log (key name = origin) and cosigns it as the log's clock. `immutable` is what
 * `checkpoint.d/<size>` holds (the log's line only), `served` what `checkpoint` holds (both lines).
 */
export const signCheckpoint = (request: {
  readonly checkpoint: Checkpoint
  readonly log: NoteSigner
  readonly clock: ClockSigner
}): { readonly immutable: Uint8Array; readonly served: Uint8Array } => {
  const { checkpoint, log, clock } = request
  if (log.key.name !== checkpoint.origin) {
    throw new MalformedError(format, "the log's key is not named after the origin")
  }
  if (clock.key.type !== 4) throw new MalformedError(format, "the clock's key is not a cosignature key (type 4)")
  const text = printCheckpoint(checkpoint)
  const own = signNote(text, [log])
  const signature = Ed25519.sign(clock.seed, cosignatureMessage(clock.timestamp, text))
  const time = new Uint8Array(8)
  new DataView(time.buffer).setBigUint64(0, BigInt(clock.timestamp))
  const cosignature = { name: clock.key.name, id: clock.key.id, signature: concat(time, signature) }
  return { immutable: printNote(own), served: printNote({ text, signatures: [...own.signatures, cosignature] }) }
}
