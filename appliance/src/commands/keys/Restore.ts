/**
 * `rainlogs keys restore`: lost keys back from the recovery sheet and the archive.
 */
import { parseRecoveryCode, RecoveryCodeWrong } from "@rainlogs/core/recovery/RecoveryCode"
import { restoreKeys } from "@rainlogs/core/recovery/RestoreKeys"
import { configuredMasterKey } from "@rainlogs/core/secrets/KmsLocal"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { Console, Effect, Layer, Option, Redacted } from "effect"
import { Command, Flag } from "effect/cli"
import { open } from "node:fs/promises"
import { join } from "node:path"
import { DataDirectory } from "../../DataDirectory.ts"
import * as Logging from "../../Logging.ts"
import { masterKeyFile } from "../../recovery/LostKeys.ts"
import { rememberSheet } from "../../recovery/SheetFile.ts"
import { CommandEnded } from "../CommandEnded.ts"
import { data, dataDirectory, json, KeysCommandFailed } from "./Customers.ts"

const maxSheetBytes = 1_000_000

const readBounded = async (path: string): Promise<Uint8Array> => {
  const handle = await open(path, "r")
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(maxSheetBytes + 1), 0, maxSheetBytes + 1, 0)
    if (bytesRead > maxSheetBytes) throw new Error(`${path} is larger than any recovery sheet or checkpoint`)
    return new Uint8Array(buffer.subarray(0, bytesRead))
  } finally {
    await handle.close()
  }
}

const readStdin = async (): Promise<string> => {
  let text = ""
  for await (const chunk of process.stdin) {
    text += String(chunk)
    if (text.length > maxSheetBytes) throw new Error("more was given on stdin than any recovery code has")
  }
  return text
}

const attempt = <A>(run: () => Promise<A> | A) =>
  Effect.tryPromise({
    try: async () => run(),
    catch: (cause) =>
      cause instanceof RecoveryCodeWrong
        ? cause
        : new KeysCommandFailed({ detail: cause instanceof Error ? cause.message : String(cause) })
  })

/** `rainlogs keys restore` */
export const restore = Command.make("restore", {
  data,
  json,
  sheet: Flag.String("sheet").pipe(Flag.withDescription("File of the recovery sheet"), Flag.optional),
  pin: Flag.String("pin").pipe(
    Flag.withDescription("A checkpoint kept elsewhere, to see that the archive is not an older copy; may be repeated"),
    Flag.atLeast(0)
  ),
  codeStdin: Flag.Boolean("code-stdin").pipe(
    Flag.withDescription("Read the code from stdin: typed row by row, or scanned; end with Ctrl-D"),
    Flag.withDefault(false)
  )
}, (request) =>
  Effect.gen(function*() {
    if (Option.isSome(request.sheet) === request.codeStdin) {
      return yield* new KeysCommandFailed({ detail: "say where the code is: either --sheet FILE or --code-stdin" })
    }
    const root = yield* dataDirectory(request.data)
    const { sheet } = request
    const text = yield* attempt(() =>
      Option.isSome(sheet) ? readBounded(sheet.value).then((bytes) => new TextDecoder().decode(bytes)) : readStdin()
    )
    const secrets = yield* attempt(() => parseRecoveryCode(text))
    const pins = yield* Effect.forEach(request.pin, (path) => attempt(() => readBounded(path)))
    yield* Effect.gen(function*() {
      const directory = yield* DataDirectory
      const configured = yield* configuredMasterKey
      const masterKey = Option.isSome(configured) ? Redacted.value(configured.value) : secrets.masterKey
      if (masterKey === null) {
        return yield* new KeysCommandFailed({
          detail: "the sheet has no master key: it was in RAINLOGS_MASTER_KEY; set that, then try again"
        })
      }
      if (secrets.masterKey !== null && !Buffer.from(masterKey).equals(secrets.masterKey)) {
        return yield* new KeysCommandFailed({
          detail: "RAINLOGS_MASTER_KEY is another key than the sheet's: unset it, or use its sheet"
        })
      }
      const reader = yield* attempt(() => openDirectory(directory.archive))
      const result = yield* restoreKeys({
        reader,
        pins,
        signerDirectory: directory.signer,
        masterKeyFile: masterKeyFile(directory),
        wrappingKey: Redacted.make(secrets.wrappingKey),
        masterKey: Redacted.make(masterKey),
        masterKeyConfigured: Option.isSome(configured)
      })
      yield* rememberSheet(secrets)
      const { present, restored, withoutKeys } = result
      yield* Console.log(
        request.json
          ? JSON.stringify(result)
          : [
            `The keys of ${restored.length} ledgers are restored; those of ${present.length} were there.`,
            ...withoutKeys.map((path) => `  not in the archive: the keys of ${join(root, "archive", path)}`),
            `Go on with: rainlogs rebuild --data ${request.data}`
          ].join("\n")
      )
      if (withoutKeys.length > 0) return yield* new CommandEnded({ exitCode: 2 })
    }).pipe(Effect.provide(Layer.provideMerge(DataDirectory.layer(root), Logging.layer("Warn"))))
  }).pipe(Effect.scoped)).pipe(
    Command.withDescription(
      "Put the master key and the signer back, from the recovery sheet and the archive. What is there is never replaced; " +
        "keys that do not fit the archive are refused. Exit codes: 0 restored, 1 refused, 2 restored, but for ledgers " +
        "whose keys the archive does not have"
    ),
    Command.withExamples([
      {
        command: "rainlogs keys restore --data /var/lib/rainlogs --sheet sheet.txt",
        description: "With the archive put back at /var/lib/rainlogs/archive"
      },
      { command: "rainlogs keys restore --data /var/lib/rainlogs --code-stdin", description: "From paper" },
      {
        command: "rainlogs keys restore --data /var/lib/rainlogs --sheet sheet.txt --pin checkpoint",
        description: "And refuse an archive that is older than a checkpoint you kept"
      }
    ])
  )
