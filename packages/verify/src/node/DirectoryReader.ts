/**
 * Reads an archive from a directory (Node, Bun, Deno). Never follows a path or a symbolic link out of the directory.
 */
import { createHash } from "node:crypto"
import { constants } from "node:fs"
import { type FileHandle, open, opendir, realpath, stat } from "node:fs/promises"
import { join, sep } from "node:path"
import {
  type ArchiveFile,
  type ArchiveReader,
  FileTooLargeError,
  type HashOptions,
  type ObjectDigest
} from "../ArchiveReader.ts"
import { HashThreads, smallestForThread } from "./HashThreads.ts"

/** A key or a symbolic link leads out of the archive's directory, or to something that is no regular file. */
export class UnsafePathError extends Error {
  override readonly name = "UnsafePathError"
  readonly key: string

  constructor(key: string, reason: string) {
    super(`${key}: ${reason}; remove it or copy the archive without it, then verify again`)
    this.key = key
  }
}

/** The directory cannot be opened; the message says what to do. */
export class ArchiveNotFoundError extends Error {
  override readonly name = "ArchiveNotFoundError"
}

// Small enough to stay in a core's cache between reading and hashing: 1 MiB costs a tenth more.
const chunkBytes = 128 * 1024
// read() is for checkpoints, tiles, bundles and documents; the largest legal bundle is a little under 16 MiB + 1 KiB.
const maxReadBytes = 32 * 1024 * 1024

const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")

/** Opens the directory `root` as an archive; rejects with {@link ArchiveNotFoundError} when it is none. */
export const openDirectory = async (root: string): Promise<ArchiveReader> => {
  const base = await resolveRoot(root)
  const inside = (path: string) => path === base || path.startsWith(base.endsWith(sep) ? base : base + sep)

  // The real path of a key, or null when nothing is there.
  const resolve = async (key: string): Promise<string | null> => {
    const segments = key.split("/")
    if (segments.some((segment) => segment === "" || segment === "." || segment === ".." || /[\\\0]/.test(segment))) {
      throw new UnsafePathError(key, "the path leads out of the archive")
    }
    try {
      const path = await realpath(join(base, ...segments))
      if (!inside(path)) throw new UnsafePathError(key, "a symbolic link leads out of the archive")
      return path
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }

  const withFile = async <Value>(key: string, use: (file: FileHandle, size: number) => Promise<Value>) => {
    const path = await resolve(key)
    if (path === null) return null
    // Non-blocking, so that a named pipe is refused instead of waited for.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const info = await file.stat()
      if (!info.isFile()) throw new UnsafePathError(key, "not a regular file")
      return await use(file, info.size)
    } finally {
      await file.close()
    }
  }

  const threads = new HashThreads()

  return {
    list: (prefix) => listFiles(prefix, base, resolve),
    read: (key) =>
      withFile(key, async (file, size) => {
        if (size > maxReadBytes) throw new FileTooLargeError(key, size, maxReadBytes)
        return new Uint8Array(await file.readFile())
      }),
    hash: (key, options) => withFile(key, (file, size) => hashFile(threads, file, size, options))
  }
}

const resolveRoot = async (root: string): Promise<string> => {
  try {
    const path = await realpath(root)
    if ((await stat(path)).isDirectory()) return path
  } catch (error) {
    if (!isMissing(error)) throw error
    throw new ArchiveNotFoundError(`${root} does not exist; give the directory that holds "logs" and "integrity"`)
  }
  throw new ArchiveNotFoundError(`${root} is not a directory; give the directory that holds "logs" and "integrity"`)
}

const hashFile = async (
  threads: HashThreads,
  file: FileHandle,
  stored: number,
  options: HashOptions = {}
): Promise<ObjectDigest> => {
  const { maxBytes = Number.POSITIVE_INFINITY, onBytes } = options
  if (stored > maxBytes) return { size: stored, sha256: null }
  if (stored >= smallestForThread) {
    // A thread that cannot be had, or cannot read, leaves the file to us: our own error is the one to report.
    const digest = await threads.digest(file.fd, maxBytes, onBytes).catch(() => null)
    if (digest !== null) return digest
  }
  const hash = createHash("sha256")
  const buffer = Buffer.allocUnsafe(chunkBytes)
  let size = 0
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, chunkBytes, size)
    if (bytesRead === 0) break
    hash.update(buffer.subarray(0, bytesRead))
    size += bytesRead
    // It grows while it is read.
    if (size > maxBytes) return { size, sha256: null }
    onBytes?.(bytesRead)
  }
  return { size, sha256: hash.digest("hex") }
}

async function* listFiles(
  prefix: string,
  base: string,
  resolve: (key: string) => Promise<string | null>
): AsyncGenerator<ArchiveFile> {
  const directory = prefix.slice(0, prefix.lastIndexOf("/") + 1)
  yield* listDirectory(directory)

  async function* listDirectory(below: string): AsyncGenerator<ArchiveFile> {
    const path = below === "" ? base : await resolve(below.slice(0, -1))
    if (path === null) return
    let entries
    try {
      entries = await opendir(path)
    } catch (error) {
      if (isMissing(error)) return
      throw error
    }
    for await (const entry of entries) {
      const key = `${below}${entry.name}`
      if (!key.startsWith(prefix) && !prefix.startsWith(`${key}/`)) continue
      const target = entry.isSymbolicLink() ? await resolve(key) : join(path, entry.name)
      if (target === null) continue
      const info = await stat(target).catch((error: unknown) => {
        if (isMissing(error)) return null
        throw error
      })
      if (info === null) {
        // Gone since the directory was read, as a writer's temporary and partial files are. A name that is not UTF-8
        // cannot be asked for: no file of an archive has one, and it is listed so that it is seen.
        if (entry.name.includes("\ufffd")) yield { key, size: 0 }
        continue
      }
      if (info.isDirectory()) {
        // A link to a directory above itself would never end.
        if (entry.isSymbolicLink()) throw new UnsafePathError(key, "a symbolic link to a directory")
        yield* listDirectory(`${key}/`)
      } else if (info.isFile()) {
        yield { key, size: info.size }
      }
    }
  }
}
