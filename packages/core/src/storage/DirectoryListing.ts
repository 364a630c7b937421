/**
 * Lists the keys below a directory in key order with bounded memory, however many files one directory holds.
 */
import { Effect, Stream } from "effect"
import type { Dirent } from "node:fs"
import { lstat, opendir } from "node:fs/promises"
import { join } from "node:path"
import { fileFailure, isMissing, tryFile } from "./FileFailure.ts"
import { incomingDirectory } from "./ObjectKeys.ts"
import type { StorageError, StoredObject } from "./ObjectStore.ts"

/** Names of one directory held at a time; a larger directory is read several times, each time for the next names. */
export const defaultPageNames = 16_384

// In key order a directory sorts as its name with a slash: "a-b" < "a/x" < "a0".
const sortName = (entry: Dirent): string | undefined =>
  entry.isDirectory() ? `${entry.name}/` : entry.isFile() ? entry.name : undefined

const ascending = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0)

// Whether keys that begin with `path` can begin with `prefix`.
const reaches = (path: string, prefix: string): boolean =>
  path.endsWith("/") ? path.startsWith(prefix) || prefix.startsWith(path) : path.startsWith(prefix)

interface Place {
  readonly root: string
  readonly prefix: string
  readonly pageNames: number
}

/** The smallest `pageNames` sort names of the directory `path` that come after `after` and can match, in order. */
const page = (place: Place, path: string, after: string): Effect.Effect<ReadonlyArray<string>, StorageError> =>
  tryFile(async () => {
    let names: Array<string> = []
    for await (const entry of await opendir(join(place.root, path), { bufferSize: 256 })) {
      const name = sortName(entry)
      if (name === undefined || name <= after || !reaches(path + name, place.prefix)) continue
      if (path === "" && entry.name === incomingDirectory) continue
      names.push(name)
      if (names.length >= 2 * place.pageNames) names = names.sort(ascending).slice(0, place.pageNames)
    }
    return names.sort(ascending).slice(0, place.pageNames)
  }).pipe(
    // A directory that is not there, or is a file, holds nothing.
    Effect.catch((fault) => isMissing(fault) ? Effect.succeed([]) : Effect.fail(fileFailure("list", path, fault)))
  )

// A file removed between the reading of its directory and now is not listed.
const stored = (place: Place, key: string): Effect.Effect<ReadonlyArray<StoredObject>, StorageError> =>
  tryFile(() => lstat(join(place.root, key))).pipe(
    Effect.map((stat) => [{ key, size: stat.size }]),
    Effect.catch((fault) => isMissing(fault) ? Effect.succeed([]) : Effect.fail(fileFailure("list", key, fault)))
  )

const walk = (place: Place, path: string): Stream.Stream<StoredObject, StorageError> =>
  Stream.unfold("", (after: string | undefined) =>
    after === undefined
      ? Effect.undefined
      : Effect.map(page(place, path, after), (names) =>
        // A page that is not full was the last one.
        [names, names.length < place.pageNames ? undefined : names.at(-1)] as const)).pipe(
      Stream.flatMap((names) => Stream.fromIterable(names)),
      Stream.flatMap((name) =>
        name.endsWith("/") ? walk(place, path + name) : Stream.fromIterableEffect(stored(place, path + name))
      )
    )

/** All files below `root` whose relative path begins with `prefix`, in key order; symbolic links are not followed or listed. */
export const listDirectory = (
  root: string,
  prefix: string,
  pageNames = defaultPageNames
): Stream.Stream<StoredObject, StorageError> =>
  walk({ root, prefix, pageNames }, prefix.slice(0, prefix.lastIndexOf("/") + 1))
