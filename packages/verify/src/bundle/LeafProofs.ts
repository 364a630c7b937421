/**
 * The proofs of a bundle's entries, made when they are asked for: an entry's bytes are read again from its bundle, the
 * hashes from the tiles.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import { inclusionProof } from "../Merkle.ts"
import type { Note } from "../Note.ts"
import { parseEntryBundle, tileWidth } from "../Tile.ts"
import { tileNodes } from "../TileNodes.ts"
import { printTlogProof } from "../TlogProof.ts"
import { readEntries } from "./LedgerFiles.ts"

/** Entry bundles kept: proofs sorted by name go through one run of leaves for each length of a sequence number. */
const cached = 16

/** Makes the function that prints the proof of a leaf in the tree of `size` entries under `checkpoint`. */
export const leafProofs = (
  reader: ArchiveReader,
  origin: string,
  size: number,
  checkpoint: Note
): (leaf: number) => Promise<Uint8Array> => {
  const nodes = tileNodes(reader, origin, size)
  const bundles = new Map<number, Promise<ReadonlyArray<Uint8Array>>>()

  const entriesOf = (index: number): Promise<ReadonlyArray<Uint8Array>> => {
    const known = bundles.get(index)
    if (known !== undefined) {
      // The least recently used is the first.
      bundles.delete(index)
      bundles.set(index, known)
      return known
    }
    const width = Math.min(tileWidth, size - index * tileWidth)
    const read = readEntries(reader, origin, index, width).then((bytes) => parseEntryBundle(bytes, width))
    if (bundles.size >= cached) {
      const [oldest] = bundles.keys()
      if (oldest !== undefined) bundles.delete(oldest)
    }
    bundles.set(index, read)
    return read
  }

  return async (leaf) => {
    const extra = (await entriesOf(Math.floor(leaf / tileWidth)))[leaf % tileWidth]
    if (extra === undefined) throw new RangeError(`there is no leaf ${leaf} in a tree of ${size}`)
    return printTlogProof({ extra, index: leaf, hashes: await inclusionProof(nodes, leaf, size), checkpoint })
  }
}
