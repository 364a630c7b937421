/**
 * Which files one state of a ledger has, derived from its tree size and its entries alone, for a store that cannot be
 * listed: what a lying server adds or hides changes nothing about what there should be.
 */
import { parseAnchored, receiptPath } from "./Anchored.ts"
import { FileTooLargeError } from "./ArchiveReader.ts"
import { decode } from "./Ascii.ts"
import { type Entry, parseEntry } from "./Entry.ts"
import { checkpointArchivePath, eventPath } from "./Layout.ts"
import { MalformedError } from "./Malformed.ts"
import { entriesPath, parseEntryBundle, tilePath, tileWidth } from "./Tile.ts"

// Such a document has nine short lines: a longer one is something else.
const maxAnchoredBytes = 65_536

/** The state whose files are asked for. */
export interface StateSource {
  readonly origin: string
  /** Tree size. */
  readonly size: number
  /** Reads a path below the ledger's directory; null when it is not there; rejects with `FileTooLargeError`. */
  readonly read: (path: string) => Promise<Uint8Array | null>
  /** Files read at once. */
  readonly concurrency: number
  /** Told how many entries' files have been read. */
  readonly onEntries: (entries: number) => void
}

/** What the entries of one bundle name: documents, and those among them that name anchor receipts. */
interface Named {
  readonly documents: ReadonlyArray<string>
  readonly anchored: ReadonlyArray<string>
}

/**
 * The files that are there, with their sizes in bytes: tiles and bundles of the tree, the documents that entries name,
 * and the archived checkpoints and receipts that `anchored` documents name. Every one is read. Ends where the bundles
 * end or cannot be taken apart, whatever the tree size claims: the verifier stops there as well.
 */
export const deriveFiles = async (source: StateSource): Promise<ReadonlyMap<string, number>> => {
  const { concurrency, onEntries, origin, read, size } = source
  const files = new Map<string, number>()

  const look = async (path: string): Promise<Uint8Array | null> => {
    try {
      const bytes = await read(path)
      if (bytes !== null) files.set(path, bytes.length)
      return bytes
    } catch (error) {
      if (!(error instanceof FileTooLargeError)) throw error
      // Listed with its size, by which the verifier refuses it.
      files.set(path, error.size)
      return null
    }
  }

  const lookOnce = async (path: string): Promise<void> => {
    if (!files.has(path)) await look(path)
  }

  const bundle = async (index: number): Promise<Named | null> => {
    const width = Math.min(tileWidth, size - index * tileWidth)
    const bytes = await look(entriesPath(index, width))
    for (const path of tilesFilledBy(index, size)) await look(path)
    return bytes === null ? null : namedBy(bytes, width)
  }

  const anchor = async (path: string): Promise<void> => {
    const bytes = files.has(path) && (files.get(path) ?? 0) <= maxAnchoredBytes ? await read(path) : null
    const known = bytes === null ? null : orNull(() => parseAnchored(decode(bytes)))
    if (known === null || known.origin !== origin || known.size > size) return
    await lookOnce(checkpointArchivePath(known.size))
    await lookOnce(receiptPath(known))
  }

  await look("checkpoint")
  await lookOnce(checkpointArchivePath(size))
  for (const path of unfilledTiles(size)) await look(path)
  let index = 0
  for await (const named of inOrder(bundleTasks(size, bundle), concurrency)) {
    if (named === null) break
    await all(named.documents.map((path) => () => lookOnce(path)), concurrency)
    await all(named.anchored.map((path) => () => anchor(path)), concurrency)
    index += 1
    onEntries(Math.min(size, index * tileWidth))
  }
  return files
}

// The full tiles that bundle `index` completes, at every level.
function* tilesFilledBy(index: number, size: number): Generator<string> {
  if ((index + 1) * tileWidth > size) return
  for (let level = 0, tile = index;; level++) {
    yield tilePath(level, tile)
    if ((tile + 1) % tileWidth !== 0) return
    tile = (tile + 1) / tileWidth - 1
  }
}

// The partial tiles at the right edge.
function* unfilledTiles(size: number): Generator<string> {
  for (let level = 0, hashes = size; hashes > 0; level++, hashes = Math.floor(hashes / tileWidth)) {
    const width = hashes % tileWidth
    if (width > 0) yield tilePath(level, Math.floor(hashes / tileWidth), width)
  }
}

function* bundleTasks<Value>(size: number, run: (index: number) => Promise<Value>): Generator<() => Promise<Value>> {
  for (let index = 0; index * tileWidth < size; index++) yield () => run(index)
}

const documentsOf = (entry: Entry): ReadonlyArray<string> => {
  if (entry.kind !== "object") return [eventPath(entry.object)]
  return entry.params === null ? [] : [eventPath(entry.params)]
}

const orNull = <Value>(parse: () => Value): Value | null => {
  try {
    return parse()
  } catch (error) {
    // The verifier reads it again and says what is wrong with it.
    if (!(error instanceof MalformedError)) throw error
    return null
  }
}

const namedBy = (bytes: Uint8Array, width: number): Named | null => {
  const texts = orNull(() => parseEntryBundle(bytes, width))
  if (texts === null) return null
  const documents = new Set<string>()
  const anchored = new Set<string>()
  for (const text of texts) {
    const entry = orNull(() => parseEntry(text))
    if (entry === null) continue
    for (const path of documentsOf(entry)) documents.add(path)
    if (entry.kind === "anchored") anchored.add(eventPath(entry.object))
  }
  return { documents: [...documents], anchored: [...anchored] }
}

// Runs tasks in their order, `width` at once, and yields what they give in the same order.
async function* inOrder<Value>(tasks: Iterable<() => Promise<Value>>, width: number): AsyncGenerator<Value> {
  const running: Array<Promise<Value>> = []
  for (const task of tasks) {
    const promise = task()
    // Its failure counts when its turn comes, if it comes.
    promise.catch(() => undefined)
    running.push(promise)
    const first = running.length < width ? undefined : running.shift()
    if (first !== undefined) yield await first
  }
  for (const promise of running) yield await promise
}

const all = async (tasks: Iterable<() => Promise<void>>, width: number): Promise<void> => {
  for await (const _ of inOrder(tasks, width));
}
