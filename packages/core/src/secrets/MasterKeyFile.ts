/**
 * The file that holds the master key: exactly 32 raw bytes, readable by its owner alone. It is never overwritten.
 */
import { Effect, Option, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { link, mkdir, open, rm } from "node:fs/promises"
import { dirname } from "node:path"
import { syncDirectory, writeTemporary } from "../storage/DurableFile.ts"
import { type FileFault, isErrno, isMissing, tryFile } from "../storage/FileFailure.ts"
import { KmsError } from "./Kms.ts"

const keyBytes = 32

/** Why these bytes cannot be a master key, or undefined. */
export const masterKeyFault = (key: Uint8Array): string | undefined =>
  key.length !== keyBytes
    ? `a master key has ${keyBytes} bytes, not ${key.length}`
    : key.every((byte) => byte === 0)
    ? "the master key is all zero"
    : undefined

const failure = (file: string, detail: string) =>
  new KmsError({ operation: "open", kek: "-", detail: `master key file ${file}: ${detail}` })

const failed = (file: string) => (fault: FileFault) => failure(file, fault.detail)

const readPrivate = async (file: string) => {
  const handle = await open(file, "r")
  try {
    const { mode } = await handle.stat()
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(keyBytes + 1), 0, keyBytes + 1, 0)
    return { mode, key: new Uint8Array(buffer.subarray(0, bytesRead)) }
  } finally {
    await handle.close()
  }
}

/** Reads the master key; none if there is no file. A file that others can read, or that holds no key, is refused. */
export const loadMasterKey = Effect.fn("MasterKeyFile.load")(function*(file: string) {
  const read = yield* tryFile(() => readPrivate(file)).pipe(
    Effect.asSome,
    Effect.catch((fault) => isMissing(fault) ? Effect.succeedNone : Effect.fail(failed(file)(fault)))
  )
  if (Option.isNone(read)) return Option.none<Redacted.Redacted<Uint8Array>>()
  const { key, mode } = read.value
  if ((mode & 0o077) !== 0) {
    const text = (mode & 0o777).toString(8).padStart(4, "0")
    return yield* failure(
      file,
      `its mode is ${text}, so others can read it: chmod 600, and replace the key if they may have`
    )
  }
  const fault = masterKeyFault(key)
  if (fault !== undefined) return yield* failure(file, fault)
  return Option.some(Redacted.make(key, { label: "master key" }))
})

// Complete and fsynced before it has its name, so a crash leaves a whole key or none; of two processes one wins.
const makeFile = async (file: string): Promise<void> => {
  const directory = dirname(file)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const temporary = await writeTemporary(file, randomBytes(keyBytes))
  try {
    await link(temporary, file)
  } catch (cause) {
    if (!isErrno(cause, "EEXIST")) throw cause
  } finally {
    await rm(temporary, { force: true })
  }
  await syncDirectory(directory)
}

/** Reads the master key; makes a random one (mode 0600, durable) if there is no file. */
export const loadOrMakeMasterKey = Effect.fn("MasterKeyFile.loadOrMake")(function*(file: string) {
  const present = yield* loadMasterKey(file)
  if (Option.isSome(present)) return present.value
  yield* Effect.mapError(tryFile(() => makeFile(file)), failed(file))
  const made = yield* loadMasterKey(file)
  return Option.isSome(made) ? made.value : yield* failure(file, "it disappeared while it was made")
})
