/**
 * The name of a batch on disk: when it was received, its place among others of that moment, and its content's SHA-256.
 * Names sort by the time of receipt.
 */

/** A batch in the spool. */
export interface BatchFile {
  /** When it was received, Unix ms on the receiver's own clock, which never goes back. */
  readonly receivedAt: number
  /** SHA-256 of the content, hexadecimal. */
  readonly sha256: string
  readonly encoding: "gzip" | "identity"
  readonly name: string
}

const pattern = /^(\d{14})-(\d{6})-([0-9a-f]{64})\.(gz|ndjson)$/

/** The name of a batch; `number` tells batches of one millisecond apart. */
export const nameOf = (batch: Omit<BatchFile, "name">, number: number): string =>
  `${String(batch.receivedAt).padStart(14, "0")}-${String(number).padStart(6, "0")}-${batch.sha256}.${
    batch.encoding === "gzip" ? "gz" : "ndjson"
  }`

/** The batch of a name; null for any other file. */
export const parseName = (name: string): BatchFile | null => {
  const [, time, , sha256, extension] = pattern.exec(name) ?? []
  if (time === undefined || sha256 === undefined) return null
  return { receivedAt: Number(time), sha256, encoding: extension === "gz" ? "gzip" : "identity", name }
}
