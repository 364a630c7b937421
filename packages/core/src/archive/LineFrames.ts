/**
 * Cuts a byte stream into frames: as many whole lines as fit into the frame size, a longer line alone. Where the cuts
 * fall depends on the bytes only, not on how they arrive. Lines end with LF; every other byte is content.
 */

const lineFeed = 0x0a

/** Feed with {@link offer}, then {@link take} until it is empty. Holds one frame and one offered chunk at most. */
export class LineFrames {
  readonly #frameBytes: number
  readonly #maxHeld: number
  #buffer: Buffer
  #length = 0
  #offered: Uint8Array = new Uint8Array()
  #overflowed = false
  // Fresh buffers outside the heap would make the collector run a full cycle every few frames.
  readonly #spare: Array<Buffer> = []

  /** @param frameBytes size of a frame of several lines. @param maxLineBytes longest line, without its LF. */
  constructor(frameBytes: number, maxLineBytes: number) {
    this.#frameBytes = frameBytes
    this.#maxHeld = Math.max(frameBytes, maxLineBytes)
    this.#buffer = Buffer.allocUnsafeSlow(frameBytes)
  }

  /** Whether the line that begins after the last taken frame is longer than the limit; nothing more is taken then. */
  get overflowed(): boolean {
    return this.#overflowed
  }

  /** Gives the next bytes; all earlier ones must have been taken. The bytes must not change until they are. */
  offer(bytes: Uint8Array): void {
    this.#offered = bytes
  }

  /** The next complete frame, which the caller owns, or undefined when more bytes are needed. */
  take(): Buffer | undefined {
    while (this.#offered.length > 0 && !this.#overflowed) {
      const frame = this.#length < this.#frameBytes ? this.#fill() : this.#extendLine()
      if (frame !== undefined) return frame
    }
    return undefined
  }

  /** Gives a taken frame back for new content; nobody may use it any more. */
  recycle(frame: Buffer): void {
    if (frame.buffer.byteLength === this.#frameBytes) this.#spare.push(Buffer.from(frame.buffer))
  }

  /** The last frame after the end of the input; a last line without LF gets one. Undefined when nothing is left. */
  end(): Buffer | undefined {
    if (this.#length === 0) return undefined
    if (this.#buffer[this.#length - 1] !== lineFeed) this.#append(Uint8Array.of(lineFeed))
    const frame = this.#buffer.subarray(0, this.#length)
    this.#length = 0
    return frame
  }

  #fill(): Buffer | undefined {
    this.#append(this.#consume(Math.min(this.#frameBytes - this.#length, this.#offered.length)))
    if (this.#length < this.#frameBytes) return undefined
    const cut = this.#buffer.lastIndexOf(lineFeed, this.#length - 1) + 1
    return cut === 0 ? undefined : this.#cut(cut)
  }

  // The buffer holds the beginning of one line that is longer than a frame.
  #extendLine(): Buffer | undefined {
    const end = this.#offered.indexOf(lineFeed)
    const bytes = end === -1 ? this.#offered : this.#offered.subarray(0, end + 1)
    if (this.#length + bytes.length - (end === -1 ? 0 : 1) > this.#maxHeld) {
      this.#overflowed = true
      return undefined
    }
    this.#append(this.#consume(bytes.length))
    return end === -1 ? undefined : this.#cut(this.#length)
  }

  #consume(length: number): Uint8Array {
    const bytes = this.#offered.subarray(0, length)
    this.#offered = this.#offered.subarray(length)
    return bytes
  }

  #append(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(this.#buffer.length * 2, this.#maxHeld + 1)))
      this.#buffer.copy(grown, 0, 0, this.#length)
      this.#buffer = grown
    }
    this.#buffer.set(bytes, this.#length)
    this.#length = needed
  }

  #cut(at: number): Buffer {
    const frame = this.#buffer.subarray(0, at)
    const rest = this.#buffer.subarray(at, this.#length)
    this.#buffer = this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#frameBytes)
    this.#buffer.set(rest, 0)
    this.#length = rest.length
    return frame
  }
}
