/**
 * C2SP tlog-tiles: paths of tiles and entry bundles, and the bundle encoding (uint16 big-endian length prefixes).
 */
import { concat } from "./Bytes.ts"
import { MalformedError } from "./Malformed.ts"

/** Levels of the Merkle tree one tile spans. */
export const tileHeight = 8

/** Hashes in a full tile, entries in a full bundle. */
export const tileWidth = 2 ** tileHeight

const bundleFormat = "entry bundle"

/** What a tile path names. `width` is 256 for a full tile or bundle, 1–255 for a partial one. */
export interface TilePath {
  /** The tile level (0 holds leaf hashes), or `entries` for a bundle of leaf data. */
  readonly level: number | "entries"
  readonly index: number
  readonly width: number
}

const indexPath = (index: number): string => {
  if (!Number.isSafeInteger(index) || index < 0) throw new RangeError(`${index} is not a tile index`)
  const groups: Array<string> = []
  for (let rest = index, first = true; first || rest > 0; first = false, rest = Math.floor(rest / 1000)) {
    groups.unshift(`${first ? "" : "x"}${String(rest % 1000).padStart(3, "0")}`)
  }
  return groups.join("/")
}

const partialSuffix = (width: number): string => {
  if (!Number.isInteger(width) || width < 1 || width > tileWidth) throw new RangeError(`${width} is not a tile width`)
  return width === tileWidth ? "" : `.p/${width}`
}

/** The path of a tile below the ledger directory, `tile/<L>/<N>[.p/<W>]`; `width` 256 (the default) is the full tile. */
export const tilePath = (level: number, index: number, width: number = tileWidth): string => {
  if (!Number.isInteger(level) || level < 0 || level > 63) throw new RangeError(`${level} is not a tile level`)
  return `tile/${level}/${indexPath(index)}${partialSuffix(width)}`
}

/** The path of an entry bundle below the ledger directory, `tile/entries/<N>[.p/<W>]`. */
export const entriesPath = (index: number, width: number = tileWidth): string =>
  `tile/entries/${indexPath(index)}${partialSuffix(width)}`

const pathPattern = /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([0-9]{1,3}))?$/

/** What the path names, or null when it is not exactly a path that {@link tilePath} or {@link entriesPath} prints. */
export const parseTilePath = (path: string): TilePath | null => {
  const match = pathPattern.exec(path)
  if (match === null) return null
  const [, levelText = "", indexText = "", widthText] = match
  const index = Number(indexText.replaceAll(/[x/]/g, ""))
  const width = widthText === undefined ? tileWidth : Number(widthText)
  const level = levelText === "entries" ? levelText : Number(levelText)
  if (!Number.isSafeInteger(index) || width < 1 || width > tileWidth || (level !== "entries" && level > 63)) return null
  const printed = level === "entries" ? entriesPath(index, width) : tilePath(level, index, width)
  return printed === path ? { level, index, width } : null
}

/** The bytes of 1 to 256 entries, each at most 65 535 bytes, each prefixed with its length. */
export const encodeEntryBundle = (entries: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (entries.length < 1 || entries.length > tileWidth) {
    throw new MalformedError(bundleFormat, `${entries.length} entries, expected 1 to ${tileWidth}`)
  }
  return concat(...entries.flatMap((entry) => {
    if (entry.length > 0xffff) throw new MalformedError(bundleFormat, `an entry of ${entry.length} bytes`)
    return [Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry]
  }))
}

/** The `width` entries of a bundle, as views on its bytes; throws {@link MalformedError} when they do not fill it exactly. */
export const parseEntryBundle = (bytes: Uint8Array, width: number): Array<Uint8Array> => {
  const entries: Array<Uint8Array> = []
  let offset = 0
  while (entries.length < width) {
    const [high, low] = [bytes[offset], bytes[offset + 1]]
    if (high === undefined || low === undefined) {
      throw new MalformedError(bundleFormat, `ends after ${entries.length} of ${width} entries`)
    }
    const end = offset + 2 + high * 256 + low
    if (end > bytes.length) throw new MalformedError(bundleFormat, `entry ${entries.length} runs past the end`)
    entries.push(bytes.subarray(offset + 2, end))
    offset = end
  }
  if (offset !== bytes.length) {
    throw new MalformedError(bundleFormat, `${bytes.length - offset} bytes after the last entry`)
  }
  return entries
}

/** The bytes of the first `width` entries of a bundle, which are the bundle of that width; all bytes when it has fewer. */
export const bundlePrefix = (bytes: Uint8Array, width: number): Uint8Array => {
  let end = 0
  for (let entry = 0; entry < width && end < bytes.length; entry++) {
    end += 2 + (bytes[end] ?? 0) * 256 + (bytes[end + 1] ?? 0)
  }
  return bytes.subarray(0, end)
}
