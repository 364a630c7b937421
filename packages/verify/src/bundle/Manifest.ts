/**
 * The member `MANIFEST.sha256` of a bundle: the SHA-256 of every other member, as `sha256sum -c` reads it.
 */
import { encode } from "../Ascii.ts"
import * as Bytes from "../Bytes.ts"
import { isHash } from "../Hex.ts"
import { MalformedError } from "../Malformed.ts"
import { isMemberName } from "./ZipFormat.ts"

const format = "MANIFEST.sha256"

/** Lines that are printed as one piece. */
const linesPerPiece = 256

/** The manifest's text in pieces: a line `<hash>  <name>` for each name; names must be sorted. */
export function* manifestPieces(hashes: Iterable<readonly [name: string, hash: string]>): Generator<Uint8Array> {
  let [before, lines]: [string, Array<string>] = ["", []]
  for (const [name, hash] of hashes) {
    if (!isMemberName(name) || !isHash(hash)) throw new MalformedError(format, `"${hash}  ${name}" is no line of it`)
    if (!(before < name)) throw new MalformedError(format, `${name} follows ${before}: not sorted, or twice`)
    before = name
    lines.push(`${hash}  ${name}\n`)
    if (lines.length < linesPerPiece) continue
    yield encode(lines.join(""), format)
    lines = []
  }
  if (lines.length > 0) yield encode(lines.join(""), format)
}

/** The manifest of a map, whose names must be sorted. */
export const printManifest = (hashes: ReadonlyMap<string, string>): Uint8Array =>
  Bytes.concat(...manifestPieces(hashes))

/** Reads a manifest; throws {@link MalformedError}. */
export const parseManifest = (bytes: Uint8Array): Map<string, string> => {
  const text = new TextDecoder("latin1").decode(bytes)
  if (text !== "" && !text.endsWith("\n")) throw new MalformedError(format, "the last line does not end with LF")
  const hashes = new Map<string, string>()
  let [at, before] = [0, ""]
  while (at < text.length) {
    const end = text.indexOf("\n", at)
    const [hash, name] = [text.slice(at, at + 64), text.slice(at + 66, end)]
    if (!isHash(hash) || text.slice(at + 64, at + 66) !== "  " || !isMemberName(name)) {
      throw new MalformedError(format, `"${text.slice(at, Math.min(end, at + 100))}" is no line of it`)
    }
    if (!(before < name)) throw new MalformedError(format, `${name} follows ${before}: not sorted, or twice`)
    hashes.set(name, hash)
    before = name
    at = end + 1
  }
  return hashes
}
