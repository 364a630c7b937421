/**
 * Prints a small bundle in memory. Large ones are streamed by whoever has the objects, with the same headers.
 */
import * as Bytes from "../Bytes.ts"
import { sha256 } from "../Hash.ts"
import * as Hex from "../Hex.ts"
import { crc32 } from "./Crc32.ts"
import { printManifest } from "./Manifest.ts"
import { bundleNames } from "./OpenBundle.ts"
import {
  isMemberName,
  MalformedBundleError,
  printCentralEntry,
  printEnd,
  printLocalHeader,
  type ZipMember
} from "./ZipFormat.ts"

const byName = ([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number =>
  left < right ? -1 : 1

/** The ZIP of these members and their manifest. */
export const printBundle = (contents: ReadonlyMap<string, Uint8Array>): Uint8Array => {
  const sorted = [...contents].sort(byName)
  const hashes = new Map(sorted.map(([name, bytes]) => [name, Hex.encode(sha256(bytes))]))
  return printZip(new Map([...sorted, [bundleNames.manifest, printManifest(hashes)]]))
}

/** The ZIP of these members as they are. */
export const printZip = (contents: ReadonlyMap<string, Uint8Array>): Uint8Array => {
  const parts: Array<Uint8Array> = []
  const members: Array<ZipMember> = []
  let offset = 0
  for (const [name, bytes] of [...contents].sort(byName)) {
    if (!isMemberName(name)) throw new MalformedBundleError(`the name ${JSON.stringify(name)} is not allowed`)
    const member = { name, offset, size: bytes.length, crc: crc32(bytes) }
    const header = printLocalHeader(member)
    parts.push(header, bytes)
    members.push(member)
    offset += header.length + bytes.length
  }
  const directory = Bytes.concat(...members.map(printCentralEntry))
  return Bytes.concat(...parts, directory, printEnd({ members: members.length, offset, size: directory.length }))
}
