/**
 * What a path below a ledger's directory names (ledger format §4), and how large such a file may be. Strict: a path is
 * exactly what the writer prints, or it is none.
 */
import { parseReceiptPath, type ReceiptPath } from "./Anchored.ts"
import { parseTilePath, type TilePath, tileWidth } from "./Tile.ts"

/** One path of the layout. */
export type LedgerPath =
  | { readonly kind: "checkpoint" }
  | { readonly kind: "archived-checkpoint"; readonly size: number }
  | { readonly kind: "tile"; readonly tile: TilePath }
  | { readonly kind: "document"; readonly hash: string }
  | { readonly kind: "receipt"; readonly receipt: ReceiptPath }

const archivedCheckpoint = /^checkpoint\.d\/([0-9]{20})$/
const document = /^event\/([0-9a-f]{64})$/

/** Reads a path relative to the ledger's directory; null when the layout does not know it. */
export const parseLedgerPath = (path: string): LedgerPath | null => {
  if (path === "checkpoint") return { kind: "checkpoint" }
  const size = Number(archivedCheckpoint.exec(path)?.[1] ?? Number.NaN)
  if (Number.isSafeInteger(size)) return { kind: "archived-checkpoint", size }
  const hash = document.exec(path)?.[1]
  if (hash !== undefined) return { kind: "document", hash }
  const tile = parseTilePath(path)
  if (tile !== null) return { kind: "tile", tile }
  const receipt = parseReceiptPath(path)
  return receipt === null ? null : { kind: "receipt", receipt }
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
