/**
 * Puts an archive that was built in memory into a bundle, the way the appliance does: the ledger at its published size
 * and the objects of some windows.
 */
import { encode as ascii } from "../Ascii.ts"
import { printBundleScope } from "../bundle/BundleScope.ts"
import { bundleNames } from "../bundle/OpenBundle.ts"
import { printEntry } from "../Entry.ts"
import { checkpointKey } from "../Layout.ts"
import { inclusionProof } from "../Merkle.ts"
import { parseNote } from "../Note.ts"
import { tileNodes } from "../TileNodes.ts"
import { printTlogProof } from "../TlogProof.ts"
import { type ArchiveBuilder, origin, zone } from "./ArchiveBuilder.ts"
import { memoryReader } from "./MemoryReader.ts"

/** The members of a bundle of the zone's windows that intersect `[from, to)` (ms), without the manifest. */
export const bundleMembers = async (
  builder: ArchiveBuilder,
  from: number,
  to: number,
  disclosed: ReadonlyMap<string, Uint8Array> = new Map()
): Promise<Map<string, Uint8Array>> => {
  const members = new Map<string, Uint8Array>()
  const size = builder.entries.length
  const scope = { origin, chain: zone, from, to, size, disclosed: disclosed.size > 0 }
  members.set(bundleNames.scope, ascii(printBundleScope(scope)))
  members.set("README.en.txt", ascii("See the documentation.\n"))
  for (const [key, bytes] of builder.files) {
    if (!key.startsWith("logs/")) members.set(`${bundleNames.archive}${key}`, bytes)
  }
  const served = builder.files.get(checkpointKey(origin))
  if (served === undefined) throw new Error("nothing is published")
  const read = tileNodes(memoryReader(builder.files), origin, size)
  for (const [index, entry] of builder.entries.entries()) {
    if (entry.kind !== "object" || entry.window.from >= to || entry.window.to <= from) continue
    const object = entry.key === null ? undefined : builder.files.get(entry.key)
    if (entry.key !== null && object !== undefined) members.set(`${bundleNames.archive}${entry.key}`, object)
    const hashes = await inclusionProof(read, index, size)
    const proof = printTlogProof({ extra: printEntry(entry), index, hashes, checkpoint: parseNote(served) })
    members.set(`${bundleNames.proofs}${entry.chain}/${entry.seq}.tlog-proof`, proof)
  }
  for (const [job, key] of disclosed) {
    const hex = [...key].map((byte) => byte.toString(16).padStart(2, "0")).join("")
    members.set(`${bundleNames.disclosed}${job}.key`, ascii(`${hex}\n`))
  }
  return members
}
