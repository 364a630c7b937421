/**
 * The ledger's own files as a bundle holds them: exactly what belongs to the checkpoint, although more may be stored.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import { ledgerKey } from "../Layout.ts"
import { encodeEntryBundle, entriesPath, parseEntryBundle, tilePath } from "../Tile.ts"
import { widthsFrom } from "../TileNodes.ts"
import { BundleRequestError } from "./BundleRequest.ts"

/** A file that the ledger must have is not there. */
export const missing = (key: string): BundleRequestError =>
  new BundleRequestError("incomplete", `${key} is missing; run rainlogs fsck`)

/** Exactly the first `width` entries of a bundle: what was appended after the checkpoint is no part of the statement. */
export const readEntries = async (
  reader: ArchiveReader,
  origin: string,
  index: number,
  width: number
): Promise<Uint8Array> => {
  for (const stored of widthsFrom(width)) {
    const bytes = await reader.read(ledgerKey(origin, entriesPath(index, stored)))
    if (bytes === null) continue
    return stored === width ? bytes : encodeEntryBundle(parseEntryBundle(bytes, stored).slice(0, width))
  }
  throw missing(entriesPath(index, width))
}

/** Exactly the first `width` hashes of a tile. */
export const readTile = async (
  reader: ArchiveReader,
  origin: string,
  { index, level, width }: { readonly index: number; readonly level: number; readonly width: number }
): Promise<Uint8Array> => {
  for (const stored of widthsFrom(width)) {
    const bytes = await reader.read(ledgerKey(origin, tilePath(level, index, stored)))
    if (bytes !== null && bytes.length >= width * 32) return bytes.subarray(0, width * 32)
  }
  throw missing(tilePath(level, index, width))
}
