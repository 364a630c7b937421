/**
 * The stored log objects: each must lie under the key its entry implies, with the exact size and SHA-256. Several are
 * hashed at once, a bounded number.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import type { ObjectEntry } from "../Entry.ts"
import { objectKey } from "../Layout.ts"
import type { Findings } from "./Findings.ts"

/** Objects hashed at the same time. */
export const parallelObjects = 8

/** An object that is not there. */
export interface MissingObject {
  readonly chain: string
  readonly seq: number
  readonly object: string
  readonly hash: string
  readonly key: string
}

const expectedKey = (entry: ObjectEntry): string | null => {
  try {
    return objectKey({ ...entry, windowFrom: entry.window.from })
  } catch (error) {
    // A window start no calendar date can have: no key is right.
    if (error instanceof RangeError) return null
    throw error
  }
}

/** Checks objects while the replay goes on. */
export class Objects {
  readonly #reader: ArchiveReader
  readonly #findings: Findings
  readonly #onBytes: (bytes: number) => void
  readonly #expected: (entry: ObjectEntry) => boolean
  readonly #running = new Set<Promise<void>>()
  readonly #missing: Array<MissingObject> = []
  #failure: { readonly error: unknown } | null = null
  #hashed = 0
  #outside = 0
  #bytes = 0

  constructor(source: {
    readonly reader: ArchiveReader
    readonly findings: Findings
    readonly onBytes: (bytes: number) => void
    /** Whether the archive should hold the object of an entry. */
    readonly expected: (entry: ObjectEntry) => boolean
  }) {
    this.#reader = source.reader
    this.#findings = source.findings
    this.#onBytes = source.onBytes
    this.#expected = source.expected
  }

  /** Objects hashed so far. */
  get hashed(): number {
    return this.#hashed
  }

  /** Bytes hashed so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** Objects that the archive is not expected to hold. */
  get outside(): number {
    return this.#outside
  }

  /** Starts the check of an entry's object; waits while too many are running. Nothing is stored for an empty window. */
  async add(entry: ObjectEntry): Promise<void> {
    if (entry.key === null) return
    const expected = expectedKey(entry)
    if (entry.key !== expected) {
      // The key is not read: only a key that follows from the entry is known to be an object of this archive.
      this.#findings.add({
        code: "OBJECT_KEY_MISMATCH",
        chain: entry.chain,
        seq: entry.seq,
        detail: "the key does not follow from the entry's chain, window, job and hash",
        expected: expected ?? "no valid key",
        actual: entry.key
      })
      return
    }
    if (!this.#expected(entry)) {
      this.#outside += 1
      return
    }
    while (this.#running.size >= parallelObjects) await Promise.race(this.#running)
    this.#rethrow()
    const check = this.#check(entry, entry.key).catch((error: unknown) => {
      this.#failure ??= { error }
    })
    const tracked = check.finally(() => this.#running.delete(tracked))
    this.#running.add(tracked)
  }

  /** Waits for every check and answers the objects that are not there. */
  async finish(): Promise<ReadonlyArray<MissingObject>> {
    await Promise.all(this.#running)
    this.#rethrow()
    return this.#missing
  }

  async #check(entry: ObjectEntry, key: string): Promise<void> {
    const { chain, seq } = entry
    const digest = await this.#reader.hash(key, { maxBytes: entry.size, onBytes: this.#onBytes })
    if (digest === null) {
      this.#missing.push({ chain, seq, object: entry.object, hash: entry.hash, key })
      return
    }
    this.#hashed += 1
    this.#bytes += digest.size
    if (digest.sha256 === entry.object && digest.size === entry.size) return
    this.#findings.add({
      code: "OBJECT_HASH_MISMATCH",
      chain,
      seq,
      detail: "the stored object is not the one that was archived",
      key,
      expected: `${entry.object}, ${entry.size} bytes`,
      actual: digest.sha256 === null ? `${digest.size} bytes` : `${digest.sha256}, ${digest.size} bytes`
    })
  }

  #rethrow(): void {
    if (this.#failure !== null) throw this.#failure.error
  }
}
