/**
 * An archive in memory, for tests that change single bytes many thousand times.
 */
import type { ArchiveReader } from "../src/ArchiveReader.ts"
import { sha256 } from "../src/Hash.ts"
import * as Hex from "../src/Hex.ts"

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
