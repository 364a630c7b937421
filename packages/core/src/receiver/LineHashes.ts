/**
 * The hashes of the lines of a batch that the sender may not know to be stored: when it sends its records again, cut into
 * other batches, they are recognised line by line. 16 bytes of SHA-256 each, sorted.
 */
import { createHash } from "node:crypto"

/** Bytes kept of a line's SHA-256. */
export const lineHashBytes = 16

/** The hash of a line, without its LF. */
export const lineHash = (line: Uint8Array): Buffer =>
  createHash("sha256").update(line).digest().subarray(0, lineHashBytes)

/** Sorts hashes and puts them into one buffer. */
export const packHashes = (hashes: Array<Buffer>): Buffer => Buffer.concat(hashes.sort(Buffer.compare))

/** Whether a packed set holds a hash. */
export const holds = (packed: Buffer, hash: Buffer): boolean => {
  let [low, high] = [0, packed.length / lineHashBytes]
  while (low < high) {
    const middle = (low + high) >>> 1
    const order = packed.compare(hash, 0, lineHashBytes, middle * lineHashBytes, (middle + 1) * lineHashBytes)
    if (order === 0) return true
    if (order < 0) low = middle + 1
    else high = middle
  }
  return false
}
