/**
 * Port: how the verifier reads an archive. `node/DirectoryReader.ts` reads a directory; a bucket or a bundle can be read
 * by implementing the same three methods.
 */

/** One stored file: its key (`/`-separated, relative to the archive's root) and its size in bytes. */
export interface ArchiveFile {
  readonly key: string
  readonly size: number
}

/** SHA-256 (lower-case hex) and size in bytes of a stored object. */
export interface ObjectDigest {
  readonly size: number
  readonly sha256: string
}

/** Read access to an archive. Keys come from the ledger and from `list`; an implementation must refuse to leave its root. */
export interface ArchiveReader {
  /** All files whose key starts with `prefix`; none when nothing does. */
  readonly list: (prefix: string) => AsyncIterable<ArchiveFile>
  /** The bytes of a small file, or null when it does not exist. */
  readonly read: (key: string) => Promise<Uint8Array | null>
  /** The digest of an object, streamed in bounded memory, or null when it does not exist. `onBytes` counts progress. */
  readonly hash: (key: string, onBytes?: (bytes: number) => void) => Promise<ObjectDigest | null>
}
