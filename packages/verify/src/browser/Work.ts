/**
 * How much of a verification is done: entries to replay and bytes of objects to hash.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"

/** Bytes of objects that take as long to hash as one entry takes to replay, about. */
export const entryBytes = 8192

/** Bytes of all objects that the archive holds. */
export const objectBytesOf = async (reader: Pick<ArchiveReader, "list">): Promise<number> => {
  let total = 0
  for await (const { size } of reader.list("logs/")) total += size
  return total
}

/**
 * The share that is done, 0 to 1. Objects that no entry names are counted in the total and never read, so it may jump to
 * the end.
 */
export const shareDone = (work: {
  readonly entries: number
  readonly totalEntries: number
  readonly objectBytes: number
  readonly totalObjectBytes: number
}): number => {
  const total = work.totalEntries * entryBytes + work.totalObjectBytes
  return total === 0 ? 0 : Math.min(1, (work.entries * entryBytes + work.objectBytes) / total)
}
