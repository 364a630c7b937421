/**
 * What a bundle is made from and for which windows, and why it may be impossible.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import type { ObjectEntry } from "../Entry.ts"
import type { IncrementalSha256 } from "./OpenBundle.ts"

/** An archive that a bundle is made from. */
export interface BundleInput {
  readonly reader: ArchiveReader
  /** The bytes of an object, streamed. */
  readonly stream: (key: string) => AsyncIterable<Uint8Array>
  /** Begins a SHA-256. */
  readonly newHash: () => IncrementalSha256
  /** The data key (32 bytes) of an encrypted object; null when it was destroyed. Absent when nothing is disclosed. */
  readonly dataKey?: (entry: ObjectEntry) => Promise<Uint8Array | null>
}

/** Which objects; `[from, to)` in ms. */
export interface BundleRequest {
  readonly origin: string
  readonly chain: string
  readonly from: number
  readonly to: number
  /** The most objects; more are refused before they are read. No limit when left out. */
  readonly mostObjects?: number
}

/** What was written: the ledger's size in entries, the objects, the file's bytes. */
export interface BundleSummary {
  readonly size: number
  readonly objects: number
  readonly bytes: number
}

/** How far the first pass has come: ledger entries gone through, objects found, bytes of them read. */
export type BundleProgress = (
  done: { readonly entries: number; readonly objects: number; readonly bytes: number }
) => void

/**
 * Why an archive cannot be bundled: nothing is published yet; a file of the ledger is missing; a file changed between
 * the passes; the range has too many objects.
 */
export type BundleRequestReason = "unpublished" | "incomplete" | "changed" | "too-many-objects"

/** The archive cannot be bundled as asked; the message says why and what to do. */
export class BundleRequestError extends Error {
  override readonly name = "BundleRequestError"
  readonly reason: BundleRequestReason

  constructor(reason: BundleRequestReason, message: string) {
    super(message)
    this.reason = reason
  }
}
