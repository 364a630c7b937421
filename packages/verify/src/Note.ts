/**
 * C2SP signed-note: a text, the *last* blank line, and one to 100 signature lines `— <name> <base64(id ∥ signature)>`.
 */
import { decode as base64, encode as toBase64 } from "./Base64.ts"
import { concat } from "./Bytes.ts"
import { cosignatureMessage } from "./Cosignature.ts"
import * as Ed25519 from "./Ed25519.ts"
import { MalformedError } from "./Malformed.ts"
import { isKeyName, keyIdBytes, readKeyId, type VerifierKey } from "./VerifierKey.ts"

const format = "signed note"
const maxBytes = 1_000_000
const maxSignatures = 100
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** One signature line; `signature` is what follows the key id, for a cosignature timestamp (8 bytes) ∥ Ed25519. */
export interface NoteSignature {
  readonly name: string
  /** uint32 id of the key. */
  readonly id: number
  readonly signature: Uint8Array
}

/** A signed text. `text` ends with LF and is what is signed. */
export interface Note {
  readonly text: string
  readonly signatures: ReadonlyArray<NoteSignature>
}

/** Which of the keys signed a note. */
export interface NoteVerification {
  /** Keys with a line, all of whose lines are valid. */
  readonly verified: ReadonlyArray<VerifierKey>
  /** Keys with at least one invalid line: the whole note must be rejected. */
  readonly bad: ReadonlyArray<VerifierKey>
  /** For each verified cosignature key (type 4), its latest timestamp in Unix seconds. */
  readonly timestamps: ReadonlyMap<VerifierKey, number>
}

/** A key with its 32-byte RFC 8032 seed. */
export interface NoteSigner {
  readonly key: VerifierKey
  readonly seed: Uint8Array
}

const checkText = (text: string): void => {
  // Every control character but LF, and lone surrogates, which UTF-8 cannot carry.
  if (/[^\n\P{Cc}]/u.test(text) || !text.isWellFormed()) {
    throw new MalformedError(format, "a control character or invalid Unicode")
  }
  if (!text.endsWith("\n")) throw new MalformedError(format, "the text does not end with LF")
}

/** One signature line, without LF. */
export const signatureLine = (signature: NoteSignature): string => {
  if (!isKeyName(signature.name)) throw new MalformedError(format, `"${signature.name}" is not a key name`)
  if (signature.signature.length === 0) throw new MalformedError(format, "an empty signature")
  return `— ${signature.name} ${toBase64(concat(keyIdBytes(signature.id), signature.signature))}`
}

const parseSignatureLine = (line: string, number: number): NoteSignature => {
  const [, name = "", text = ""] = /^— ([^ ]+) ([^ ]+)$/.exec(line) ?? []
  if (!isKeyName(name)) throw new MalformedError(format, "expected \"— <key name> <base64>\"", number)
  try {
    const bytes = base64(text)
    if (bytes.length < 5) throw new MalformedError(format, "a signature shorter than its key id")
    return { name, id: readKeyId(bytes), signature: bytes.slice(4) }
  } catch (error) {
    throw error instanceof MalformedError ? new MalformedError(format, error.reason, number) : error
  }
}

/** The bytes of a note; throws {@link MalformedError} for one {@link parseNote} would not read. */
export const printNote = (note: Note): Uint8Array => {
  checkText(note.text)
  if (note.signatures.length < 1 || note.signatures.length > maxSignatures) {
    throw new MalformedError(format, `${note.signatures.length} signatures, expected 1 to ${maxSignatures}`)
  }
  return encoder.encode(`${note.text}\n${note.signatures.map((signature) => `${signatureLine(signature)}\n`).join("")}`)
}

/** Reads a note of at most 1 000 000 bytes; throws {@link MalformedError}. No signature is checked. */
export const parseNote = (bytes: Uint8Array): Note => {
  if (bytes.length > maxBytes) throw new MalformedError(format, `${bytes.length} bytes, the limit is ${maxBytes}`)
  let whole: string
  try {
    whole = utf8.decode(bytes)
  } catch {
    throw new MalformedError(format, "not valid UTF-8")
  }
  checkText(whole)
  const blank = whole.lastIndexOf("\n\n")
  if (blank < 0) throw new MalformedError(format, "no blank line before the signatures")
  const text = whole.slice(0, blank + 1)
  const lines = whole.slice(blank + 2, -1).split("\n")
  if (whole.length === blank + 2) throw new MalformedError(format, "no signature")
  if (lines.length > maxSignatures) throw new MalformedError(format, `more than ${maxSignatures} signatures`)
  const textLines = text.split("\n").length
  return { text, signatures: lines.map((line, index) => parseSignatureLine(line, textLines + 1 + index)) }
}

const verifySignature = (
  text: string,
  key: VerifierKey,
  signature: Uint8Array,
  verify: Ed25519.Verify
): { timestamp?: number } | null => {
  if (key.type === 1) return verify(key.publicKey, encoder.encode(text), signature) ? {} : null
  if (signature.length !== 72) return null
  const timestamp = Number(new DataView(signature.buffer, signature.byteOffset, 8).getBigUint64(0))
  if (!Number.isSafeInteger(timestamp)) return null
  const message = cosignatureMessage(timestamp, text)
  return verify(key.publicKey, message, signature.subarray(8)) ? { timestamp } : null
}

/**
 * Checks every line whose name and id belong to one of the keys. Lines of unknown keys are ignored; a note with any
 * `bad` key must be rejected as a whole, a note with no `verified` key proves nothing. `verify` may be a faster
 * function that obeys the same strict rule.
 */
export const verifyNote = (
  note: Note,
  keys: ReadonlyArray<VerifierKey>,
  verify: Ed25519.Verify = Ed25519.verify
): NoteVerification => {
  const verified = new Set<VerifierKey>()
  const bad = new Set<VerifierKey>()
  const timestamps = new Map<VerifierKey, number>()
  for (const line of note.signatures) {
    const key = keys.find((candidate) => candidate.name === line.name && candidate.id === line.id)
    if (key === undefined) continue
    const valid = verifySignature(note.text, key, line.signature, verify)
    if (valid === null) {
      bad.add(key)
      continue
    }
    verified.add(key)
    if (valid.timestamp !== undefined) timestamps.set(key, Math.max(timestamps.get(key) ?? 0, valid.timestamp))
  }
  for (const key of bad) {
    verified.delete(key)
    timestamps.delete(key)
  }
  return { verified: [...verified], bad: [...bad], timestamps }
}

/** Signs the text with Ed25519 (type 1) keys, one line per signer in the order given. */
export const signNote = (text: string, signers: ReadonlyArray<NoteSigner>): Note => {
  checkText(text)
  return {
    text,
    signatures: signers.map(({ key, seed }) => {
      if (key.type !== 1) {
        throw new MalformedError(format, `${key.name} is a cosignature key and signs checkpoints only`)
      }
      return { name: key.name, id: key.id, signature: Ed25519.sign(seed, encoder.encode(text)) }
    })
  }
}
