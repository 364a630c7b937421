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

/** Reads nodes of the tree of `size` leaves; rejects with {@link TileMissingError}. */
export const tileNodes = (reader: Pick<ArchiveReader, "read">, origin: string, size: number): ReadNode => {
  const tiles = new Map<string, Promise<Uint8Array>>()

  const readTile = async (level: number, index: number): Promise<Uint8Array> => {
    const hashes = Math.floor(size / tileWidth ** level)
    const width = Math.min(tileWidth, hashes - index * tileWidth)
    if (width < 1) throw new MalformedError("tile", `there is no tile ${level}/${index} in a tree of ${size}`)
    for (const stored of widthsFrom(width)) {
      const bytes = await reader.read(ledgerKey(origin, tilePath(level, index, stored)))
      if (bytes !== null && bytes.length >= width * 32) return bytes
    }
    const key = ledgerKey(origin, tilePath(level, index, width))
    throw new TileMissingError(`${key}: the tile of ${width} hashes is missing or too short`)
  }

  const tile = (level: number, index: number): Promise<Uint8Array> => {
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
    const span = 2 ** (level % tileHeight)
    const first = index * span
    const bytes = await tile(tileLevel, Math.floor(first / tileWidth))
    const at = first % tileWidth
    let hashes = Array.from({ length: span }, (_, offset) => bytes.subarray((at + offset) * 32, (at + offset + 1) * 32))
    while (hashes.length > 1) {
      hashes = Array.from(
        { length: hashes.length / 2 },
        (_, pair) => nodeHash(hashes[2 * pair] ?? bytes, hashes[2 * pair + 1] ?? bytes)
      )
    }
    const [hash] = hashes
    if (hash === undefined || hash.length !== 32) {
      throw new TileMissingError(`node ${level}/${index} is not in its tile`)
    }
    return hash
  }
}
