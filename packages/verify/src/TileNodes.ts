/**
 * Reads the nodes of a ledger's Merkle tree from its stored tiles (C2SP tlog-tiles), for proofs at one tree size.
 * Nothing that is read is believed: a proof made of it must lead to a signed root.
 */
import type { ArchiveReader } from "./ArchiveReader.ts"
import { ledgerKey } from "./Layout.ts"
import { MalformedError } from "./Malformed.ts"
import { nodeHash } from "./MerkleHash.ts"
import type { ReadNode } from "./MerkleProof.ts"
import { tileHeight, tilePath, tileWidth } from "./Tile.ts"

// Tiles kept: a proof reads at most a few per level.
const cached = 64

/** Widths under which a tile of at least `width` hashes may be stored, likeliest first: a publication may have widened it. */
export function* widthsFrom(width: number): Generator<number> {
  yield width
  if (width < tileWidth) yield tileWidth
  for (let wider = width + 1; wider < tileWidth; wider++) yield wider
}

/** A tile that the tree size implies is not there, or not of its size. */
export class TileMissingError extends Error {
  override readonly name = "TileMissingError"
}

/** The nodes within a tile, level by level: each level is half as many hashes, computed when it is first asked for. */
class TilePyramid {
  readonly #levels: Array<Uint8Array>

  constructor(bytes: Uint8Array) {
    this.#levels = [bytes]
  }

  /** The node `index` of a level from 0, the tile's own hashes; undefined if it is not whole. */
  node(level: number, index: number): Uint8Array | undefined {
    const hashes = this.#level(level)
    return index < hashes.length / 32 ? hashes.subarray(index * 32, (index + 1) * 32) : undefined
  }

  #level(level: number): Uint8Array {
    const known = this.#levels[level]
    if (known !== undefined) return known
    const below = this.#level(level - 1)
    const hashes = new Uint8Array(Math.floor(below.length / 64) * 32)
    for (let at = 0; at < hashes.length; at += 32) {
      hashes.set(nodeHash(below.subarray(2 * at, 2 * at + 32), below.subarray(2 * at + 32, 2 * at + 64)), at)
    }
    this.#levels[level] = hashes
    return hashes
  }
}

/** Reads nodes of the tree of `size` leaves; rejects with {@link TileMissingError}. */
export const tileNodes = (reader: Pick<ArchiveReader, "read">, origin: string, size: number): ReadNode => {
  const tiles = new Map<string, Promise<TilePyramid>>()

  const readTile = async (level: number, index: number): Promise<TilePyramid> => {
    const hashes = Math.floor(size / tileWidth ** level)
    const width = Math.min(tileWidth, hashes - index * tileWidth)
    if (width < 1) throw new MalformedError("tile", `there is no tile ${level}/${index} in a tree of ${size}`)
    for (const stored of widthsFrom(width)) {
      const bytes = await reader.read(ledgerKey(origin, tilePath(level, index, stored)))
      if (bytes !== null && bytes.length >= width * 32) return new TilePyramid(bytes)
    }
    const key = ledgerKey(origin, tilePath(level, index, width))
    throw new TileMissingError(`${key}: the tile of ${width} hashes is missing or too short`)
  }

  const tile = (level: number, index: number): Promise<TilePyramid> => {
    const name = `${level}/${index}`
    const known = tiles.get(name)
    if (known !== undefined) return known
    if (tiles.size >= cached) tiles.clear()
    const read = readTile(level, index)
    tiles.set(name, read)
    return read
  }

  return async (level, index) => {
    const tileLevel = Math.floor(level / tileHeight)
    const within = level % tileHeight
    const perTile = tileWidth / 2 ** within
    const hash = (await tile(tileLevel, Math.floor(index / perTile))).node(within, index % perTile)
    if (hash === undefined) throw new TileMissingError(`node ${level}/${index} is not in its tile`)
    return hash
  }
}
