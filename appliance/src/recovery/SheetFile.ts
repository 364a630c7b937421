/**
 * Writes the recovery sheet into the data directory: by itself at the first start, and whenever it is asked for. Which
 * sheet was made is remembered in `secrets/recovery-sheet.id`, so that a sheet that was printed and deleted stays so.
 */
import { type RecoverySecrets, secretsFingerprint } from "@rainlogs/core/recovery/RecoveryCode"
import { configuredMasterKey } from "@rainlogs/core/secrets/KmsLocal"
import { loadMasterKey } from "@rainlogs/core/secrets/MasterKeyFile"
import { archiveDomain } from "@rainlogs/server/api/CustomersHandlers"
import * as Hex from "@rainlogs/verify/Hex"
import { Clock, Effect, Option, Redacted } from "effect"
import { join } from "node:path"
import { DataDirectory, DataDirectoryUnusable, readKept, writeKept } from "../DataDirectory.ts"
import { KeysLost, masterKeyFile, wrappingKeyFile } from "./LostKeys.ts"
import { printSheet, type SheetContent, type SheetCustomer, sheetFingerprint } from "./RecoverySheet.ts"

/** Where the sheet is written. */
export const sheetFile = ({ root }: DataDirectory["Service"]): string => join(root, "recovery-sheet.txt")

const idFile = ({ secrets }: DataDirectory["Service"]): string => join(secrets, "recovery-sheet.id")

/** The secrets of the data directory, as the sheet has them. */
export const readSecrets = Effect.gen(function*() {
  const directory = yield* DataDirectory
  const wrapping = yield* readKept(wrappingKeyFile(directory))
  if (wrapping === undefined) return yield* new KeysLost({ path: wrappingKeyFile(directory), root: directory.root })
  const wrappingKey = yield* Effect.try({
    try: () => Hex.decode(wrapping.trim(), 32),
    catch: () => new DataDirectoryUnusable({ path: wrappingKeyFile(directory), detail: "it does not hold a key" })
  })
  if (Option.isSome(yield* configuredMasterKey)) return Redacted.make<RecoverySecrets>({ wrappingKey, masterKey: null })
  const master = yield* loadMasterKey(masterKeyFile(directory))
  if (Option.isNone(master)) return yield* new KeysLost({ path: masterKeyFile(directory), root: directory.root })
  return Redacted.make<RecoverySecrets>({ wrappingKey, masterKey: Redacted.value(master.value) })
})

/** What a sheet made now would say. */
export const sheetContent = Effect.fn("SheetFile.content")(function*(customers: ReadonlyArray<SheetCustomer>) {
  const { root } = yield* DataDirectory
  const content: SheetContent = {
    archiveDomain: yield* archiveDomain,
    dataDirectory: root,
    made: yield* Clock.currentTimeMillis,
    secrets: Redacted.value(yield* readSecrets),
    customers
  }
  return Redacted.make(content)
})

/** Writes the sheet (mode 0600) and remembers it. A file of that name that is no sheet of these keys is left alone. */
export const writeSheet = Effect.fn("SheetFile.write")(function*(customers: ReadonlyArray<SheetCustomer>) {
  const directory = yield* DataDirectory
  const content = Redacted.value(yield* sheetContent(customers))
  const id = secretsFingerprint(content.secrets)
  const path = sheetFile(directory)
  const present = yield* readKept(path)
  if (present !== undefined && sheetFingerprint(present) !== id) {
    return yield* new DataDirectoryUnusable({
      path,
      detail: "a file of that name is there and is no sheet of these keys; move it away, then run rainlogs keys sheet"
    })
  }
  yield* writeKept(path, printSheet(content, "paper"))
  yield* writeKept(idFile(directory), `${id}\n`)
  return path
})

/** What the first start says of the sheet. */
export type FirstSheet =
  | { readonly outcome: "written"; readonly path: string }
  | { readonly outcome: "known" }
  | { readonly outcome: "other"; readonly made: string; readonly now: string }

/** Writes the sheet if none was ever made of this data directory; `other`: one was made, of other keys than there are. */
export const writeFirstSheet = Effect.gen(function*() {
  const directory = yield* DataDirectory
  const now = secretsFingerprint(Redacted.value(yield* readSecrets))
  const made = (yield* readKept(idFile(directory)))?.trim()
  if (made === now) return { outcome: "known" } satisfies FirstSheet
  if (made !== undefined) return { outcome: "other", made, now } satisfies FirstSheet
  return { outcome: "written", path: yield* writeSheet([]) } satisfies FirstSheet
})

/** Remembers that these secrets are on a sheet, as after a restoration from it. */
export const rememberSheet = Effect.fn("SheetFile.remember")(function*(secrets: RecoverySecrets) {
  yield* writeKept(idFile(yield* DataDirectory), `${secretsFingerprint(secrets)}\n`)
})
