/**
 * Spool files: where a sealed object grows before it is stored. They are private (mode 0600), go with the scope that
 * made them, and those a killed process left are removed at the next start.
 */
import { Effect } from "effect"
import { open } from "node:fs/promises"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { writeAll } from "../storage/FileBytes.ts"
import { fileCall } from "../storage/FileFailure.ts"
import type { StorageError } from "../storage/ObjectStore.ts"
import { temporaryName } from "../storage/TemporaryFiles.ts"

/** An open spool file. */
export interface SpoolFile {
  readonly path: string
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, StorageError>
}

/** Makes a spool file in the directory; it is closed and removed when the scope closes. */
export const makeSpoolFile = Effect.fnUntraced(function*(directory: string) {
  const name = temporaryName()
  const path = join(directory, name)
  yield* Effect.addFinalizer(() =>
    // What cannot be removed now is swept at the next start.
    Effect.ignore(fileCall("spool", name, () => rm(path, { force: true })), { log: "Warn" })
  )
  const file = yield* Effect.acquireRelease(
    fileCall("spool", name, () => open(path, "wx", 0o600)),
    (file) => Effect.ignore(fileCall("spool", name, () => file.close()))
  )
  const spool: SpoolFile = { path, write: (bytes) => writeAll("spool", name, file, bytes) }
  return spool
})
