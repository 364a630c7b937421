/**
 * C2SP chunked encryption with SHA-512 and AES-256-GCM (ledger format §7, https://c2sp.org/chunked-encryption):
 * salt[24] ∥ commitment[32] ∥ chunks. Every plaintext chunk has 16 384 bytes but the last, which is always shorter and
 * may be empty, so a cut at a chunk boundary is seen. Random access by plain offset works.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
  timingSafeEqual
} from "node:crypto"

/** The name of the construction, as ledger entries write it. */
export const chunkedEncryption = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM"

/** Bytes before the first chunk: salt (24) and key commitment (32). */
export const headerBytes = 56
/** Plaintext bytes of a full chunk. */
export const plainChunkBytes = 16_384
/** Stored bytes of a full chunk: plaintext and tag. */
export const storedChunkBytes = plainChunkBytes + 16

const saltBytes = 24
const tagBytes = 16

/** The bytes are not what was encrypted with this key and context, or they were cut. No plaintext of the bad chunk was given out. */
export class NotAuthentic extends Error {
  override readonly name = "NotAuthentic"
  readonly reason: "header" | "commitment" | "chunk" | "cut"
  /** Number of the chunk that failed, from 0; null for the header. */
  readonly chunk: number | null

  constructor(reason: "header" | "commitment" | "chunk" | "cut", chunk: number | null) {
    super(chunk === null ? `chunked encryption: bad ${reason}` : `chunked encryption: bad ${reason} at chunk ${chunk}`)
    this.reason = reason
    this.chunk = chunk
  }
}

interface Derived {
  readonly key: KeyObject
  readonly nonce: Buffer
  readonly commitment: Buffer
}

// HKDF-Expand (RFC 5869 §2.3) alone: node:crypto's hkdf always extracts first, and here the data key is the PRK.
const derive = (dataKey: Uint8Array, salt: Uint8Array, context: Uint8Array): Derived => {
  if (dataKey.length !== 32) throw new RangeError(`a data key has 32 bytes, not ${dataKey.length}`)
  const info = Buffer.concat([Buffer.from(`${chunkedEncryption}\0`, "latin1"), salt, context])
  const first = createHmac("sha512", dataKey).update(info).update(Uint8Array.of(1)).digest()
  const second = createHmac("sha512", dataKey).update(first).update(info).update(Uint8Array.of(2)).digest()
  const output = Buffer.concat([first, second])
  return {
    key: createSecretKey(output.subarray(0, 32)),
    nonce: output.subarray(32, 44),
    commitment: output.subarray(44, 76)
  }
}

// The nonce of a chunk: the base nonce XOR the 12-byte big-endian chunk number.
const nonceOf = (base: Buffer, chunk: number): Buffer => {
  const nonce = Buffer.from(base)
  nonce.writeUInt32BE((nonce.readUInt32BE(4) ^ Math.floor(chunk / 2 ** 32)) >>> 0, 4)
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ (chunk >>> 0)) >>> 0, 8)
  return nonce
}

const authTag = { authTagLength: tagBytes }

const sealChunk = (derived: Derived, chunk: number, plain: Uint8Array, out: Buffer, at: number): number => {
  const cipher = createCipheriv("aes-256-gcm", derived.key, nonceOf(derived.nonce, chunk), authTag)
  out.set(cipher.update(plain), at)
  cipher.final()
  out.set(cipher.getAuthTag(), at + plain.length)
  return at + plain.length + tagBytes
}

const openChunk = (derived: Derived, chunk: number, stored: Uint8Array): Buffer => {
  const decipher = createDecipheriv("aes-256-gcm", derived.key, nonceOf(derived.nonce, chunk), authTag)
  decipher.setAuthTag(stored.subarray(stored.length - tagBytes))
  const plain = decipher.update(stored.subarray(0, stored.length - tagBytes))
  try {
    decipher.final()
  } catch {
    throw new NotAuthentic("chunk", chunk)
  }
  return plain
}

/** Cuts a byte stream into pieces of one size, keeping the rest for the next call. */
class Pieces {
  readonly #size: number
  readonly #rest: Buffer
  #held = 0

  constructor(size: number) {
    this.#size = size
    this.#rest = Buffer.allocUnsafeSlow(size)
  }

  /** Bytes of all whole pieces that `length` more bytes complete. */
  completing(length: number): number {
    return Math.floor((this.#held + length) / this.#size)
  }

  /** Calls `use` with every complete piece, in order; a piece is only valid during the call. */
  push(bytes: Uint8Array, use: (piece: Uint8Array) => void): void {
    let from = 0
    if (this.#held > 0) {
      from = Math.min(this.#size - this.#held, bytes.length)
      this.#rest.set(bytes.subarray(0, from), this.#held)
      this.#held += from
      if (this.#held < this.#size) return
      this.#held = 0
      use(this.#rest)
    }
    for (; bytes.length - from >= this.#size; from += this.#size) use(bytes.subarray(from, from + this.#size))
    this.#rest.set(bytes.subarray(from), 0)
    this.#held = bytes.length - from
  }

  /** What is left, shorter than a piece. */
  rest(): Uint8Array {
    return this.#rest.subarray(0, this.#held)
  }
}

/** Encrypts a stream of plaintext under one data key. Use once; never with the same data key and salt again. */
export class ChunkedEncryptor {
  readonly #derived: Derived
  readonly #pieces = new Pieces(plainChunkBytes)
  #header: Buffer
  #chunk = 0

  /** @param dataKey 32 random bytes. @param context bound into the keys: the job id in ASCII. @param salt 24 random bytes; given only by tests. */
  constructor(dataKey: Uint8Array, context: Uint8Array, salt: Uint8Array = randomBytes(saltBytes)) {
    if (salt.length !== saltBytes) throw new RangeError(`a salt has ${saltBytes} bytes, not ${salt.length}`)
    this.#derived = derive(dataKey, salt, context)
    this.#header = Buffer.concat([salt, this.#derived.commitment])
  }

  /** The stored bytes that are complete after `plain`; the header comes first. */
  update(plain: Uint8Array): Uint8Array {
    const out = Buffer.allocUnsafe(this.#header.length + this.#pieces.completing(plain.length) * storedChunkBytes)
    let at = this.#takeHeader(out)
    this.#pieces.push(plain, (piece) => {
      at = sealChunk(this.#derived, this.#chunk++, piece, out, at)
    })
    return out
  }

  /** The last chunk, 0 to 16 383 bytes of plaintext. */
  final(): Uint8Array {
    const rest = this.#pieces.rest()
    const out = Buffer.allocUnsafe(this.#header.length + rest.length + tagBytes)
    sealChunk(this.#derived, this.#chunk, rest, out, this.#takeHeader(out))
    return out
  }

  #takeHeader(out: Buffer): number {
    const length = this.#header.copy(out)
    this.#header = Buffer.alloc(0)
    return length
  }
}

/**
 * Decrypts a stream of stored bytes. The commitment is checked before any chunk, and no byte of a chunk is given out
 * before its tag is verified. All methods throw {@link NotAuthentic}; whoever stops before {@link final} has not seen the end.
 */
export class ChunkedDecryptor {
  readonly #dataKey: Uint8Array
  readonly #context: Uint8Array
  readonly #pieces = new Pieces(storedChunkBytes)
  #header = Buffer.alloc(0)
  #derived: Derived | undefined
  #chunk: number

  /** @param firstChunk the number of the first chunk fed after the header: 0 for a whole object, more for a range. */
  constructor(dataKey: Uint8Array, context: Uint8Array, firstChunk = 0) {
    this.#dataKey = dataKey
    this.#context = context
    this.#chunk = firstChunk
  }

  /** The plaintext of the chunks that are complete after `stored`. */
  update(stored: Uint8Array): Uint8Array {
    const bytes = this.#derived === undefined ? this.#readHeader(stored) : stored
    const derived = this.#derived
    if (derived === undefined) return new Uint8Array()
    const plain: Array<Buffer> = []
    this.#pieces.push(bytes, (piece) => {
      plain.push(openChunk(derived, this.#chunk++, piece))
    })
    return plain.length === 1 && plain[0] !== undefined ? plain[0] : Buffer.concat(plain)
  }

  /** The plaintext of the last chunk. A missing last chunk is a cut object. */
  final(): Uint8Array {
    if (this.#derived === undefined) throw new NotAuthentic("header", null)
    const rest = this.#pieces.rest()
    if (rest.length < tagBytes) throw new NotAuthentic("cut", this.#chunk)
    return openChunk(this.#derived, this.#chunk, rest)
  }

  /** Ends a range that stops before the last chunk: nothing may be left over. */
  finalRange(): void {
    if (this.#derived === undefined) throw new NotAuthentic("header", null)
    if (this.#pieces.rest().length !== 0) throw new NotAuthentic("cut", this.#chunk)
  }

  #readHeader(stored: Uint8Array): Uint8Array {
    const missing = headerBytes - this.#header.length
    this.#header = Buffer.concat([this.#header, stored.subarray(0, missing)])
    if (this.#header.length < headerBytes) return new Uint8Array()
    const derived = derive(this.#dataKey, this.#header.subarray(0, saltBytes), this.#context)
    if (!timingSafeEqual(derived.commitment, this.#header.subarray(saltBytes))) {
      throw new NotAuthentic("commitment", null)
    }
    this.#derived = derived
    return stored.subarray(missing)
  }
}

/** Stored bytes of `plainSize` plaintext bytes. */
export const storedSize = (plainSize: number): number =>
  headerBytes + plainSize + (Math.floor(plainSize / plainChunkBytes) + 1) * tagBytes

/** Plaintext bytes of an object of `size` stored bytes; undefined when no object has that size. */
export const plainSizeOf = (size: number): number | undefined => {
  const chunks = Math.floor((size - headerBytes) / storedChunkBytes)
  const last = size - headerBytes - chunks * storedChunkBytes
  return size < headerBytes || last < tagBytes ? undefined : chunks * plainChunkBytes + last - tagBytes
}

/** Where the chunks of a plaintext range lie. Offsets in bytes. */
export interface StoredRange {
  /** Number of the chunk that holds the first plaintext byte. */
  readonly firstChunk: number
  /** Half-open range of stored bytes, from that chunk to the end of the chunk that holds the last byte. */
  readonly from: number
  readonly to: number
  /** Plaintext bytes to drop from the front of the first chunk. */
  readonly skip: number
  /** Whether the range reaches the last chunk, so {@link ChunkedDecryptor.final} ends it. */
  readonly reachesEnd: boolean
}

/** The stored range of the plaintext bytes `[from, to)` of an object of `size` stored bytes; throws RangeError when outside. */
export const storedRange = (size: number, from: number, to: number): StoredRange => {
  const plainSize = plainSizeOf(size)
  if (plainSize === undefined || !(from >= 0 && from < to && to <= plainSize)) {
    throw new RangeError(`[${from}, ${to}) is not inside the ${plainSize ?? 0} plaintext bytes`)
  }
  const firstChunk = Math.floor(from / plainChunkBytes)
  const end = headerBytes + (Math.floor((to - 1) / plainChunkBytes) + 1) * storedChunkBytes
  return {
    firstChunk,
    from: headerBytes + firstChunk * storedChunkBytes,
    to: Math.min(end, size),
    skip: from - firstChunk * plainChunkBytes,
    reachesEnd: end > size
  }
}
