/**
 * Refuses to make new keys beside an archive that has ledgers: its own were lost, and with new ones it could neither be
 * read nor continued.
 */
import { catalogPrefix } from "@rainlogs/core/recovery/CatalogFile"
import { ledgersPrefix } from "@rainlogs/verify/Layout"
import { Config, Effect, Option, Schema } from "effect"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { DataDirectory } from "../DataDirectory.ts"

/** A key of the archive is missing; the message says which, and how to put it back. */
export class KeysLost extends Schema.TaggedError<KeysLost>()("KeysLost", {
  path: Schema.String,
  root: Schema.String
}) {
  override get message(): string {
    return `The archive in ${this.root} has ledgers, but ${this.path} is missing. Put it back from its backup, or run: ` +
      `rainlogs keys restore --data ${this.root} --sheet FILE. New keys are not made: they could not go on with the archive.`
  }
}

/** Where the signer keeps the key that wraps its own. */
export const wrappingKeyFile = (directory: DataDirectory["Service"]): string => join(directory.signer, "wrapping.key")

/** Where the master key lies, unless it comes from the environment. */
export const masterKeyFile = (directory: DataDirectory["Service"]): string => join(directory.secrets, "master.key")

/** Fails with {@link KeysLost} if the archive has ledgers or a catalog and a key that belongs to them is missing. Every command that opens the archive's keys asks it, `serve` and `rebuild` too. */
export const refuseLostKeys = Effect.gen(function*() {
  const directory = yield* DataDirectory
  const belongsToKeys = [ledgersPrefix, catalogPrefix].map((prefix) => join(directory.archive, prefix))
  if (!belongsToKeys.some((folder) => existsSync(folder) && readdirSync(folder).length > 0)) return
  const configured = yield* Config.option(Config.Redacted("RAINLOGS_MASTER_KEY"))
  // The keys of a signer process are with it.
  const remote = yield* Config.option(Config.String("RAINLOGS_SIGNER_URL"))
  const needed = [
    ...Option.isSome(remote) ? [] : [wrappingKeyFile(directory)],
    ...Option.isSome(configured) ? [] : [masterKeyFile(directory)]
  ]
  const path = needed.find((file) => !existsSync(file))
  if (path !== undefined) return yield* new KeysLost({ path, root: directory.root })
})
