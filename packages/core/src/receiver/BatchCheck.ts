/**
 * Looks at a batch while it comes: what it is compressed with, how large it becomes, how long its lines are, and the
 * SHA-256 of its content. Cloudflare announces gzip, proxies undo it and leave the header: the first bytes decide.
 */
import { createHash, type Hash } from "node:crypto"
import { createGunzip, type Gunzip } from "node:zlib"
import { gzipMagic } from "../collect/Gunzip.ts"
import { type BatchLimits, BatchRefused } from "./BatchLimits.ts"

/** What a whole batch is. */
export interface CheckedBatch {
  readonly encoding: "gzip" | "identity"
  /** Bytes of the content. */
  readonly plainBytes: number
  /** SHA-256 of the content, hexadecimal. */
  readonly sha256: string
  /** The content, if it is at most {@link openingBytes} long. */
  readonly opening: string | null
}

/** Content up to this size is kept, to tell a destination check from logs; bytes. */
export const openingBytes = 64

const lineFeed = 0x0a

/** Feed with {@link push} in order, then {@link end}. Both reject with {@link BatchRefused}. */
export class BatchCheck {
  readonly #limits: BatchLimits
  readonly #hash: Hash = createHash("sha256")
  #sentBytes = 0
  #plainBytes = 0
  #lineBytes = 0
  #opening = ""
  #gunzip: Gunzip | null = null
  #begun = false
  #refusal: BatchRefused | undefined
  #ended: Promise<void> = Promise.resolve()

  constructor(limits: BatchLimits) {
    this.#limits = limits
  }

  /** The next bytes as they were sent. */
  async push(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return
    this.#sentBytes += bytes.length
    if (this.#sentBytes > this.#limits.sentBytes) {
      throw this.#refuse("too-large", `the body is larger than ${this.#limits.sentBytes} bytes`)
    }
    if (!this.#begun) {
      this.#begun = true
      if (bytes[0] === gzipMagic) this.#startGunzip()
    }
    const gunzip = this.#gunzip
    if (gunzip === null) this.#take(bytes)
    // The callback comes when the bytes are worked off: memory holds one piece.
    else await Promise.race([new Promise<void>((resolve) => gunzip.write(bytes, () => resolve())), this.#ended])
    if (this.#refusal !== undefined) throw this.#refusal
  }

  /** No more bytes come. */
  async end(): Promise<CheckedBatch> {
    const gunzip = this.#gunzip
    if (gunzip !== null) {
      gunzip.end()
      await this.#ended
    }
    if (this.#refusal !== undefined) throw this.#refusal
    return {
      encoding: gunzip === null ? "identity" : "gzip",
      plainBytes: this.#plainBytes,
      sha256: this.#hash.digest("hex"),
      opening: this.#plainBytes <= openingBytes ? this.#opening : null
    }
  }

  /** Gives up what is held; safe to call at any time. */
  close(): void {
    this.#gunzip?.destroy()
  }

  #startGunzip(): void {
    const gunzip = createGunzip()
    this.#gunzip = gunzip
    this.#ended = new Promise((resolve) => {
      gunzip.on("end", resolve)
      gunzip.on("close", resolve)
      gunzip.on("error", () => {
        this.#refusal ??= this.#refuse("damaged", "the gzip stream is damaged or cut")
        resolve()
      })
    })
    gunzip.on("data", (piece: Buffer) => {
      this.#take(piece)
      if (this.#refusal !== undefined) gunzip.destroy()
    })
  }

  #take(bytes: Uint8Array): void {
    if (this.#refusal !== undefined) return
    if (this.#opening.length < openingBytes) {
      this.#opening += Buffer.from(bytes.subarray(0, openingBytes + 1 - this.#opening.length)).toString("latin1")
    }
    this.#plainBytes += bytes.length
    this.#hash.update(bytes)
    if (this.#plainBytes > this.#limits.plainBytes) {
      this.#refuse("decompressed-too-large", `the content is larger than ${this.#limits.plainBytes} bytes`)
      return
    }
    let from = 0
    for (;;) {
      const end = bytes.indexOf(lineFeed, from)
      this.#lineBytes += (end === -1 ? bytes.length : end) - from
      if (this.#lineBytes > this.#limits.lineBytes) {
        this.#refuse("line-too-long", `a line is longer than ${this.#limits.lineBytes} bytes`)
        return
      }
      if (end === -1) return
      this.#lineBytes = 0
      from = end + 1
    }
  }

  #refuse(reason: BatchRefused["reason"], detail: string): BatchRefused {
    this.#refusal ??= new BatchRefused({ reason, detail })
    return this.#refusal
  }
}

/**
 * Whether the content is what Cloudflare sends to see whether a destination answers (`test.txt.gz`; Cloudflare page
 * «Enable HTTP destination»), in the forms that receivers were seen to handle. It is no log.
 */
export const isDestinationCheck = (opening: string | null): boolean =>
  opening !== null && /^\s*(?:\{\s*"content"\s*:\s*"tests?"\s*\}|test)\s*$/.test(opening)
