/**
 * Which partial tiles may go: those of checkpoints that were replaced long enough ago. Each published size leaves up to
 * one partial file per level and one bundle; without removal they would outnumber the full tiles by far. Full tiles
 * are never named here.
 */
import { parseTilePath, tileWidth } from "@rainlogs/verify/Tile"
import { partialPaths } from "./GrowingTree.ts"

/** Partial tiles of this many latest checkpoints are kept, however old. */
export const keptCheckpoints = 4

/** Partial tiles are kept this long (ms) after the last checkpoint that needs them: for a reader still at it. */
export const keptMs = 600_000

/** Remembers, for one ledger, when each stored partial tile was last part of the served tree. */
export class PartialTiles {
  readonly #lastNeeded = new Map<string, number>()
  readonly #sizes: Array<number> = []

  /** Learns of a partial tile found in the store at `now` (Unix ms); anything else is ignored. */
  found(path: string, now: number): void {
    const width = parseTilePath(path)?.width ?? tileWidth
    if (width < tileWidth && !this.#lastNeeded.has(path)) this.#lastNeeded.set(path, now)
  }

  /** Learns that the checkpoint of `size` leaves is served from `now` on. */
  served(size: number, now: number): void {
    for (const path of partialPaths(size)) this.#lastNeeded.set(path, now)
    if (this.#sizes.at(-1) === size) return
    this.#sizes.push(size)
    if (this.#sizes.length > keptCheckpoints) this.#sizes.shift()
  }

  /** The partial tiles that nobody needs any more at `now`. */
  expired(now: number): Array<string> {
    const kept = new Set(this.#sizes.flatMap(partialPaths))
    return [...this.#lastNeeded].filter(([path, time]) => time < now - keptMs && !kept.has(path)).map(([path]) => path)
  }

  /** Learns that a partial tile was removed. */
  removed(path: string): void {
    this.#lastNeeded.delete(path)
  }
}
