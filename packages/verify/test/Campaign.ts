/**
 * The verifier against random damage. Its only excuse for INTEGRITY PASS is that everything committed under the head it
 * verified is byte for byte what was archived.
 */
import * as Bytes from "../src/Bytes.ts"
import { printEntry } from "../src/Entry.ts"
import { ledgerKey, ledgerPrefix } from "../src/Layout.ts"
import { verify as verifySignature } from "../src/node/NativeEd25519.ts"
import { sha256 } from "../src/node/NativeSha256.ts"
import { exitCode, type Report } from "../src/Report.ts"
import type { Random } from "../src/tampering/Random.ts"
import { encodeEntryBundle, parseTilePath, tileWidth } from "../src/Tile.ts"
import { verifyArchive } from "../src/VerifyArchive.ts"
import { type ArchiveBuilder, log, origin } from "./ArchiveBuilder.ts"
import { type ArchiveFiles, memoryReader } from "./MemoryReader.ts"
import { mutations, type Target } from "./Mutations.ts"

/** How often each mutation was tried, and what came out. */
export interface Outcome {
  readonly tried: number
  readonly passed: number
  readonly names: ReadonlySet<string>
  readonly exits: ReadonlySet<number>
}

const prefix = `${ledgerPrefix(origin)}/`

/** Verifies archive files in memory with the log's key. */
export const judge = (files: ArchiveFiles): Promise<Report> =>
  verifyArchive(memoryReader(files), { keys: [log.key], sha256, verifySignature })

/** What of the first `size` entries is not stored as it was archived; null when all of it is. */
export const difference = (original: ArchiveBuilder, size: number, files: ArchiveFiles): string | null => {
  const entries = original.entries.slice(0, size)
  if (size < 1 || entries.length !== size) return `a head of ${size} entries was never signed`
  for (const entry of entries) {
    const documents = [
      ...entry.kind === "object"
        ? entry.key === null ? [] : [entry.key]
        : entry.key === null
        ? []
        : [ledgerKey(origin, entry.key)],
      ...entry.kind === "object" && entry.params !== null ? [ledgerKey(origin, `event/${entry.params}`)] : []
    ]
    for (const key of documents) {
      const [kept, found] = [original.files.get(key), files.get(key)]
      if (kept === undefined || found === undefined || !Bytes.equal(kept, found)) return `${key} is not as archived`
    }
  }
  const texts = entries.map(printEntry)
  const held = new Set<number>()
  for (const [key, bytes] of files) {
    const tile = key.startsWith(prefix) ? parseTilePath(key.slice(prefix.length)) : null
    if (tile?.level !== "entries" || tile.index * tileWidth >= size) continue
    const first = tile.index * tileWidth
    const expected = texts.slice(first, first + tile.width)
    // What lies past the head is not judged, neither here nor by the verifier.
    if (!Bytes.hasPrefix(bytes, encodeEntryBundle(expected))) return `${key} has other entries`
    for (const at of expected.keys()) held.add(first + at)
  }
  return held.size === size ? null : `only ${held.size} of ${size} entries are stored`
}

/** Applies `count` random mutations, one to three at once, each time to the untouched archive; throws on a wrong PASS. */
export const runCampaign = async (
  archive: { readonly original: ArchiveBuilder; readonly other: ArchiveFiles },
  choices: Random,
  count: number
): Promise<Outcome> => {
  const names = new Set<string>()
  const exits = new Set<number>()
  let passed = 0
  for (let round = 0; round < count; round++) {
    const files: ArchiveFiles = new Map(archive.original.files)
    const target: Target = { ...archive, files }
    const applied: Array<string> = []
    for (let times = 1 + (choices.chance(1, 3) ? choices.integer(3) : 0); times > 0 && files.size > 0; times--) {
      const [name, mutate] = choices.one(Object.entries(mutations))
      mutate(target, choices)
      applied.push(name)
      names.add(name)
    }
    const report = await judge(files)
    exits.add(exitCode(report, ["integrity"]))
    if (report.verdict.integrity !== "PASS") continue
    passed += 1
    const wrong = difference(archive.original, report.size, files)
    if (wrong !== null) {
      throw new Error(`round ${round}: INTEGRITY PASS of ${report.size} entries after ${applied.join(", ")}: ${wrong}`)
    }
  }
  return { tried: count, passed, names, exits }
}
