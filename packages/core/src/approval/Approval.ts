/**
 * Adds an approver's signature line to a draft (the bare text) or to a note that others signed already.
 */
import { MalformedError } from "@rainlogs/verify/Malformed"
import { type NoteSignature, type NoteSigner, parseNote, printNote, signNote, verifyNote } from "@rainlogs/verify/Note"
import { approvableInWords } from "./Approvable.ts"

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** A document that may be approved. */
export interface Approvable {
  readonly text: string
  readonly signatures: ReadonlyArray<NoteSignature>
  /** What it says, line by line. */
  readonly words: ReadonlyArray<string>
}

/** Reads a draft or a note; throws `MalformedError` for what no approver may sign. */
export const readApprovable = (bytes: Uint8Array): Approvable => {
  let whole: string
  try {
    whole = utf8.decode(bytes)
  } catch {
    throw new MalformedError("document to approve", "not valid UTF-8")
  }
  // No document has a blank line, so a blank line is where signatures begin.
  const { signatures, text } = whole.includes("\n\n") ? parseNote(bytes) : { text: whole, signatures: [] }
  return { text, signatures, words: approvableInWords(text) }
}

/** The note with this approver's line, once; throws `MalformedError` when the note holds a bad line of this key. */
export const approve = (document: Approvable, signer: NoteSigner): Uint8Array => {
  const { signatures, text } = document
  const before = verifyNote({ text, signatures }, [signer.key])
  if (before.bad.length > 0) {
    throw new MalformedError("document to approve", `it holds a bad signature of ${signer.key.name}: take the draft`)
  }
  const added = before.verified.length > 0 ? [] : signNote(text, [signer]).signatures
  return printNote({ text, signatures: [...signatures, ...added] })
}
