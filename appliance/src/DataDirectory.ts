/**
 * Where an appliance keeps everything: one directory, closed to other users, with a folder for each owner.
 */
import * as DurableFile from "@rainlogs/core/storage/DurableFile"
import { Context, Effect, Layer, Redacted, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { mkdirSync } from "node:fs"
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

/** The folders of one data directory, as absolute paths. */
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
  /** Batches that were pushed and are not committed yet: a part of the archive that is nowhere else. */
  readonly receiver: string
  /** Finished evidence bundles, and those being made; each can be made again. */
  readonly bundles: string
}>()("@rainlogs/appliance/DataDirectory") {
  /** Makes the directory (mode 0700) and its folders. */
  static readonly layer = (path: string) => Layer.effect(DataDirectory, make(path))
}

const make = Effect.fnUntraced(function*(path: string) {
  // Most often an unset variable; taken literally it would be the working directory.
  if (path === "") return yield* new DataDirectoryUnusable({ path: "\"\"", detail: "its name is empty" })
  const root = resolve(path)
  const folders = {
    root,
    archive: join(root, "archive"),
    spool: join(root, "spool"),
    signer: join(root, "signer"),
    secrets: join(root, "secrets"),
    receiver: join(root, "receiver"),
    bundles: join(root, "bundles")
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
  Effect.tryPromise({
    try: () => DurableFile.readIfPresent(file),
    catch: (cause) => new DataDirectoryUnusable({ path: file, detail: messageOf(cause) })
  }).pipe(Effect.map((bytes) => bytes === null ? undefined : new TextDecoder().decode(bytes)))

/** Replaces a small file durably (mode 0600): a reader, or a start after a crash, sees the old text or the new one. */
export const writeKept = (file: string, text: string) =>
  Effect.tryPromise({
    try: () => DurableFile.writeDurably(file, new TextEncoder().encode(text)),
    catch: (cause) => new DataDirectoryUnusable({ path: file, detail: messageOf(cause) })
  })
