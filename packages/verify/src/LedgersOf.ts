/**
 * The ledgers that an archive holds, each with the zones that have a chain in it.
 */
import type { ArchiveReader } from "./ArchiveReader.ts"
import { parseCheckpoint } from "./Checkpoint.ts"
import { parseEntry } from "./Entry.ts"
import { ledgersPrefix } from "./Layout.ts"
import { MalformedError } from "./Malformed.ts"
import { parseNote } from "./Note.ts"
import { entriesPath, parseEntryBundle, tileWidth } from "./Tile.ts"
import { widthsFrom } from "./TileNodes.ts"

/** A published ledger; nothing of it is verified. */
export interface PublishedLedger {
  readonly origin: string
  readonly size: number
}

/** The ledgers with a served checkpoint that can be read. */
export const ledgersOf = async (reader: ArchiveReader): Promise<Array<PublishedLedger>> => {
  const ledgers: Array<PublishedLedger> = []
  for await (const { key } of reader.list(`${ledgersPrefix}/`)) {
    if (!/^integrity\/v1\/[0-9a-f]{64}\/checkpoint$/.test(key)) continue
    const bytes = await reader.read(key)
    if (bytes === null) continue
    try {
      const { origin, size } = parseCheckpoint(parseNote(bytes).text)
      ledgers.push({ origin, size })
    } catch (error) {
      // The verifier says what is wrong with it.
      if (!(error instanceof MalformedError)) throw error
    }
  }
  return ledgers
}

/** The entries under a ledger's served checkpoint, in order; throws `MalformedError` for one that cannot be read. */
export async function* publishedEntries(reader: ArchiveReader, prefix: string, size: number) {
  for (let index = 0; index * tileWidth < size; index++) {
    const width = Math.min(tileWidth, size - index * tileWidth)
    let found = false
    for (const stored of widthsFrom(width)) {
      const bytes = await reader.read(`${prefix}/${entriesPath(index, stored)}`)
      if (bytes === null) continue
      for (const [at, entry] of parseEntryBundle(bytes, stored).slice(0, width).entries()) {
        yield { leaf: index * tileWidth + at, bytes: entry, entry: parseEntry(entry) }
      }
      found = true
      break
    }
    if (!found) throw new MalformedError("ledger", `${prefix}/${entriesPath(index, width)} is missing`)
  }
}

/** The published ledger that has a chain of this zone; null when there is none. */
export const ledgerOfZone = async (
  reader: ArchiveReader,
  prefixOf: (origin: string) => string,
  zone: string
): Promise<PublishedLedger | null> => {
  for (const ledger of await ledgersOf(reader)) {
    for await (const { entry } of publishedEntries(reader, prefixOf(ledger.origin), ledger.size)) {
      if (entry.chain === zone) return ledger
    }
  }
  return null
}
