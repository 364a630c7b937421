/**
 * Reads the ledger's entries from its bundles, in order, and compares every stored bundle, full or partial, byte for
 * byte with the entries it must hold.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import * as Bytes from "../Bytes.ts"
import { MalformedError } from "../Malformed.ts"
import { entriesPath, parseEntryBundle, tileWidth } from "../Tile.ts"
import type { Findings } from "./Findings.ts"
import type { LedgerFiles, StoredWidths } from "./LedgerFiles.ts"

/** Entry texts from leaf `start` on, at most 256. */
export interface EntryRun {
  readonly start: number
  readonly entries: ReadonlyArray<Uint8Array>
}

const maxBundleBytes = tileWidth * (2 + 65_535)

/** What a ledger's bundles are read with. */
export interface BundleSource {
  readonly reader: ArchiveReader
  readonly files: LedgerFiles
  readonly findings: Findings
}

const readBundle = async (source: BundleSource, index: number, width: number): Promise<Uint8Array | null> => {
  const { reader, files, findings } = source
  const key = `${files.prefix}/${entriesPath(index, width)}`
  const size = files.widths("entries", index).get(width) ?? 0
  if (size <= maxBundleBytes) return reader.read(key)
  findings.add({ code: "MALFORMED_ENTRY", severity: "malformed", detail: `a bundle of ${size} bytes`, key })
  return null
}

// Bytes of the first `width` entries; bundles of fewer entries are prefixes of bundles of more.
const prefixLength = (entries: ReadonlyArray<Uint8Array>, width: number): number =>
  entries.slice(0, width).reduce((total, entry) => total + 2 + entry.length, 0)

interface ChosenBundle {
  readonly width: number
  readonly bytes: Uint8Array
}

// The narrowest stored bundle that holds all needed entries, else the widest there is.
const chooseBundle = async (source: BundleSource, index: number, needed: number): Promise<ChosenBundle | null> => {
  const choose = async (stored: StoredWidths): Promise<ChosenBundle | null> => {
    const widths = [...stored.keys()].sort((left, right) => left - right)
    const width = widths.find((candidate) => candidate >= needed) ?? widths.at(-1)
    const bytes = width === undefined ? null : await readBundle(source, index, width)
    return width === undefined || bytes === null ? null : { width, bytes }
  }
  const chosen = await choose(source.files.widths("entries", index))
  if (chosen !== null && chosen.width >= needed) return chosen
  // A writer may have removed the partial bundle since it was listed, but only after a wider one was there.
  return choose(await source.files.relist("entries", index))
}

const compareBundles = async (
  source: BundleSource,
  index: number,
  chosen: ChosenBundle & { readonly entries: ReadonlyArray<Uint8Array> },
  needed: number
): Promise<void> => {
  const { files, findings } = source
  for (const width of files.widths("entries", index).keys()) {
    if (width === chosen.width) continue
    const bytes = await readBundle(source, index, width)
    if (bytes === null) continue
    // Entries past the signed head are not part of the statement that is verified.
    const common = Math.min(width, needed)
    const expected = chosen.bytes.subarray(0, prefixLength(chosen.entries, common))
    if (Bytes.hasPrefix(bytes, expected) && (width > needed || bytes.length === expected.length)) continue
    const detail = "a stored entry bundle differs from another bundle of the same entries"
    findings.add({ code: "TILE_MISMATCH", detail, key: `${files.prefix}/${entriesPath(index, width)}` })
  }
}

/**
 * Entries 0 to `size` − 1 in runs of at most 256. Stops early, with a finding, where the bundles end (`TRUNCATED`) or
 * cannot be taken apart (`MALFORMED_ENTRY`).
 */
export async function* readEntries(source: BundleSource, size: number): AsyncGenerator<EntryRun> {
  const { files, findings } = source
  const choose = (index: number): Promise<ChosenBundle | null> =>
    chooseBundle(source, index, Math.min(tileWidth, size - index * tileWidth))
  let ahead = choose(0)
  for (let index = 0; index * tileWidth < size; index++) {
    const start = index * tileWidth
    const needed = Math.min(tileWidth, size - start)
    const chosen = await ahead
    if (start + tileWidth < size) {
      // The next bundle is read while this one is replayed. Its failure counts when its turn comes.
      ahead = choose(index + 1)
      ahead.catch(() => undefined)
    }
    const held = Math.min(chosen?.width ?? 0, needed)
    const key = `${files.prefix}/${entriesPath(index, chosen?.width ?? needed)}`
    if (chosen !== null) {
      const entries = parseBundle(source, chosen, key)
      if (entries === null) return
      await compareBundles(source, index, { ...chosen, entries }, held)
      yield { start, entries: entries.slice(0, held) }
    }
    if (held < needed) {
      const detail = `entries ${start + held} to ${size - 1} are not stored, but the log signed ${size} entries`
      findings.add({ code: "TRUNCATED", detail, key })
      return
    }
  }
}

const parseBundle = (source: BundleSource, bundle: ChosenBundle, key: string): Array<Uint8Array> | null => {
  try {
    return parseEntryBundle(bundle.bytes, bundle.width)
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    source.findings.add({ code: "MALFORMED_ENTRY", severity: "malformed", detail: error.message, key })
    return null
  }
}
