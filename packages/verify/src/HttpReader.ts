/**
 * Reads a live ledger over HTTP(S): the files of one ledger directory (C2SP tlog-tiles) below a URL, without its log
 * objects. It shows one state, that of the checkpoint served when it was opened: what there should be follows from it
 * and from the entries under it, never from a listing of the server. Runs wherever `fetch` does.
 */
import type { ArchiveFile, ArchiveReader } from "./ArchiveReader.ts"
import { type Checkpoint, parseCheckpoint } from "./Checkpoint.ts"
import { type Download, downloader, type HttpFetchOptions } from "./HttpFetch.ts"
import { ledgerPrefix } from "./Layout.ts"
import { largestBytes, parseLedgerPath } from "./LedgerPath.ts"
import { MalformedError } from "./Malformed.ts"
import { parseNote } from "./Note.ts"
import { deriveFiles } from "./StateFiles.ts"
import { bundlePrefix, entriesPath, type TilePath, tilePath, tileWidth } from "./Tile.ts"

/** How far the download of a ledger has come. */
export interface HttpProgress {
  /** Entries whose files were downloaded. */
  readonly entries: number
  /** Entries under the served checkpoint. */
  readonly totalEntries: number
  /** Bytes downloaded so far. */
  readonly bytes: number
}

/** How a ledger is read over HTTP. */
export interface HttpReaderOptions extends HttpFetchOptions {
  /** Files downloaded at once; 8 when left out. */
  readonly concurrency?: number
  /** Bytes kept in memory so that they are downloaded once; 64 MiB when left out. Later ones are downloaded twice. */
  readonly keptBytes?: number
  /** Told while the ledger is downloaded, before the verification itself has anything to tell. */
  readonly onProgress?: (progress: HttpProgress) => void
}

/** There is no ledger at the URL; the message says what to do. */
export class LedgerNotServedError extends Error {
  override readonly name = "LedgerNotServedError"
}

/** The URL is not one a ledger can be read from; the message says what to do. */
export class LedgerUrlError extends Error {
  override readonly name = "LedgerUrlError"
}

const baseUrl = (text: string): string => {
  if (!URL.canParse(text)) throw new LedgerUrlError(`"${text}" is not a URL`)
  const url = new URL(text)
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new LedgerUrlError(`${text} is not an http:// or https:// URL`)
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new LedgerUrlError(
      `${url.origin}${url.pathname}: give the URL without user, password, "?" and "#"; files are named after its path`
    )
  }
  return url.href.replace(/\/+$/, "")
}

const readHead = (url: string, bytes: Uint8Array): Checkpoint => {
  try {
    return parseCheckpoint(parseNote(bytes).text)
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    throw new MalformedError(
      "checkpoint",
      `${url}/checkpoint is no checkpoint (${error.reason}); give the URL of a ledger, such as ` +
        "https://archive.example.eu/ledger/<customer id>"
    )
  }
}

/**
 * Opens the ledger whose checkpoint is served at `<url>/checkpoint`. Rejects with {@link LedgerUrlError},
 * {@link LedgerNotServedError}, `MalformedError` (what is served there is no checkpoint) and `HttpFetchError`.
 *
 * Verify it with `scope: "no-objects"`; `hash` rejects.
 */
export const openHttp = async (url: string, options: HttpReaderOptions = {}): Promise<ArchiveReader> => {
  const base = baseUrl(url)
  const download = downloader(options)
  const served = await download(`${base}/checkpoint`, largestBytes({ kind: "checkpoint" }))
  if (served === null) {
    throw new LedgerNotServedError(
      `${base}/checkpoint is not there; check the URL, and that the archive serves its ledgers ` +
        "(RAINLOGS_PUBLIC_LEDGER=on) and has published this one"
    )
  }
  const head = readHead(base, served)
  const state = new ServedState(base, head, served, download, options.keptBytes)
  const prefix = ledgerPrefix(head.origin)
  const { concurrency = 8, onProgress } = options
  const onEntries = (entries: number) => onProgress?.({ entries, totalEntries: head.size, bytes: state.downloaded })
  let listing: Promise<ReadonlyMap<string, number>> | null = null
  const list = async function*(wanted: string): AsyncGenerator<ArchiveFile> {
    if (!wanted.startsWith(`${prefix}/`) && !`${prefix}/`.startsWith(wanted)) return
    listing ??= deriveFiles({ size: head.size, origin: head.origin, read: state.read, concurrency, onEntries })
    for (const [path, size] of await listing) {
      const key = `${prefix}/${path}`
      if (key.startsWith(wanted)) yield { key, size }
    }
  }
  return {
    list,
    read: (key) => key.startsWith(`${prefix}/`) ? state.read(key.slice(prefix.length + 1)) : Promise.resolve(null),
    hash: (key) =>
      Promise.reject(
        new Error(`${key}: a ledger served over HTTP comes without its objects; verify it with scope "no-objects"`)
      )
  }
}

const pathOf = ({ index, level, width }: TilePath): string =>
  level === "entries" ? entriesPath(index, width) : tilePath(level, index, width)

const widthAt = (size: number, { index, level }: TilePath): number => {
  const hashes = level === "entries" ? size : Math.floor(size / tileWidth ** level)
  return Math.min(tileWidth, Math.max(0, hashes - index * tileWidth))
}

// Looks for a wider tile this often: each time, the one that was there may have been replaced meanwhile.
const widerLooks = 3

/** The files of one state of a served ledger, by their paths below the ledger's directory. */
class ServedState {
  readonly #base: string
  readonly #size: number
  readonly #download: Download
  readonly #kept: Map<string, Uint8Array>
  #room: number
  #downloaded = 0

  constructor(base: string, head: Checkpoint, served: Uint8Array, download: Download, keptBytes = 64 * 1024 * 1024) {
    this.#base = base
    this.#size = head.size
    this.#download = download
    this.#kept = new Map([["checkpoint", served]])
    this.#room = keptBytes
  }

  /** Bytes downloaded so far. */
  get downloaded(): number {
    return this.#downloaded
  }

  /** The bytes of a file, or null when it is not there or no part of this state; rejects with `FileTooLargeError`. */
  readonly read = async (path: string): Promise<Uint8Array | null> => {
    const kept = this.#kept.get(path)
    if (kept !== undefined) return kept
    const known = parseLedgerPath(path)
    if (known === null) return null
    const bytes = known.kind === "tile" ? await this.#tile(known.tile) : await this.#file(path)
    if (bytes !== null && bytes.length <= this.#room) {
      this.#kept.set(path, bytes)
      this.#room -= bytes.length
    }
    return bytes
  }

  async #file(path: string): Promise<Uint8Array | null> {
    const known = parseLedgerPath(path)
    if (known === null) return null
    const bytes = await this.#download(`${this.#base}/${path}`, largestBytes(known))
    this.#downloaded += bytes?.length ?? 0
    return bytes
  }

  // A ledger that has grown meanwhile may serve a wider tile only: the log only appends, so ours is its beginning.
  async #tile(tile: TilePath): Promise<Uint8Array | null> {
    const { level, width } = tile
    if (width !== widthAt(this.#size, tile)) return null
    const own = await this.#file(pathOf(tile))
    if (own !== null || width === tileWidth) return own
    for (let look = 0; look < widerLooks; look++) {
      const newest = widthAt(await this.#newestSize(), tile)
      if (newest <= width) return null
      const wider = await this.#file(pathOf({ ...tile, width: newest }))
      if (wider !== null) return level === "entries" ? bundlePrefix(wider, width) : wider.slice(0, width * 32)
    }
    return null
  }

  async #newestSize(): Promise<number> {
    const bytes = await this.#file("checkpoint")
    return bytes === null ? 0 : readHead(this.#base, bytes).size
  }
}
