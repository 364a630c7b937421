/**
 * RFC 6962 §2.1 as it is written: the reference the tree is compared with.
 */
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
