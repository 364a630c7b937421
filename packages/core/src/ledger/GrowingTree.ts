/**
 * The right edge of a ledger's Merkle tree in memory, and the C2SP tlog-tiles files that appending to it makes:
 * hash tiles of 256 × 32 bytes at each level and entry bundles. Holds one partial tile per level and one bundle.
 */
import { concat } from "@rainlogs/verify/Bytes"
import { CompactRange, nodeHash } from "@rainlogs/verify/Merkle"
import { encodeEntryBundle, entriesPath, tileHeight, tilePath, tileWidth } from "@rainlogs/verify/Tile"

/** A file of the tree: its path below the ledger's directory, and its bytes. */
export interface TileFile {
  readonly path: string
  readonly bytes: Uint8Array
}

/** The partial tile at the right edge of each level, as lists of hashes; empty where the last tile is full. */
export type RightEdge = ReadonlyArray<ReadonlyArray<Uint8Array>>

/** How many hashes the last tile of a level holds, 0 if it is full, and which tile that is. */
export interface EdgeTile {
  readonly level: number
  readonly index: number
  readonly width: number
}

/** The last, not yet full tile of every level of a tree of `size` leaves. */
export const edgeTiles = (size: number): Array<EdgeTile> => {
  const tiles: Array<EdgeTile> = []
  for (let level = 0, hashes = size; hashes > 0; level += 1, hashes = Math.floor(hashes / tileWidth)) {
    tiles.push({ level, index: Math.floor(hashes / tileWidth), width: hashes % tileWidth })
  }
  return tiles
}

/** The paths of all partial files of a tree of `size` leaves. */
export const partialPaths = (size: number): Array<string> =>
  edgeTiles(size).filter(({ width }) => width > 0).flatMap(({ index, level, width }) =>
    level === 0 ? [tilePath(0, index, width), entriesPath(index, width)] : [tilePath(level, index, width)]
  )

/** The root over a power of two of hashes. */
export const foldHashes = (hashes: ReadonlyArray<Uint8Array>): Uint8Array => {
  let row = [...hashes]
  while (row.length > 1) {
    const above: Array<Uint8Array> = []
    for (let i = 0; i + 1 < row.length; i += 2) above.push(nodeHash(row[i]!, row[i + 1]!))
    row = above
  }
  const [root] = row
  if (root === undefined) throw new RangeError("no hashes to fold")
  return root
}

// The complete subtrees that the partial tiles are made of, largest first: the bits of the size, from the top.
const rangeOf = (size: number, edge: RightEdge): CompactRange => {
  const nodes: Array<Uint8Array> = []
  for (const tile of edge.toReversed()) {
    let offset = 0
    for (let width = tileWidth / 2; width >= 1; width /= 2) {
      if ((tile.length & width) === 0) continue
      nodes.push(foldHashes(tile.slice(offset, offset + width)))
      offset += width
    }
  }
  return CompactRange.from(size, nodes)
}

/** A tree that grows at its right edge. */
export class GrowingTree {
  readonly #range: CompactRange
  readonly #levels: Array<Array<Uint8Array>>
  #entries: Array<Uint8Array>
  #full: Array<TileFile> = []

  /**
   * A tree of `size` leaves: `edge` has the hashes of its partial tiles by level, `entries` the entries of its partial
   * bundle. Throws a RangeError if they do not fit the size.
   */
  constructor(size: number, edge: RightEdge, entries: ReadonlyArray<Uint8Array>) {
    if (
      entries.length !== size % tileWidth || edge.some((tile, level) => tile.length !== edgeTiles(size)[level]?.width)
    ) {
      throw new RangeError(`the right edge does not fit a tree of ${size} leaves`)
    }
    this.#range = rangeOf(size, edge)
    this.#levels = edge.map((tile) => [...tile])
    this.#entries = [...entries]
  }

  /** Number of leaves. */
  get size(): number {
    return this.#range.size
  }

  /** The root of the tree (32 bytes). */
  root(): Uint8Array {
    return this.#range.root()
  }

  /** Adds an entry and its leaf hash. */
  append(entry: Uint8Array, leaf: Uint8Array): void {
    const index = Math.floor(this.size / tileWidth)
    this.#entries.push(entry)
    if (this.#entries.length === tileWidth) {
      this.#full.push({ path: entriesPath(index), bytes: encodeEntryBundle(this.#entries) })
      this.#entries = []
    }
    this.#range.append(leaf, (height, node, hash) => {
      if (height % tileHeight === 0) this.#place(height / tileHeight, node, hash)
    })
  }

  #place(level: number, node: number, hash: Uint8Array): void {
    const tile = this.#levels[level] ?? []
    tile.push(hash)
    if (tile.length === tileWidth) {
      this.#full.push({ path: tilePath(level, Math.floor(node / tileWidth)), bytes: concat(...tile) })
      tile.length = 0
    }
    this.#levels[level] = tile
  }

  /** The full tiles and bundles completed since the last call. */
  takeFull(): ReadonlyArray<TileFile> {
    const full = this.#full
    this.#full = []
    return full
  }

  /** The partial tiles and the partial bundle at the right edge. */
  partial(): ReadonlyArray<TileFile> {
    return edgeTiles(this.size).filter(({ width }) => width > 0).flatMap(({ index, level, width }): Array<TileFile> => {
      const tile = { path: tilePath(level, index, width), bytes: concat(...this.#levels[level] ?? []) }
      return level > 0
        ? [tile]
        : [tile, { path: entriesPath(index, width), bytes: encodeEntryBundle(this.#entries) }]
    })
  }
}
