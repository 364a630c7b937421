/**
 * Port: how the verifier reads an archive. `node/DirectoryReader.ts` reads a directory; a bucket or a bundle can be
 * read by implementing the same three methods.
 */

/** One stored file: its key (`/`-separated, relative to the archive's root) and its size in bytes. */
export interface ArchiveFile {
  readonly key: string
  readonly size: number
}

/** SHA-256 (lower-case hex) and size in bytes of a stored object; no hash when it is larger than was asked for. */
export interface ObjectDigest {
  readonly size: number
  readonly sha256: string | null
}

/** What {@link ArchiveReader.hash} is asked for. */
export interface HashOptions {
  /** The size in bytes the object should have: a larger one is another one, and need not be read. */
  readonly maxBytes?: number
  /** Counts progress. */
  readonly onBytes?: (bytes: number) => void
}

/** A file that should be small is not; sizes in bytes. */
export class FileTooLargeError extends Error {
  override readonly name = "FileTooLargeError"
  readonly key: string
  /** Bytes; at least so many when it was not read to its end. */
  readonly size: number

  constructor(key: string, size: number, limit: number) {
    super(`${key}: ${size} bytes, the limit is ${limit}`)
    this.key = key
    this.size = size
  }
}

/** Read access to an archive. Keys come from the ledger and from `list`; an implementation must refuse to leave its root. */
export interface ArchiveReader {
  /** All files whose key starts with `prefix`; none when nothing does. */
  readonly list: (prefix: string) => AsyncIterable<ArchiveFile>
  /** The bytes of a small file, or null when it does not exist; rejects with {@link FileTooLargeError}. */
  readonly read: (key: string) => Promise<Uint8Array | null>
  /** The digest of an object, streamed in bounded memory, or null when it does not exist. */
  readonly hash: (key: string, options?: HashOptions) => Promise<ObjectDigest | null>
}
