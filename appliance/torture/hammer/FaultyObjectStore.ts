/**
 * An object store that fails by a seed: before a write, after it took effect, slowly, with a torn temporary file left
 * behind, with a full disk, or with EIO on reading. It stands around the real adapter, whose promises it keeps: what it
 * answers with success is durable.
 */
import { incomingDirectory } from "@rainlogs/core/storage/ObjectKeys"
import { ObjectStore, StorageError } from "@rainlogs/core/storage/ObjectStore"
import { temporaryName } from "@rainlogs/core/storage/TemporaryFiles"
import { Effect, Layer, Stream } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"

/** The faults of writes, and the one of reads. */
export const faultKinds = ["error-before", "error-after", "slow", "torn", "full", "read-error"] as const
/** One of them. */
export type FaultKind = (typeof faultKinds)[number]

/** How often and how to fail. */
export interface FaultOptions {
  /** Where the real store is, for torn files. */
  readonly directory: string
  /** Probability that a call is faulty, 0 to 1. */
  readonly probability: number
  readonly draw: () => number
  /** Told of every fault. */
  readonly onFault: (kind: FaultKind) => void
}

/** A slow call takes up to so much longer, ms. */
const slowestMs = 40

const writeFaults = ["error-before", "error-after", "slow", "torn", "full"] as const

/** The store with faults. */
export const layer = ({ directory, draw, onFault, probability }: FaultOptions) => {
  const failed = (operation: string, key: string, category: StorageError["category"], detail: string) =>
    new StorageError({ operation, key, category, detail })

  const tear = (operation: string, key: string) =>
    Effect.suspend(() => {
      writeFileSync(join(directory, incomingDirectory, temporaryName()), "the first half of a")
      return Effect.fail(failed(operation, key, "transient", "EIO"))
    })

  const write = <A, E, R>(operation: string, key: string, call: Effect.Effect<A, E, R>) =>
    Effect.suspend((): Effect.Effect<A, E | StorageError, R> => {
      if (draw() >= probability) return call
      const kind = writeFaults[Math.floor(draw() * writeFaults.length)]!
      onFault(kind)
      switch (kind) {
        case "error-before":
          return Effect.fail(failed(operation, key, "transient", "ECONNRESET"))
        case "error-after":
          return Effect.andThen(call, Effect.fail(failed(operation, key, "transient", "ETIMEDOUT")))
        case "slow":
          return Effect.delay(call, draw() * slowestMs)
        case "torn":
          return tear(operation, key)
        case "full":
          return Effect.fail(failed(operation, key, "full", "ENOSPC"))
      }
    })

  const broken = (): boolean => {
    if (draw() >= probability) return false
    onFault("read-error")
    return true
  }
  const read = <A, E, R>(operation: string, key: string, call: Effect.Effect<A, E, R>) =>
    Effect.suspend((): Effect.Effect<A, E | StorageError, R> =>
      broken() ? Effect.fail(failed(operation, key, "transient", "EIO")) : call
    )

  return Layer.effect(
    ObjectStore,
    Effect.map(ObjectStore, (inner) =>
      ObjectStore.of({
        put: (key, body) => write("put", key, inner.put(key, body)),
        putBytes: (key, bytes) => write("putBytes", key, inner.putBytes(key, bytes)),
        replace: (key, bytes) => write("replace", key, inner.replace(key, bytes)),
        remove: (key) => write("remove", key, inner.remove(key)),
        get: (key, range) =>
          Stream.suspend(() => broken() ? Stream.fail(failed("get", key, "transient", "EIO")) : inner.get(key, range)),
        getBytes: (key) => read("getBytes", key, inner.getBytes(key)),
        head: (key) => read("head", key, inner.head(key)),
        list: (prefix) =>
          Stream.suspend(() => broken() ? Stream.fail(failed("list", prefix, "transient", "EIO")) : inner.list(prefix))
      }))
  )
}
