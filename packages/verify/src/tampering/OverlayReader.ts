/**
 * An archive with changes over it that are kept in memory: what is under it is only ever read.
 */
import type { ArchiveReader, ObjectDigest } from "../ArchiveReader.ts"
import { sha256 } from "../Hash.ts"
import * as Hex from "../Hex.ts"

/** Changed files by key: their bytes, or null where the file is taken away. */
export type Changes = ReadonlyMap<string, Uint8Array | null>

/** The archive with the changes over it. */
export const overlay = (base: ArchiveReader, changes: Changes): ArchiveReader => ({
  list: async function*(prefix) {
    for (const [key, bytes] of changes) {
      if (bytes !== null && key.startsWith(prefix)) yield { key, size: bytes.length }
    }
    for await (const file of base.list(prefix)) if (!changes.has(file.key)) yield file
  },
  read: (key) => {
    const bytes = changes.get(key)
    return bytes === undefined ? base.read(key) : Promise.resolve(bytes)
  },
  hash: (key, options) => {
    const bytes = changes.get(key)
    if (bytes === undefined) return base.hash(key, options)
    if (bytes === null) return Promise.resolve(null)
    const { maxBytes = Number.POSITIVE_INFINITY, onBytes } = options ?? {}
    onBytes?.(bytes.length)
    return Promise.resolve({
      size: bytes.length,
      sha256: bytes.length > maxBytes ? null : Hex.encode(sha256(bytes))
    })
  }
})

/**
 * Hashes every object once, however often the archive is verified: some 300 bytes of memory an object, and true only as
 * long as nobody else writes to the archive.
 */
export const hashingOnce = (base: ArchiveReader): ArchiveReader => {
  const known = new Map<string, ObjectDigest>()
  return {
    list: base.list,
    read: base.read,
    hash: async (key, options) => {
      const digest = known.get(key)
      if (digest !== undefined) return digest
      const found = await base.hash(key, options)
      // A digest that was not made, because the file was larger than asked for, may be asked for again.
      if (found !== null && found.sha256 !== null) known.set(key, found)
      return found
    }
  }
}
