/**
 * Opens a bundle file (Node, Bun, Deno).
 */
import { createHash } from "node:crypto"
import { open } from "node:fs/promises"
import type { ByteSource } from "../bundle/BundleZip.ts"
import type { IncrementalSha256 } from "../bundle/OpenBundle.ts"

/** A SHA-256 of the platform. */
export const newHash = (): IncrementalSha256 => {
  const hash = createHash("sha256")
  return {
    update: (bytes) => {
      hash.update(bytes)
    },
    digest: () => new Uint8Array(hash.digest())
  }
}

/** Runs `use` with the bytes of a file; rejects with the system's error when it cannot be read. */
export const withBundleFile = async <Value>(
  path: string,
  use: (source: ByteSource) => Promise<Value>
): Promise<Value> => {
  const file = await open(path, "r")
  try {
    const { size } = await file.stat()
    return await use({
      size,
      read: async (offset, length) => {
        const bytes = new Uint8Array(length)
        for (let at = 0; at < length;) {
          const { bytesRead } = await file.read(bytes, at, length - at, offset + at)
          if (bytesRead === 0) throw new Error(`${path} ends at ${offset + at}, ${length - at} bytes are missing`)
          at += bytesRead
        }
        return bytes
      }
    })
  } finally {
    await file.close()
  }
}
