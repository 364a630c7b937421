/**
 * A directory tree whose entries survive a power loss once an operation returned: files are linked in place complete,
 * and every directory from the root down is fsynced (fsync(2): a file's own fsync does not make its name durable).
 */
import { Effect } from "effect"
import { link, mkdir, realpath, rename, unlink } from "node:fs/promises"
import { dirname, join } from "node:path"
import * as DurableFile from "./DurableFile.ts"
import { fileCall, fileFailure, isMissing, tryFile } from "./FileFailure.ts"
import { StorageError } from "./ObjectStore.ts"

/** Makes the names in `directory` durable. */
export const syncDirectory = (operation: string, key: string, directory: string) =>
  fileCall(operation, key, () => DurableFile.syncDirectory(directory))

/** A tree below `root`, an absolute path without symbolic links. Keys were checked by the caller. */
export class DurableDirectory {
  readonly root: string
  // Directories whose name is known to be durable in their parent: another process may have made one and not synced yet.
  readonly #durable = new Set<string>()

  constructor(root: string) {
    this.root = root
  }

  /** The path of a key. */
  path(key: string): string {
    return join(this.root, key)
  }

  /** Fails `rejected` when a directory on the way to `key` is a symbolic link; a missing one is fine. */
  confine(operation: string, key: string): Effect.Effect<void, StorageError> {
    const expected = dirname(this.path(key))
    return tryFile(() => realpath(expected)).pipe(
      Effect.catch((fault) =>
        isMissing(fault) ? Effect.succeed(expected) : Effect.fail(fileFailure(operation, key, fault))
      ),
      Effect.flatMap((actual) =>
        actual === expected
          ? Effect.void
          : Effect.fail(
            new StorageError({
              operation,
              key,
              category: "rejected",
              detail: "a directory of the key is a symbolic link"
            })
          )
      )
    )
  }

  /** Makes the directories of `key` and makes their names durable. */
  makeParents(operation: string, key: string): Effect.Effect<void, StorageError> {
    const parents: Array<string> = []
    for (let path = dirname(key); path !== "."; path = dirname(path)) parents.unshift(path)
    return Effect.forEach(
      parents.filter((path) => !this.#durable.has(path)),
      (path) =>
        Effect.gen({ self: this }, function*() {
          yield* fileCall(operation, key, () => mkdir(this.path(path), { mode: 0o755 })).pipe(
            Effect.catchIf((error) => error.detail === "EEXIST", () => Effect.void)
          )
          yield* syncDirectory(operation, key, dirname(this.path(path)))
          this.#durable.add(path)
        }),
      { discard: true }
    )
  }

  /** Makes the name of an existing key durable, whoever gave it. */
  makeDurable(operation: string, key: string): Effect.Effect<void, StorageError> {
    return Effect.andThen(
      this.makeParents(operation, key),
      syncDirectory(operation, key, dirname(this.path(key)))
    )
  }

  /**
   * Gives the finished file `temporary` the name of `key`, unless the key exists. Of several writers one gets
   * "created", and what it gave is durable when it returns.
   */
  publish(operation: string, key: string, temporary: string): Effect.Effect<"created" | "exists", StorageError> {
    const path = this.path(key)
    const place: Effect.Effect<"created" | "exists", StorageError> = fileCall(
      operation,
      key,
      () => link(temporary, path)
    ).pipe(
      Effect.as("created" as const),
      Effect.catchIf((error) => error.detail === "EEXIST", () => Effect.succeed("exists" as const))
    )
    return Effect.gen({ self: this }, function*() {
      yield* this.makeParents(operation, key)
      yield* this.confine(operation, key)
      const outcome = yield* place
      if (outcome === "created") yield* syncDirectory(operation, key, dirname(path))
      return outcome
    })
  }

  /** Puts the finished file `temporary` in the place of `key`, atomically. */
  replace(operation: string, key: string, temporary: string): Effect.Effect<void, StorageError> {
    const path = this.path(key)
    return Effect.gen({ self: this }, function*() {
      yield* this.makeParents(operation, key)
      yield* this.confine(operation, key)
      yield* fileCall(operation, key, () => rename(temporary, path))
      yield* syncDirectory(operation, key, dirname(path))
    })
  }

  /** Removes the name of `key`; a missing one is fine. */
  remove(operation: string, key: string): Effect.Effect<void, StorageError> {
    const path = this.path(key)
    return Effect.gen({ self: this }, function*() {
      yield* this.confine(operation, key)
      yield* fileCall(operation, key, () => unlink(path))
      yield* syncDirectory(operation, key, dirname(path))
    }).pipe(Effect.catchIf((error) => error.detail === "ENOENT" || error.detail === "ENOTDIR", () => Effect.void))
  }
}
