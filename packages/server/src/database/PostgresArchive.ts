/**
 * Unpacks the PostgreSQL programs that a compiled executable carries as one tar.zst file, once per version, into the
 * data directory. The folder is named by the archive's SHA-256, so an upgraded executable unpacks anew, and it appears
 * by one rename after everything in it is on disk: a folder with that name is whole.
 */
import * as NodeStream from "@effect/platform-node-shared/NodeStream"
import { Cause, Effect, Stream } from "effect"
import { Tar } from "effect/encoding"
import { createHash, randomBytes } from "node:crypto"
import { chmodSync, closeSync, existsSync, fchmodSync, mkdirSync, openSync, symlinkSync, writeFileSync } from "node:fs"
import { chmod, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises"
import { dirname, join, resolve, sep } from "node:path"
import { Readable } from "node:stream"
import { createZstdDecompress } from "node:zlib"
import { PostgresStartFailed } from "./PostgresError.ts"

const folderPrefix = "postgres-"
const folderPattern = /^postgres-[0-9a-f]{16}(\.partial-[0-9a-f]+)?$/

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const syncToDisk = async (path: string): Promise<void> => {
  const handle = await open(path, "r")
  await handle.sync().finally(() => handle.close())
}

/** Files flushed at the same time; the journal commits many of them at once. */
const concurrentSyncs = 32

/**
 * Writes with the synchronous calls: nothing else runs yet, and for hundreds of small files they take a third of the
 * time of the asynchronous ones.
 */
const extract = Effect.fnUntraced(function*(archive: Uint8Array, folder: string) {
  const files: Array<string> = []
  const folders = new Set([folder])
  const place = (path: string) => {
    const target = resolve(folder, path)
    if (!target.startsWith(folder + sep)) throw new Error(`The archive names a file outside of it: ${path}`)
    return target
  }
  const makeFolder = (path: string) => {
    if (folders.has(path)) return
    makeFolder(dirname(path))
    folders.add(path)
    mkdirSync(path)
    // Whatever the umask: the server may run as another user.
    chmodSync(path, 0o755)
  }
  const writeFile = (path: string, entry: Tar.Entry<unknown>) =>
    Effect.acquireUseRelease(
      Effect.try(() => openSync(path, "wx")),
      (descriptor) =>
        Effect.try(() => fchmodSync(descriptor, (entry.header.mode & 0o111) === 0 ? 0o644 : 0o755)).pipe(
          Effect.andThen(
            Stream.runForEach(entry.body, (bytes) => Effect.try(() => writeFileSync(descriptor, bytes)))
          )
        ),
      (descriptor) => Effect.sync(() => closeSync(descriptor))
    )
  yield* NodeStream.fromReadable({
    evaluate: () => Readable.from([archive]).pipe(createZstdDecompress({ chunkSize: 1 << 20 })),
    onError: (cause) => cause
  }).pipe(
    Stream.pipeThroughChannel(Tar.decode()),
    Stream.runForEach(Effect.fnUntraced(function*(entry) {
      const { linkTarget, type } = entry.header
      const path = yield* Effect.try(() => place(entry.header.path))
      yield* Effect.try(() => makeFolder(type === "Directory" ? path : dirname(path)))
      if (type === "Symlink") return yield* Effect.try(() => symlinkSync(linkTarget ?? "", path))
      if (type !== "File") return
      yield* writeFile(path, entry)
      files.push(path)
    }))
  )
  yield* Effect.forEach([...files, ...folders], (path) => Effect.tryPromise(() => syncToDisk(path)), {
    concurrency: concurrentSyncs,
    discard: true
  })
})

/**
 * The folder with the programs of `archive` (a tar.zst file that holds `bin`, `lib` and `share`) below `dataDirectory`,
 * unpacked when it is not there yet. Folders of other versions are removed. The caller holds the data directory's lock.
 */
export const unpack: (
  archive: string,
  dataDirectory: string
) => Effect.Effect<string, PostgresStartFailed> = Effect.fn("PostgresArchive.unpack")(
  function*(archive, dataDirectory) {
    // Whole, because Bun opens a file embedded in its executable no other way through node:fs.
    const bytes = yield* Effect.tryPromise(() => readFile(archive))
    const folder = join(dataDirectory, folderPrefix + sha256(bytes).slice(0, 16))
    if (existsSync(folder)) return folder
    yield* Effect.tryPromise(() => mkdir(dataDirectory, { recursive: true, mode: 0o700 }))
    for (const name of yield* Effect.tryPromise(() => readdir(dataDirectory))) {
      if (folderPattern.test(name)) {
        yield* Effect.tryPromise(() => rm(join(dataDirectory, name), { recursive: true, force: true }))
      }
    }
    const partial = `${folder}.partial-${randomBytes(6).toString("hex")}`
    yield* Effect.tryPromise(() => mkdir(partial))
    // The server may run as another user; the data directory's own mode keeps strangers out.
    yield* Effect.tryPromise(() => chmod(partial, 0o755))
    yield* extract(bytes, partial)
    yield* Effect.tryPromise(() => rename(partial, folder))
    yield* Effect.tryPromise(() => syncToDisk(dataDirectory))
    return folder
  },
  (effect, _archive, dataDirectory) =>
    Effect.mapError(effect, (cause) =>
      new PostgresStartFailed({
        directory: dataDirectory,
        reason: "its programs could not be unpacked.",
        detail: Cause.isUnknownError(cause) ? String(cause.cause) : String(cause)
      }))
)
