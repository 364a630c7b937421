/**
 * Adapter of `ObjectStore` on a directory of the local file system. A file is written in `.incoming`, fsynced, and
 * linked to its key, so a key either holds the whole object or nothing; files are read-only and never overwritten.
 * Several processes may use one directory at once.
 */
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { Effect, Layer, Stream } from "effect"
import { createHash } from "node:crypto"
import { type FileHandle, lstat, mkdir, open, realpath, rm } from "node:fs/promises"
import { join } from "node:path"
import { listDirectory } from "./DirectoryListing.ts"
import { DurableDirectory } from "./DurableDirectory.ts"
import { openForReading, readRange, writeAll } from "./FileBytes.ts"
import { fileCall, fileFailure, type FileFault, isMissing, tryFile } from "./FileFailure.ts"
import { incomingDirectory, isReplaceable, keyFault, prefixFault } from "./ObjectKeys.ts"
import { type ByteRange, ObjectExists, ObjectMissing, ObjectStore, StorageError } from "./ObjectStore.ts"
import { prepareTemporaryDirectory, temporaryName } from "./TemporaryFiles.ts"

/** Largest object `getBytes` reads, in bytes. */
const maxSmallObject = 16 * 1024 * 1024

const rejected = (operation: string, key: string, detail: string) =>
  new StorageError({ operation, key, category: "rejected", detail })

const checkKey = (operation: string, key: string): Effect.Effect<void, StorageError> => {
  const fault = keyFault(key)
  return fault === undefined ? Effect.void : Effect.fail(rejected(operation, key, fault))
}

interface Body<E, R> {
  readonly size: number
  readonly sha256: string
  readonly bytes: Stream.Stream<Uint8Array, E, R>
}

const smallBody = (bytes: Uint8Array): Body<never, never> => ({
  size: bytes.length,
  sha256: Hex.encode(sha256(bytes)),
  bytes: Stream.succeed(bytes)
})

/** Writes the body into an open new file, read-only and fsynced; other bytes than announced are `corrupt`. */
const fill = <E, R>(operation: string, key: string, file: FileHandle, body: Body<E, R>) =>
  Effect.gen(function*() {
    const hash = createHash("sha256")
    let size = 0
    yield* Stream.runForEach(body.bytes, (bytes) => {
      size += bytes.length
      // More than announced is wrong already; it must not fill the disk first.
      if (size > body.size) {
        return Effect.fail(corruptBody(operation, key, `more than the announced ${body.size} bytes`))
      }
      hash.update(bytes)
      return writeAll(operation, key, file, bytes)
    })
    const digest = hash.digest("hex")
    if (size !== body.size) return yield* corruptBody(operation, key, `${size} bytes instead of ${body.size}`)
    if (digest !== body.sha256) return yield* corruptBody(operation, key, `SHA-256 ${digest} instead of ${body.sha256}`)
    yield* fileCall(operation, key, () => file.chmod(0o440))
    yield* fileCall(operation, key, () => file.sync())
  })

const corruptBody = (operation: string, key: string, detail: string) =>
  new StorageError({ operation, key, category: "corrupt", detail: `the body has ${detail}` })

/** Makes the store on a directory, which is made if it is missing; temporary files of dead processes are removed. */
export const make = Effect.fn("ObjectStoreFileSystem.make")(function*(directory: string) {
  yield* fileCall("open", directory, () => mkdir(directory, { recursive: true, mode: 0o755 }))
  const tree = new DurableDirectory(yield* fileCall("open", directory, () => realpath(directory)))
  const incoming = join(tree.root, incomingDirectory)
  yield* prepareTemporaryDirectory(incoming)
  yield* tree.confine("open", `${incomingDirectory}/x`)

  /** Runs `use` with a temporary file that holds the body and is gone afterwards. */
  const withTemporary = <E, R, A>(
    operation: string,
    key: string,
    body: Body<E, R>,
    use: (path: string) => Effect.Effect<A, StorageError>
  ): Effect.Effect<A, E | StorageError, R> => {
    const path = join(incoming, temporaryName())
    const write = Effect.acquireUseRelease(
      fileCall(operation, key, () => open(path, "wx", 0o600)),
      (file) => fill(operation, key, file, body),
      (file) => fileCall(operation, key, () => file.close())
    )
    return Effect.ensuring(
      Effect.andThen(write, use(path)),
      // What cannot be removed now is swept at the next start.
      Effect.ignore(fileCall(operation, key, () => rm(path, { force: true })), { log: "Warn" })
    )
  }

  /** Fails `ObjectMissing` when the file is not there. */
  const missing = (operation: string, key: string) => (fault: FileFault) =>
    isMissing(fault) ? new ObjectMissing({ key }) : fileFailure(operation, key, fault)

  const openObject = Effect.fnUntraced(function*(operation: string, key: string) {
    yield* checkKey(operation, key)
    yield* tree.confine(operation, key)
    const file = yield* Effect.mapError(openForReading(operation, key, tree.path(key)), missing(operation, key))
    const stat = yield* fileCall(operation, key, () => file.stat())
    // A directory is a common beginning of keys, not an object.
    if (stat.isDirectory()) return yield* new ObjectMissing({ key })
    if (!stat.isFile()) return yield* rejected(operation, key, "not a file")
    return { file, size: stat.size }
  })

  const get = (key: string, range?: ByteRange) =>
    Stream.unwrap(Effect.gen(function*() {
      const { file, size } = yield* openObject("get", key)
      const wanted = range ?? { from: 0, to: size }
      if (
        range !== undefined && !(Number.isSafeInteger(range.from) && Number.isSafeInteger(range.to) &&
          range.from >= 0 && range.from < range.to && range.from < size)
      ) {
        return yield* rejected("get", key, `the range [${range.from}, ${range.to}) is not inside ${size} bytes`)
      }
      return readRange("get", key, file, { from: wanted.from, to: Math.min(wanted.to, size) })
    }))

  /** The SHA-256 of the object, or undefined when the key holds nothing. */
  const digestOf = (key: string) =>
    Stream.runFold(get(key), () => createHash("sha256"), (hash, bytes) => hash.update(bytes)).pipe(
      Effect.map((hash): string | undefined => hash.digest("hex")),
      Effect.catchTag("ObjectMissing", () => Effect.succeed(undefined))
    )

  const put = Effect.fn("ObjectStore.put")(function*<E, R>(key: string, body: Body<E, R>) {
    yield* checkKey("put", key)
    const present = yield* digestOf(key)
    if (present === undefined) {
      const outcome = yield* withTemporary("put", key, body, (path) => tree.publish("put", key, path))
      if (outcome === "created") return outcome
    }
    const winner = present ?? (yield* digestOf(key))
    if (winner === undefined) return yield* rejected("put", key, "other keys begin with this one, so it is a directory")
    if (winner !== body.sha256) return yield* new ObjectExists({ key })
    // Somebody was first: the same bytes are the same object, and theirs must be as durable as ours.
    yield* tree.makeDurable("put", key)
    return "exists" as const
  })

  const getBytes = Effect.fn("ObjectStore.getBytes")(function*(key: string) {
    const { file, size } = yield* openObject("getBytes", key)
    if (size > maxSmallObject) {
      return yield* rejected("getBytes", key, `${size} bytes, the limit is ${maxSmallObject}: use get`)
    }
    const parts = yield* Stream.runCollect(readRange("getBytes", key, file, { from: 0, to: size }))
    return new Uint8Array(Buffer.concat(parts))
  }, Effect.scoped)

  const head = Effect.fn("ObjectStore.head")(function*(key: string) {
    yield* checkKey("head", key)
    yield* tree.confine("head", key)
    const stat = yield* Effect.mapError(
      tryFile(() => lstat(tree.path(key))),
      missing("head", key)
    )
    if (stat.isDirectory()) return yield* new ObjectMissing({ key })
    if (!stat.isFile()) return yield* rejected("head", key, "not a file")
    return { key, size: stat.size }
  })

  return ObjectStore.of({
    put,
    putBytes: (key, bytes) => put(key, smallBody(bytes)),
    replace: Effect.fn("ObjectStore.replace")(function*(key, bytes) {
      yield* checkKey("replace", key)
      if (!isReplaceable(key)) return yield* rejected("replace", key, "only a served checkpoint may be replaced")
      yield* withTemporary("replace", key, smallBody(bytes), (path) => tree.replace("replace", key, path))
    }),
    get,
    getBytes,
    head,
    list: (prefix) => {
      const fault = prefixFault(prefix)
      if (fault !== undefined) return Stream.fail(rejected("list", prefix, fault))
      return Stream.unwrap(Effect.as(tree.confine("list", `${prefix}x`), listDirectory(tree.root, prefix)))
    },
    remove: Effect.fn("ObjectStore.remove")(function*(key) {
      yield* checkKey("remove", key)
      yield* tree.remove("remove", key)
    })
  })
})

/** The store on a directory. */
export const layer = (directory: string): Layer.Layer<ObjectStore, StorageError> =>
  Layer.effect(ObjectStore, make(directory))
