/**
 * RFC 6962 §2.1 as it is written, and the C2SP tlog-tiles over it: the reference the tree is compared with.
 */
import { concat } from "@rainlogs/verify/Bytes"
import { encodeEntryBundle } from "@rainlogs/verify/Tile"
import { createHash } from "node:crypto"

/** MTH(D[n]) over leaf hashes. */
export const naiveRoot = (leaves: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [only] = leaves
  if (only === undefined) return new Uint8Array(createHash("sha256").digest())
  if (leaves.length === 1) return only
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  const hash = createHash("sha256").update(Uint8Array.of(1))
  return new Uint8Array(hash.update(naiveRoot(leaves.slice(0, split))).update(naiveRoot(leaves.slice(split))).digest())
}

/** Every tile and entry bundle of the leaves by path (fewer than 256 000 of a level), and how many levels there are. */
export const naiveTiles = (leaves: ReadonlyArray<Uint8Array>, entries: ReadonlyArray<Uint8Array>) => {
  const files = new Map<string, Uint8Array>()
  let [row, levels] = [leaves, 0]
  while (row.length > 0) {
    const above: Array<Uint8Array> = []
    for (let start = 0; start < row.length; start += 256) {
      const tile = row.slice(start, start + 256)
      const name = `${String(start / 256).padStart(3, "0")}${tile.length < 256 ? `.p/${tile.length}` : ""}`
      files.set(`tile/${levels}/${name}`, concat(...tile))
      if (levels === 0) files.set(`tile/entries/${name}`, encodeEntryBundle(entries.slice(start, start + 256)))
      if (tile.length === 256) above.push(naiveRoot(tile))
    }
    ;[row, levels] = [above, levels + 1]
  }
  return { files, levels }
}
