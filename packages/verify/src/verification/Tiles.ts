/**
 * Recomputes every hash tile from the entries and compares every stored one, full or partial, at every level.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import { tileHeight, tilePath, tileWidth } from "../Tile.ts"
import type { Findings } from "./Findings.ts"
import type { LedgerFiles } from "./LedgerFiles.ts"

const hashBytes = 32

interface Level {
  index: number
  width: number
  hashes: Uint8Array
}

interface ComputedTile {
  readonly level: number
  readonly index: number
  readonly hashes: Uint8Array
}

/** A leaf whose stored hash differs from its entry's. */
export interface LeafDifference {
  readonly leaf: number
  readonly key: string
}

/**
 * Takes every complete subtree of the tree as it grows ({@link Tiles.onNode}) and checks the tiles they fill.
 * Differences in leaf hashes are kept apart: whether the tile or the entry is wrong is known only with the root.
 */
export class Tiles {
  readonly #reader: ArchiveReader
  readonly #files: LedgerFiles
  readonly #findings: Findings
  readonly #levels: Array<Level> = []
  #full: Array<ComputedTile> = []
  #checked = 0

  constructor(source: { readonly reader: ArchiveReader; readonly files: LedgerFiles; readonly findings: Findings }) {
    this.#reader = source.reader
    this.#files = source.files
    this.#findings = source.findings
  }

  /** Stored tiles compared so far. */
  get checked(): number {
    return this.#checked
  }

  /** Takes the hash of a complete subtree; see `CompactRange.append`. */
  readonly onNode = (level: number, _index: number, hash: Uint8Array): void => {
    if (level % tileHeight !== 0) return
    const tileLevel = level / tileHeight
    const state = this.#levels[tileLevel] ??= { index: 0, width: 0, hashes: new Uint8Array(tileWidth * hashBytes) }
    state.hashes.set(hash, state.width * hashBytes)
    state.width += 1
    if (state.width < tileWidth) return
    this.#full.push({ level: tileLevel, index: state.index, hashes: state.hashes })
    this.#levels[tileLevel] = { index: state.index + 1, width: 0, hashes: new Uint8Array(tileWidth * hashBytes) }
  }

  /** Checks the tiles filled since the last call. */
  async checkFull(): Promise<Array<LeafDifference>> {
    const full = this.#full
    this.#full = []
    return this.#checkAll(full)
  }

  /** Checks the unfilled tiles at the right edge, once all entries are in. */
  async checkPartial(): Promise<Array<LeafDifference>> {
    const partial = this.#levels.flatMap(({ index, width, hashes }, level): Array<ComputedTile> =>
      width === 0 ? [] : [{ level, index, hashes: hashes.subarray(0, width * hashBytes) }]
    )
    return this.#checkAll(partial)
  }

  async #checkAll(tiles: ReadonlyArray<ComputedTile>): Promise<Array<LeafDifference>> {
    const differences: Array<LeafDifference> = []
    for (const tile of tiles) differences.push(...await this.#check(tile))
    return differences
  }

  async #check(tile: ComputedTile): Promise<Array<LeafDifference>> {
    const { level, index, hashes } = tile
    const known = hashes.length / hashBytes
    let stored = this.#files.widths(level, index)
    const needed = [...stored.keys()].find((width) => width >= known)
    // A writer may have removed a partial tile since it was listed, but only after a wider one was there.
    if (needed === undefined || (needed < tileWidth && await this.#isGone(tile, needed, stored.get(needed) ?? 0))) {
      stored = await this.#files.relist(level, index)
    }
    if (![...stored.keys()].some((width) => width >= known)) {
      const detail = "a tile that the signed head needs is not stored"
      this.#findings.add({ code: "TILE_MISSING", detail, key: this.#key(tile, known) })
    }
    const differences: Array<LeafDifference> = []
    for (const [width, size] of stored) differences.push(...await this.#compare(tile, width, size))
    return differences
  }

  // Asked only of a tile of the right size: another one is wrong, whether it is still there or not.
  async #isGone(tile: ComputedTile, width: number, size: number): Promise<boolean> {
    return size === width * hashBytes && await this.#reader.read(this.#key(tile, width)) === null
  }

  async #compare(tile: ComputedTile, width: number, size: number): Promise<Array<LeafDifference>> {
    const { level, index, hashes } = tile
    const key = this.#key(tile, width)
    const bytes = size === width * hashBytes ? await this.#reader.read(key) : new Uint8Array(0)
    if (bytes === null) return []
    this.#checked += 1
    if (bytes.length !== width * hashBytes) {
      const detail = `a tile of ${width} hashes has ${size} bytes, expected ${width * hashBytes}`
      this.#findings.add({ code: "TILE_MISMATCH", detail, key })
      return []
    }
    const different = differingHashes(bytes, hashes)
    if (level === 0) return different.map((at) => ({ leaf: index * tileWidth + at, key }))
    if (different.length > 0) {
      const detail = `${different.length} hashes of the tile differ from the entries below it`
      this.#findings.add({ code: "TILE_MISMATCH", detail, key })
    }
    return []
  }

  #key({ level, index }: ComputedTile, width: number): string {
    return `${this.#files.prefix}/${tilePath(level, index, width)}`
  }
}

// Positions of the hashes that differ, as far as both go.
const differingHashes = (stored: Uint8Array, computed: Uint8Array): Array<number> => {
  const positions: Array<number> = []
  for (let at = 0; at < Math.min(stored.length, computed.length); at++) {
    const position = Math.floor(at / hashBytes)
    if (stored[at] !== computed[at] && positions.at(-1) !== position) positions.push(position)
  }
  return positions
}
