/**
 * Failures of the operating system's file calls as `StorageError`, sorted by what a caller can do about them
 * (errno names of errno(3)).
 */
import { Data, Effect } from "effect"
import { type StorageCategory, StorageError } from "./ObjectStore.ts"

const categories: Readonly<Record<string, StorageCategory>> = {
  ENOSPC: "full",
  EDQUOT: "full",
  // A file size limit (RLIMIT_FSIZE) or the largest file of the file system.
  EFBIG: "full",
  EACCES: "unauthorised",
  EPERM: "unauthorised",
  EROFS: "unauthorised",
  EILSEQ: "rejected",
  EINVAL: "rejected",
  EISDIR: "rejected",
  ELOOP: "rejected",
  ENAMETOOLONG: "rejected",
  ENOTDIR: "rejected",
  ENXIO: "rejected"
}

/** A failed file call. `errno` is its name (`ENOENT`…) if it has one; `detail` says it for people. */
export class FileFault extends Data.TaggedError("FileFault")<{
  readonly errno: string | undefined
  readonly detail: string
}> {}

const errnoOf = (cause: unknown): string | undefined =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined

/** Whether a file call threw this errno, for code that is not an Effect. */
export const isErrno = (cause: unknown, errno: string): boolean => errnoOf(cause) === errno

const faultOf = (cause: unknown): FileFault => {
  const errno = errnoOf(cause)
  return new FileFault({ errno, detail: errno ?? (cause instanceof Error ? cause.message : String(cause)) })
}

/** Whether the call failed because there is no such file: also when a file stands where the path needs a directory. */
export const isMissing = ({ errno }: FileFault): boolean => errno === "ENOENT" || errno === "ENOTDIR"

/** The category of an errno name; whatever is not known to last is worth another try. */
export const categoryOf = (errno: string | undefined): StorageCategory =>
  errno === undefined ? "transient" : categories[errno] ?? "transient"

/** The failure of a file call as a storage error. `key` is the object or file it was about, never a secret. */
export const fileFailure = (operation: string, key: string, { detail, errno }: FileFault): StorageError =>
  new StorageError({ operation, key, category: categoryOf(errno), detail })

/** Runs a file call of `node:fs/promises`. */
export const tryFile = <A>(run: () => Promise<A>): Effect.Effect<A, FileFault> =>
  Effect.tryPromise({ try: run, catch: faultOf })

/** Runs a file call of `node:fs/promises` and maps its failure. */
export const fileCall = <A>(operation: string, key: string, run: () => Promise<A>): Effect.Effect<A, StorageError> =>
  Effect.mapError(tryFile(run), (fault) => fileFailure(operation, key, fault))
