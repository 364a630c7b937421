/**
 * The file that holds an origin's prepared keys: the sealed key file they will become, and the `keys` document that
 * names them, signed by the log key in use and the new one. While it exists a change of keys is under way.
 */
import { decode, encode } from "@rainlogs/verify/Ascii"
import * as Base64 from "@rainlogs/verify/Base64"
import { type Keys, parseKeys } from "@rainlogs/verify/Keys"
import { joinLines, Lines } from "@rainlogs/verify/Lines"
import { MalformedError } from "@rainlogs/verify/Malformed"
import { parseNote, verifyNote } from "@rainlogs/verify/Note"
import { sameKey } from "@rainlogs/verify/VerifierKey"
import { parseKeyFile, type SignerKeys } from "./SignerKeyFile.ts"

const format = "rainlogs-signer-next/v1"

/** The prepared keys: the key file's bytes and what they open to, the document's bytes and what they say. */
export interface StoredNext {
  readonly file: Uint8Array
  readonly keys: SignerKeys
  readonly document: Uint8Array
  readonly change: Keys
}

/** The file. */
export const printNext = ({ document, file }: Pick<StoredNext, "document" | "file">): Uint8Array =>
  encode(joinLines([format, `keys ${Base64.encode(file)}`, `document ${Base64.encode(document)}`]), format)

/** Reads the file; throws {@link MalformedError} if any part does not open, or the document names other keys. */
export const parseNext = (origin: string, bytes: Uint8Array, wrappingKey: Uint8Array): StoredNext => {
  const lines = new Lines(format, decode(bytes, format))
  const file = lines.field("keys", (_, text) => Base64.decode(text))
  const document = lines.field("document", (_, text) => Base64.decode(text))
  lines.end()
  const keys = parseKeyFile(origin, file, wrappingKey)
  const note = parseNote(document)
  const change = parseKeys(note.text)
  if (change.origin !== origin || !sameKey(change.log, keys.log.key) || !sameKey(change.clock, keys.clock.key)) {
    throw new MalformedError(format, "the document names other keys than the ones beside it")
  }
  if (verifyNote(note, [change.previous, change.log]).verified.length !== 2) {
    throw new MalformedError(format, "the document lacks a signature of the key in use or of the new one")
  }
  return { file, keys, document, change }
}
