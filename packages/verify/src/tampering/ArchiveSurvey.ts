/**
 * What there is to attack in an archive: its head, some of its objects and where their entries stand, its documents and
 * receipts.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import { parseCheckpoint } from "../Checkpoint.ts"
import { type ObjectEntry, parseEntry } from "../Entry.ts"
import { checkpointKey, eventPath, ledgerKey } from "../Layout.ts"
import { parseNote } from "../Note.ts"
import { entriesPath, parseEntryBundle, tilePath, tileWidth } from "../Tile.ts"
import { widthsFrom } from "../TileNodes.ts"
import { type LedgerFiles, listLedgerFiles } from "../verification/LedgerFiles.ts"
import type { Random } from "./Random.ts"

/** A stored file. */
export interface StoredFile {
  readonly key: string
  readonly bytes: Uint8Array
}

/** An object that is there and small enough to be changed in memory, and its leaf. */
export interface StoredObject extends StoredFile {
  readonly entry: ObjectEntry
  readonly leaf: number
}

/** Largest object that is attacked, bytes. */
export const largestAttacked = 16 * 1024 * 1024

/** What was found. */
export interface ArchiveSurvey {
  readonly origin: string
  readonly reader: ArchiveReader
  readonly files: LedgerFiles
  readonly served: StoredFile
  /** Entries under the served head. */
  readonly size: number
  /** Two objects where there are two, chosen at random. */
  readonly objects: ReadonlyArray<StoredObject>
  /** A document that an entry names, chosen at random. */
  readonly document: StoredFile
  /** The bundle of entries with the leaf. */
  readonly bundleOf: (leaf: number) => Promise<Bundle>
}

/** Some consecutive entries, and the tile of their hashes. */
export interface Bundle {
  readonly key: string
  /** The leaf of the first. */
  readonly first: number
  readonly entries: ReadonlyArray<Uint8Array>
  readonly tile: StoredFile
}

/** The archive cannot be attacked; the message says why. */
export class NothingToAttackError extends Error {
  override readonly name = "NothingToAttackError"
}

const readStored = async (
  reader: ArchiveReader,
  origin: string,
  width: number,
  path: (width: number) => string
): Promise<StoredFile & { readonly width: number }> => {
  for (const stored of widthsFrom(width)) {
    const key = ledgerKey(origin, path(stored))
    const bytes = await reader.read(key)
    if (bytes !== null) return { key, bytes, width: stored }
  }
  throw new NothingToAttackError(`${ledgerKey(origin, path(width))} is missing: run rainlogs verify first`)
}

/** Bundle number `index` of the ledger with `size` entries. */
export const readBundle = async (
  reader: ArchiveReader,
  origin: string,
  index: number,
  size: number
): Promise<Bundle> => {
  const width = Math.min(tileWidth, size - index * tileWidth)
  const bundle = await readStored(reader, origin, width, (stored) => entriesPath(index, stored))
  const tile = await readStored(reader, origin, width, (stored) => tilePath(0, index, stored))
  return { key: bundle.key, first: index * tileWidth, entries: parseEntryBundle(bundle.bytes, bundle.width), tile }
}

/** Looks at the archive; rejects with {@link NothingToAttackError} when it has no head or no entry. */
export const surveyArchive = async (
  reader: ArchiveReader,
  origin: string,
  choices: Random
): Promise<ArchiveSurvey> => {
  const key = checkpointKey(origin)
  const bytes = await reader.read(key)
  if (bytes === null) throw new NothingToAttackError(`${key} is missing: nothing is published for ${origin}`)
  const { size } = parseCheckpoint(parseNote(bytes).text)
  if (size === 0) throw new NothingToAttackError(`the ledger of ${origin} has no entry yet`)
  const objects: Array<StoredObject> = []
  const documents: Array<string> = []
  const bundles = Math.ceil(size / tileWidth)
  // From a bundle chosen at random on, until there is enough: a large ledger is not read twice.
  const begin = choices.integer(bundles)
  for (let step = 0; step < bundles && (objects.length < 2 || documents.length === 0); step++) {
    const bundle = await readBundle(reader, origin, (begin + step) % bundles, size)
    const candidates = bundle.entries.map((text, at) => ({
      at,
      entry: parseEntry(text),
      order: choices.integer(2 ** 30)
    }))
    for (const { at, entry } of candidates.sort((left, right) => left.order - right.order)) {
      if (entry.kind !== "object") documents.push(entry.object)
      else if (objects.length < 2 && entry.key !== null && entry.size <= largestAttacked) {
        const object = await reader.read(entry.key)
        if (object !== null) objects.push({ key: entry.key, bytes: object, entry, leaf: bundle.first + at })
      }
    }
  }
  const [hash = ""] = documents
  const document = ledgerKey(origin, eventPath(hash))
  return {
    origin,
    reader,
    files: await listLedgerFiles(reader, origin),
    served: { key, bytes },
    size,
    objects,
    document: { key: document, bytes: await reader.read(document) ?? new Uint8Array(0) },
    bundleOf: (leaf) => readBundle(reader, origin, Math.floor(leaf / tileWidth), size)
  }
}
