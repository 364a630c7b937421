/**
 * SHA-256 in a browser: by WebCrypto for what fits into a bounded buffer, in JavaScript for what does not.
 */
import { sha256 } from "@noble/hashes/sha2.js"
import type { IncrementalSha256 } from "../bundle/OpenBundle.ts"
import * as Bytes from "../Bytes.ts"

/** Bytes that are held until WebCrypto hashes them at once; larger inputs are hashed as they come. */
export const bufferedBytes = 64 * 1024 * 1024

/** Begins a SHA-256. */
export const newHash = (): IncrementalSha256 => {
  let parts: Array<Uint8Array> = []
  let buffered = 0
  let streaming: ReturnType<typeof sha256.create> | null = null
  return {
    update: (bytes) => {
      if (streaming !== null) {
        streaming.update(bytes)
        return
      }
      parts.push(bytes)
      buffered += bytes.length
      if (buffered <= bufferedBytes) return
      streaming = sha256.create()
      for (const part of parts) streaming.update(part)
      parts = []
    },
    digest: async () =>
      streaming === null
        ? new Uint8Array(await crypto.subtle.digest("SHA-256", Bytes.concat(...parts)))
        : streaming.digest()
  }
}
