/**
 * C2SP chunked encryption with SHA-512 and AES-256-GCM (ledger format §7), the reading side: whether a data key is the
 * one an object was encrypted with, and its plaintext chunk by chunk (WebCrypto).
 */
import { encode } from "./Ascii.ts"
import * as Bytes from "./Bytes.ts"
import { MalformedError } from "./Malformed.ts"

const format = "chunked encryption"
const name = new TextEncoder().encode("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0")

/** Bytes before the first chunk: salt (24) and key commitment (32). */
export const headerBytes = 56
/** Stored bytes of a full chunk: 16 384 of plaintext and the tag. */
export const storedChunkBytes = 16_400

/** What a data key (32 bytes) gives for one object. */
export interface ChunkKeys {
  readonly key: Uint8Array<ArrayBuffer>
  readonly nonce: Uint8Array
  readonly commitment: Uint8Array
}

/** Derives the chunk key, base nonce and commitment (HKDF-Expand, RFC 5869 §2.3); `context` is the job id. */
export const deriveChunkKeys = async (dataKey: Uint8Array, salt: Uint8Array, context: string): Promise<ChunkKeys> => {
  if (dataKey.length !== 32) throw new MalformedError(format, `a data key of ${dataKey.length} bytes, expected 32`)
  // HKDF-Expand by hand: WebCrypto's HKDF always extracts first, and here the data key is the PRK.
  const algorithm = { name: "HMAC", hash: "SHA-512" }
  const key = await crypto.subtle.importKey("raw", new Uint8Array(dataKey), algorithm, false, ["sign"])
  const hmac = async (...parts: ReadonlyArray<Uint8Array>) =>
    new Uint8Array(await crypto.subtle.sign("HMAC", key, new Uint8Array(Bytes.concat(...parts))))
  const info = Bytes.concat(name, salt, encode(context))
  const first = await hmac(info, Uint8Array.of(1))
  const output = Bytes.concat(first, await hmac(first, info, Uint8Array.of(2)))
  return { key: new Uint8Array(output.subarray(0, 32)), nonce: output.slice(32, 44), commitment: output.slice(44, 76) }
}

/** The keys of an object from its first 56 bytes, or null when they commit to another data key. */
export const openHeader = async (
  header: Uint8Array,
  dataKey: Uint8Array,
  context: string
): Promise<ChunkKeys | null> => {
  if (header.length < headerBytes) throw new MalformedError(format, `${header.length} bytes, the header has 56`)
  const keys = await deriveChunkKeys(dataKey, header.subarray(0, 24), context)
  return Bytes.equal(keys.commitment, header.subarray(24, headerBytes)) ? keys : null
}

// The base nonce XOR the 12-byte big-endian chunk number.
const nonceOf = (base: Uint8Array, chunk: number): Uint8Array<ArrayBuffer> => {
  const nonce = new Uint8Array(base)
  const view = new DataView(nonce.buffer)
  view.setUint32(4, (view.getUint32(4) ^ Math.floor(chunk / 2 ** 32)) >>> 0)
  view.setUint32(8, (view.getUint32(8) ^ (chunk >>> 0)) >>> 0)
  return nonce
}

/**
 * The plaintext of a whole object, a chunk at a time; throws {@link MalformedError} when a chunk is not authentic, or
 * the last one is not shorter than the others (the object was cut).
 */
export async function* decryptChunks(object: Uint8Array, keys: ChunkKeys): AsyncGenerator<Uint8Array> {
  const key = await crypto.subtle.importKey("raw", keys.key, "AES-GCM", false, ["decrypt"])
  let chunk = 0
  for (let at = headerBytes;; at += storedChunkBytes, chunk++) {
    const stored = new Uint8Array(object.subarray(at, at + storedChunkBytes))
    if (stored.length < 16) throw new MalformedError(format, `the object is cut at chunk ${chunk}`)
    let plain: ArrayBuffer
    try {
      plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv: nonceOf(keys.nonce, chunk) }, key, stored)
    } catch {
      throw new MalformedError(format, `chunk ${chunk} is not authentic`)
    }
    yield new Uint8Array(plain)
    if (stored.length < storedChunkBytes) return
  }
}
