/**
 * The inventory of one ledger directory: every file sorted by what the layout (ledger format §4) says it is, with its
 * size, so that nothing is read before it is known to be small.
 */
import { parseReceiptPath } from "../Anchored.ts"
import type { ArchiveReader } from "../ArchiveReader.ts"
import { ledgerPrefix, parseCheckpointArchivePath, parseEventPath } from "../Layout.ts"
import { entriesPath, parseTilePath, type TilePath, tilePath } from "../Tile.ts"

/** Stored widths of one tile or bundle and their sizes in bytes. */
export type StoredWidths = ReadonlyMap<number, number>

/** The files of one ledger directory. Paths are relative to it. */
export interface LedgerFiles {
  readonly prefix: string
  /** `checkpoint.d/`: tree size → bytes. */
  readonly archivedCheckpoints: ReadonlyMap<number, number>
  /** Documents: SHA-256 → bytes. */
  readonly documents: ReadonlyMap<string, number>
  /** Anchor receipts: path → bytes. */
  readonly anchors: ReadonlyMap<string, number>
  /** Paths that the layout does not know. */
  readonly unknown: ReadonlyArray<string>
  /** Number of files. */
  readonly total: number
  /** The stored widths of a tile (`level`) or bundle (`entries`). */
  readonly widths: (level: TilePath["level"], index: number) => StoredWidths
  /** Lists the widths of one tile or bundle again: a writer may have replaced a partial one by a wider one since. */
  readonly relist: (level: TilePath["level"], index: number) => Promise<StoredWidths>
}

const none: StoredWidths = new Map()
// Enough to explain what is there.
const unknownKept = 10_000

/**
 * Lists the ledger directory of an origin. The archived heads are listed first and later ones left out: everything they
 * need was written before them, so a ledger that is being published meanwhile looks like the state it was in.
 */
export const listLedgerFiles = async (reader: ArchiveReader, origin: string): Promise<LedgerFiles> => {
  const prefix = ledgerPrefix(origin)
  const archivedCheckpoints = new Map<number, number>()
  for await (const file of reader.list(`${prefix}/checkpoint.d/`)) {
    const size = parseCheckpointArchivePath(file.key.slice(prefix.length + 1))
    if (size !== null) archivedCheckpoints.set(size, file.size)
  }
  let total = 0
  const anchors = new Map<string, number>()
  const documents = new Map<string, number>()
  const tiles = new Map<string, Map<number, number>>()
  const unknown: Array<string> = []
  const addTile = (path: string, size: number): boolean => {
    const tile = parseTilePath(path)
    if (tile === null) return false
    const name = `${tile.level}/${tile.index}`
    tiles.set(name, (tiles.get(name) ?? new Map<number, number>()).set(tile.width, size))
    return true
  }
  for await (const file of reader.list(`${prefix}/`)) {
    const path = file.key.slice(prefix.length + 1)
    const hash = parseEventPath(path)
    total += 1
    if (hash !== null) documents.set(hash, file.size)
    else if (parseReceiptPath(path) !== null) anchors.set(path, file.size)
    else if (path !== "checkpoint" && parseCheckpointArchivePath(path) === null && !addTile(path, file.size)) {
      if (unknown.length < unknownKept) unknown.push(path)
    }
  }
  const widths = (level: TilePath["level"], index: number) => tiles.get(`${level}/${index}`) ?? none
  const relist = async (level: TilePath["level"], index: number) => {
    const full = level === "entries" ? entriesPath(index) : tilePath(level, index)
    tiles.delete(`${level}/${index}`)
    for await (const file of reader.list(`${prefix}/${full}`)) addTile(file.key.slice(prefix.length + 1), file.size)
    return widths(level, index)
  }
  return { prefix, archivedCheckpoints, documents, anchors, unknown, total, widths, relist }
}
