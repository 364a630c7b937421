/**
 * Files that a person gives to the page: a bundle, read in slices, or a directory with an archive in it.
 */
import { type ArchiveReader, FileTooLargeError } from "../ArchiveReader.ts"
import type { ByteSource } from "../bundle/BundleZip.ts"
import * as Hex from "../Hex.ts"
import { newHash } from "./BrowserSha256.ts"

const maxReadBytes = 32 * 1024 * 1024
const chunkBytes = 1024 * 1024

const slice = async (file: Blob, from: number, length: number): Promise<Uint8Array<ArrayBuffer>> => {
  const bytes = new Uint8Array(await file.slice(from, from + length).arrayBuffer())
  if (bytes.length !== length) throw new Error("the file changed or was removed while it was read")
  return bytes
}

// A read of a file goes through another process of the browser: one of 4 MiB costs little more than one of 4 kB.
const blockBytes = 4 * 1024 * 1024

/** A file as a source of byte ranges, read in blocks of 4 MiB of which the last one is kept. What it gives is not to be changed. */
export const fileSource = (file: Blob): ByteSource => {
  let kept = { from: 0, bytes: new Uint8Array(0) }
  return {
    size: file.size,
    read: async (offset, length) => {
      if (length >= blockBytes) return slice(file, offset, length)
      const within = offset - kept.from
      if (within >= 0 && within + length <= kept.bytes.length) return kept.bytes.subarray(within, within + length)
      // At the end there may be less than a block; less than what was asked for is an error of the read.
      const bytes = await slice(file, offset, Math.max(length, Math.min(blockBytes, file.size - offset)))
      kept = { from: offset, bytes }
      return bytes.subarray(0, length)
    }
  }
}

/** The files of a directory as an archive: `webkitRelativePath` begins with the directory's own name, which is cut off. */
export const directoryReader = (files: Iterable<File>): ArchiveReader => {
  const byKey = new Map([...files].map((file) => [file.webkitRelativePath.replace(/^[^/]*\//, ""), file]))
  return {
    list: async function*(prefix) {
      for (const [key, { size }] of byKey) if (key.startsWith(prefix)) yield { key, size }
    },
    read: async (key) => {
      const file = byKey.get(key)
      if (file === undefined) return null
      if (file.size > maxReadBytes) throw new FileTooLargeError(key, file.size, maxReadBytes)
      return slice(file, 0, file.size)
    },
    hash: async (key, { maxBytes = Number.POSITIVE_INFINITY, onBytes } = {}) => {
      const file = byKey.get(key)
      if (file === undefined) return null
      if (file.size > maxBytes) return { size: file.size, sha256: null }
      const hash = newHash()
      for (let at = 0; at < file.size; at += chunkBytes) {
        const chunk = await slice(file, at, Math.min(chunkBytes, file.size - at))
        hash.update(chunk)
        onBytes?.(chunk.length)
      }
      return { size: file.size, sha256: Hex.encode(await hash.digest()) }
    }
  }
}
