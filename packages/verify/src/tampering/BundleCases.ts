/**
 * The tamper catalogue, containers and proofs: what is not an archive yet, and must be refused before it is believed or
 * memory is reserved for it.
 */
import { encode as ascii } from "../Ascii.ts"
import type { ByteSource } from "../bundle/BundleZip.ts"
import type { IncrementalSha256 } from "../bundle/OpenBundle.ts"
import { printBundle, printZip } from "../bundle/PrintBundle.ts"
import { verifyBundle } from "../bundle/VerifyBundle.ts"
import { printCentralEntry, printEnd, printLocalHeader, type ZipMember } from "../bundle/ZipFormat.ts"
import * as Bytes from "../Bytes.ts"
import { sha256 } from "../Hash.ts"
import { exitCode } from "../Report.ts"
import { parseTlogProof } from "../TlogProof.ts"
import { start } from "./ArchiveBuilder.ts"
import { day } from "./EvidenceArchive.ts"
import { bundleMembers } from "./EvidenceBundle.ts"
import { type Attempt, type Evidence, onReader, type TamperCase } from "./TamperCase.ts"

const newHash = (): IncrementalSha256 => {
  const parts: Array<Uint8Array> = []
  return { update: (bytes) => parts.push(bytes), digest: () => sha256(...parts) }
}

const sourceOf = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: (offset, length) => Promise.resolve(bytes.slice(offset, offset + length))
})

const onBundle = (evidence: Evidence, name: string, bytes: Uint8Array): Attempt => ({
  name,
  run: async () => {
    const report = await verifyBundle(sourceOf(bytes), evidence.trust, newHash)
    return { codes: new Set(report.findings.map(({ code }) => code)), exit: exitCode(report) }
  }
})

const withDirectory = (parts: ReadonlyArray<Uint8Array>, entries: ReadonlyArray<Uint8Array>): Uint8Array => {
  const offset = parts.reduce((sum, { length }) => sum + length, 0)
  const directory = Bytes.concat(...entries)
  return Bytes.concat(...parts, directory, printEnd({ members: entries.length, offset, size: directory.length }))
}

const empty = (name: string, offset = 0): ZipMember => ({ name, offset, size: 0, crc: 0 })

// A central entry whose external attributes say that the member is a symbolic link.
const linkEntry = (): Uint8Array => {
  const entry = printCentralEntry(empty("link"))
  const view = new DataView(entry.buffer)
  view.setUint16(4, 3 << 8 | 10, true)
  view.setUint32(38, 0o120777 * 2 ** 16, true)
  return entry
}

const proofText = (lines: ReadonlyArray<string>): string =>
  `c2sp.org/tlog-proof@v1\nindex 0\n${lines.map((line) => `${line}\n`).join("")}\ncheckpoint\n`
const hash = (length: number): string => btoa("x".repeat(length))

/** Cases about bundles and proofs. */
export const bundleCases: ReadonlyArray<TamperCase> = [
  {
    id: "zip-right",
    attacker: "storage",
    mutation: "nothing: a bundle of ten days of the valid archive",
    expect: ["OUT_OF_SCOPE"],
    exit: 0,
    attempts: async (evidence) => {
      const members = await bundleMembers(evidence.copy(), start + 40 * day, start + 50 * day)
      return [onBundle(evidence, "", printBundle(members))]
    }
  },
  {
    id: "zip-dup",
    attacker: "storage",
    mutation: "duplicate names, ../ paths, local and central headers that differ, a symbolic link, data after the end",
    expect: ["MALFORMED_BUNDLE"],
    exit: 3,
    attempts: async (evidence) => {
      const members = await bundleMembers(evidence.copy(), start + 40 * day, start + 41 * day)
      const right = printBundle(members)
      const header = printLocalHeader(empty("a"))
      const [up, link] = [empty("../a"), empty("link")]
      const differing = right.slice()
      differing[30] = (differing[30] ?? 0) ^ 1
      return [
        onBundle(
          evidence,
          "a name twice",
          withDirectory([header, header], [
            printCentralEntry(empty("a")),
            printCentralEntry(empty("a", header.length))
          ])
        ),
        onBundle(evidence, "a path upwards", withDirectory([printLocalHeader(up)], [printCentralEntry(up)])),
        onBundle(evidence, "headers that differ", differing),
        onBundle(evidence, "a symbolic link", withDirectory([printLocalHeader(link)], [linkEntry()])),
        onBundle(evidence, "data after the end", Bytes.concat(right, Uint8Array.of(0))),
        onBundle(evidence, "no manifest", printZip(members))
      ]
    }
  },
  {
    id: "zip-bomb",
    attacker: "storage",
    mutation: "a member that declares 4 TiB",
    expect: ["MALFORMED_BUNDLE"],
    exit: 3,
    attempts: (evidence) => {
      const bomb = { ...empty("a"), size: 4 * 2 ** 40 }
      return [onBundle(evidence, "", withDirectory([printLocalHeader(bomb)], [printCentralEntry(bomb)]))]
    }
  },
  {
    id: "proof-long",
    attacker: "storage",
    mutation: "64 hashes and more, hashes of 31 or 33 bytes, base64 that is not canonical",
    expect: ["MALFORMED_PROOF"],
    exit: 3,
    attempts: () =>
      ([
        ["64 hashes", proofText(Array.from({ length: 64 }, () => hash(32)))],
        ["31 bytes", proofText([hash(31)])],
        ["33 bytes", proofText([hash(33)])],
        ["base64 with stray bits", proofText([hash(32).replace(/.=$/, "5=")])]
      ] as const).map(([name, text]) => onReader(name, "MALFORMED_PROOF", () => parseTlogProof(ascii(text))))
  }
]
