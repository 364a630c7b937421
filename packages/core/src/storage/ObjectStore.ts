/**
 * Port: where archived bytes live. Nothing is ever overwritten; the one key that moves is the served checkpoint.
 * Adapters: `ObjectStoreFileSystem` (here); an S3 adapter implements the same suite.
 */
import { Context, type Effect, Schema, type Stream } from "effect"

/** What a caller can do about a storage failure; retry policies match on it. */
export const StorageCategory = Schema.Literals([
  "transient",
  "throttled",
  "full",
  "unauthorised",
  "corrupt",
  "rejected"
])
export type StorageCategory = typeof StorageCategory.Type

/** The store failed. `category` says whether to retry, `operation` and `key` say what was tried. */
export class StorageError extends Schema.TaggedError<StorageError>()("StorageError", {
  operation: Schema.String,
  key: Schema.String,
  category: StorageCategory,
  detail: Schema.String
}) {}

/** The key already holds other bytes. Nothing was changed. */
export class ObjectExists extends Schema.TaggedError<ObjectExists>()("ObjectExists", { key: Schema.String }) {}

/** The key holds nothing. */
export class ObjectMissing extends Schema.TaggedError<ObjectMissing>()("ObjectMissing", { key: Schema.String }) {}

/** One listed object; size in bytes. */
export interface StoredObject {
  readonly key: string
  readonly size: number
}

/** Half-open byte range. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

/** Keys are `/`-separated relative paths of `[A-Za-z0-9._-]` segments, never `.` or `..`; anything else is `rejected`. */
export class ObjectStore extends Context.Service<ObjectStore, {
  /**
   * Stores `size` bytes whose SHA-256 is `sha256` (hex) under `key`; durable when it returns (fsync of file and
   * directory, or a confirmed PUT). The adapter hashes what it writes and refuses a mismatch as `corrupt`.
   * The same key with the same bytes again succeeds ("exists"); with other bytes it is `ObjectExists`.
   */
  readonly put: <E, R>(
    key: string,
    body: { readonly size: number; readonly sha256: string; readonly bytes: Stream.Stream<Uint8Array, E, R> }
  ) => Effect.Effect<"created" | "exists", E | ObjectExists | StorageError, R>
  /** Stores a small document; same promise as `put`. */
  readonly putBytes: (
    key: string,
    bytes: Uint8Array
  ) => Effect.Effect<"created" | "exists", ObjectExists | StorageError>
  /** Atomically replaces a small mutable object. Only for the served checkpoint; refused for any other key. */
  readonly replace: (key: string, bytes: Uint8Array) => Effect.Effect<void, StorageError>
  /** The bytes of an object or a range of it, streamed. */
  readonly get: (key: string, range?: ByteRange) => Stream.Stream<Uint8Array, ObjectMissing | StorageError>
  /** The bytes of a small object (at most 16 MiB, else `rejected`). */
  readonly getBytes: (key: string) => Effect.Effect<Uint8Array, ObjectMissing | StorageError>
  /** The size of an object in bytes. */
  readonly head: (key: string) => Effect.Effect<StoredObject, ObjectMissing | StorageError>
  /** All objects whose key starts with `prefix`, in key order; temporary files are never listed. */
  readonly list: (prefix: string) => Stream.Stream<StoredObject, StorageError>
  /** Removes an object; removing a missing one succeeds. Called only by lifecycle code that has the right to. */
  readonly remove: (key: string) => Effect.Effect<void, StorageError>
}>()("@rainlogs/core/ObjectStore") {}
