/**
 * An ObjectStore in memory, beside the real ones: the same promises, and a hook before and after every call.
 */
import { equal } from "@rainlogs/verify/Bytes"
import { Effect, Stream } from "effect"
import { ObjectExists, ObjectMissing, ObjectStore, StorageError } from "../../src/storage/ObjectStore.ts"
import type { Hook } from "./Faults.ts"

/** An object store on a map of files. */
export const memoryObjects = (files: Map<string, Uint8Array>, hook: Hook): ObjectStore["Service"] => {
  const getBytes = (key: string) =>
    hook(
      `get ${key}`,
      Effect.suspend(() => {
        const bytes = files.get(key)
        return bytes === undefined ? Effect.fail(new ObjectMissing({ key })) : Effect.succeed(bytes.slice())
      })
    )
  const putBytes = (key: string, bytes: Uint8Array) =>
    hook(
      `put ${key}`,
      Effect.suspend(() => {
        const stored = files.get(key)
        if (stored === undefined) {
          files.set(key, bytes.slice())
          return Effect.succeed("created" as const)
        }
        return equal(stored, bytes) ? Effect.succeed("exists" as const) : Effect.fail(new ObjectExists({ key }))
      })
    )
  const unused = (operation: string) => (key: string) =>
    Effect.fail(new StorageError({ operation, key, category: "rejected", detail: "not for these tests" }))
  return ObjectStore.of({
    put: (key) => unused("put")(key),
    putBytes,
    replace: (key, bytes) =>
      hook(
        `replace ${key}`,
        Effect.suspend(() => {
          if (!key.endsWith("/checkpoint")) return unused("replace")(key)
          files.set(key, bytes.slice())
          return Effect.void
        })
      ),
    get: (key) => Stream.fromEffect(getBytes(key)),
    getBytes,
    head: (key) =>
      hook(
        `head ${key}`,
        Effect.suspend(() => {
          const size = files.get(key)?.length
          return size === undefined ? Effect.fail(new ObjectMissing({ key })) : Effect.succeed({ key, size })
        })
      ),
    list: (prefix) =>
      Stream.suspend(() =>
        Stream.fromIterable(
          [...files].filter(([key]) => key.startsWith(prefix)).map(([key, { length }]) => ({ key, size: length }))
            .sort((left, right) => left.key < right.key ? -1 : 1)
        )
      ),
    remove: (key) => hook(`remove ${key}`, Effect.sync(() => void files.delete(key)))
  })
}
