/**
 * An archive in memory, for archives that are built and changed in a process.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import { sha256 } from "../Hash.ts"
import * as Hex from "../Hex.ts"

/** Keys relative to the archive's root, and their bytes. */
export type ArchiveFiles = Map<string, Uint8Array>

/** A reader of files in memory. */
export const memoryReader = (files: ArchiveFiles): ArchiveReader => ({
  list: async function*(prefix) {
    for (const [key, bytes] of files) if (key.startsWith(prefix)) yield { key, size: bytes.length }
  },
  read: (key) => Promise.resolve(files.get(key) ?? null),
  hash: (key, { onBytes } = {}) => {
    const bytes = files.get(key)
    if (bytes === undefined) return Promise.resolve(null)
    onBytes?.(bytes.length)
    return Promise.resolve({ size: bytes.length, sha256: Hex.encode(sha256(bytes)) })
  }
})
