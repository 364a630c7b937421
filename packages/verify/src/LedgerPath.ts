/**
 * What a path below a ledger's directory names (ledger format §4), and how large such a file may be. Strict: a path is
 * exactly what the writer prints, or it is none.
 */
import { parseReceiptPath } from "./Anchored.ts"
import { parseCheckpointArchivePath, parseEventPath } from "./Layout.ts"
import { parseTilePath, type TilePath, tileWidth } from "./Tile.ts"

/** One path of the layout. */
export type LedgerPath =
  | { readonly kind: "checkpoint" }
  | { readonly kind: "archived-checkpoint"; readonly size: number }
  | { readonly kind: "tile"; readonly tile: TilePath }
  | { readonly kind: "document"; readonly hash: string }
  | { readonly kind: "receipt" }

/** Reads a path relative to the ledger's directory; null when the layout does not know it. */
export const parseLedgerPath = (path: string): LedgerPath | null => {
  if (path === "checkpoint") return { kind: "checkpoint" }
  const size = parseCheckpointArchivePath(path)
  if (size !== null) return { kind: "archived-checkpoint", size }
  const hash = parseEventPath(path)
  if (hash !== null) return { kind: "document", hash }
  const tile = parseTilePath(path)
  if (tile !== null) return { kind: "tile", tile }
  return parseReceiptPath(path) === null ? null : { kind: "receipt" }
}

/** The largest size in bytes that the verifier reads a file of this kind at. */
export const largestBytes = (path: LedgerPath): number => {
  switch (path.kind) {
    case "checkpoint":
    case "archived-checkpoint":
    case "receipt":
      return 1_000_000
    case "document":
      return 16 * 1024 * 1024
    case "tile":
      return path.tile.level === "entries" ? tileWidth * (2 + 65_535) : path.tile.width * 32
  }
}

/** Whether the bytes below this path never change and never go: all but the served checkpoint and partial tiles. */
export const isPermanent = (path: LedgerPath): boolean =>
  path.kind !== "checkpoint" && (path.kind !== "tile" || path.tile.width === tileWidth)
