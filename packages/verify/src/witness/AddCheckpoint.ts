/**
 * C2SP tlog-witness, the body of `add-checkpoint`: the size the asker believes the witness has seen, the consistency
 * proof from there, and the signed checkpoint.
 */
import * as Base64 from "../Base64.ts"
import * as Bytes from "../Bytes.ts"
import * as Field from "../Field.ts"
import { MalformedError } from "../Malformed.ts"
import { type Note, parseNote, printNote } from "../Note.ts"

const format = "add-checkpoint"
const maxHashes = 63
/** Largest body that is read, bytes. */
export const maxRequestBytes = 65_536

/** One request. */
export interface AddCheckpoint {
  readonly old: number
  /** 32 bytes each, at most 63. */
  readonly proof: ReadonlyArray<Uint8Array>
  readonly checkpoint: Note
}

/** The body. */
export const printAddCheckpoint = ({ checkpoint, old, proof }: AddCheckpoint): Uint8Array => {
  const head = [`old ${Field.count(format, old)}`, ...proof.map(Base64.encode)]
  return Bytes.concat(new TextEncoder().encode(`${head.join("\n")}\n\n`), printNote(checkpoint))
}

/** Reads a body; throws {@link MalformedError}. Nothing is verified. */
export const parseAddCheckpoint = (bytes: Uint8Array): AddCheckpoint => {
  if (bytes.length > maxRequestBytes) {
    throw new MalformedError(format, `${bytes.length} bytes, the limit is ${maxRequestBytes}`)
  }
  const blank = bytes.findIndex((byte, at) => byte === 0x0a && bytes[at + 1] === 0x0a)
  if (blank < 0) throw new MalformedError(format, "no blank line before the checkpoint")
  const [first = "", ...lines] = new TextDecoder("latin1").decode(bytes.subarray(0, blank)).split("\n")
  if (!first.startsWith("old ")) throw new MalformedError(format, "expected the line \"old …\"", 1)
  if (lines.length > maxHashes) throw new MalformedError(format, `${lines.length} hashes, the limit is ${maxHashes}`)
  const proof = lines.map(Base64.decode)
  if (proof.some((hash) => hash.length !== 32)) throw new MalformedError(format, "a hash has not 32 bytes")
  return { old: Field.parseCount(format, first.slice(4)), proof, checkpoint: parseNote(bytes.slice(blank + 2)) }
}
