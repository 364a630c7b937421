/**
 * Where an appliance keeps everything: one directory, closed to other users, with a folder for each owner.
 */
import { Context, Effect, Layer, Redacted, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs"
import { join, resolve } from "node:path"

/** The data directory could not be made or read. */
export class DataDirectoryUnusable extends Schema.TaggedError<DataDirectoryUnusable>()("DataDirectoryUnusable", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `The data directory ${this.path} cannot be used: ${this.detail}. Choose another with --data DIR.`
  }
}

export class DataDirectory extends Context.Service<DataDirectory, {
  readonly root: string
  /** The object store: `logs/…`, `keys/…` and `integrity/v1/…`. */
  readonly archive: string
  /** Windows being sealed; emptied at start. */
  readonly spool: string
  /** Log and clock keys, and the signer's own state. */
  readonly signer: string
  /** The master key. */
  readonly secrets: string
}>()("@rainlogs/appliance/DataDirectory") {
  /** Makes the directory (mode 0700) and its folders. */
  static readonly layer = (path: string) => Layer.effect(DataDirectory, make(path))
}

const make = Effect.fnUntraced(function*(path: string) {
  const root = resolve(path)
  const folders = {
    root,
    archive: join(root, "archive"),
    spool: join(root, "spool"),
    signer: join(root, "signer"),
    secrets: join(root, "secrets")
  }
  yield* Effect.try({
    try: () => {
      for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true, mode: 0o700 })
    },
    catch: (cause) => new DataDirectoryUnusable({ path: root, detail: messageOf(cause) })
  })
  return DataDirectory.of(folders)
})

const messageOf = (cause: unknown) => cause instanceof Error ? cause.message : String(cause)

/** A small secret kept in a file (mode 0600): the one that is there, or a new random one of 32 bytes as hex. */
export const keptSecret = Effect.fn("DataDirectory.keptSecret")(function*(file: string) {
  const found = yield* readKept(file)
  if (found !== undefined) return Redacted.make(found.trim())
  const secret = randomBytes(32).toString("hex")
  yield* writeKept(file, `${secret}\n`)
  return Redacted.make(secret)
})

/** The text of a small file, or undefined if there is none. */
export const readKept = (file: string) =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(readFileSync(file, "utf8"))
    } catch (cause) {
      if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return Effect.undefined
      return Effect.fail(new DataDirectoryUnusable({ path: file, detail: messageOf(cause) }))
    }
  })

/** Replaces a small file durably (mode 0600): a reader, or a start after a crash, sees the old text or the new one. */
export const writeKept = (file: string, text: string) =>
  Effect.try({
    try: () => {
      const temporary = `${file}.new`
      const handle = openSync(temporary, "w", 0o600)
      try {
        writeSync(handle, text)
        fsyncSync(handle)
      } finally {
        closeSync(handle)
      }
      renameSync(temporary, file)
    },
    catch: (cause) => new DataDirectoryUnusable({ path: file, detail: messageOf(cause) })
  })
