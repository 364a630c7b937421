/**
 * The inventory of one ledger directory: every file sorted by what the layout (spec §4) says it is, with its size, so
 * that nothing is read before it is known to be small.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import { isHash } from "../Hex.ts"
import { ledgerPrefix } from "../Layout.ts"
import { parseTilePath, type TilePath } from "../Tile.ts"

/** Stored widths of one tile or bundle and their sizes in bytes. */
export type StoredWidths = ReadonlyMap<number, number>

/** The files of one ledger directory. Paths are relative to it. */
export interface LedgerFiles {
  readonly prefix: string
  /** Size of the served checkpoint, or null when there is none. */
  readonly checkpoint: number | null
  /** `checkpoint.d/`: tree size → bytes. */
  readonly archivedCheckpoints: ReadonlyMap<number, number>
  /** Documents: SHA-256 → bytes. */
  readonly documents: ReadonlyMap<string, number>
  /** Number of anchor receipts. */
  readonly anchors: number
  /** Paths that the layout does not know. */
  readonly unknown: ReadonlyArray<string>
  /** Number of files. */
  readonly total: number
  /** The stored widths of a tile (`level`) or bundle (`entries`). */
  readonly widths: (level: TilePath["level"], index: number) => StoredWidths
}

const archivedCheckpoint = /^checkpoint\.d\/([0-9]{20})$/
const document = /^event\/([0-9a-f]{64})$/
const anchor = /^anchor\/(?:0|[1-9][0-9]*)\/[A-Za-z0-9._-]+\.(?:tsr|cosig|json)$/
const none: StoredWidths = new Map()
// Enough to explain what is there; the count below stays exact.
const unknownKept = 10_000

/** Lists the ledger directory of an origin. */
export const listLedgerFiles = async (reader: ArchiveReader, origin: string): Promise<LedgerFiles> => {
  const prefix = ledgerPrefix(origin)
  let checkpoint: number | null = null
  let [anchors, total] = [0, 0]
  const archivedCheckpoints = new Map<number, number>()
  const documents = new Map<string, number>()
  const tiles = new Map<string, Map<number, number>>()
  const unknown: Array<string> = []
  for await (const file of reader.list(`${prefix}/`)) {
    const path = file.key.slice(prefix.length + 1)
    total += 1
    const size = Number(archivedCheckpoint.exec(path)?.[1] ?? Number.NaN)
    const hash = document.exec(path)?.[1]
    const tile = parseTilePath(path)
    if (path === "checkpoint") checkpoint = file.size
    else if (Number.isSafeInteger(size)) archivedCheckpoints.set(size, file.size)
    else if (hash !== undefined && isHash(hash)) documents.set(hash, file.size)
    else if (tile !== null) {
      const name = `${tile.level}/${tile.index}`
      const widths = tiles.get(name) ?? new Map<number, number>()
      tiles.set(name, widths.set(tile.width, file.size))
    } else if (anchor.test(path)) anchors += 1
    else if (unknown.length < unknownKept) unknown.push(path)
  }
  const widths = (level: TilePath["level"], index: number) => tiles.get(`${level}/${index}`) ?? none
  return { prefix, checkpoint, archivedCheckpoints, documents, anchors, unknown, total, widths }
}
