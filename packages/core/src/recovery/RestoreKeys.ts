/**
 * Puts a lost master key and a lost signer back, from the recovery code and the archive. Nothing that is there is ever
 * replaced; what is there and differs refuses the whole before anything is written.
 *
 * Written last is the signer's wrapping key: until then a start finds keys that it cannot open, or an archive without
 * keys, and refuses, so that a process killed in between leaves nothing that could begin a second ledger. Running it
 * again goes on.
 *
 * The signer goes on from the newest head in the archive: the archive must be the newest copy there is. Checkpoints that
 * were kept elsewhere show whether it is.
 */
import type { ArchiveReader } from "@rainlogs/verify/ArchiveReader"
import { equal } from "@rainlogs/verify/Bytes"
import { parseCheckpoint } from "@rainlogs/verify/Checkpoint"
import * as Hex from "@rainlogs/verify/Hex"
import { ledgerPrefix } from "@rainlogs/verify/Layout"
import { parseNote } from "@rainlogs/verify/Note"
import { sameKey } from "@rainlogs/verify/VerifierKey"
import { Effect, Redacted, Schema } from "effect"
import { mkdir } from "node:fs/promises"
import { dirname, join } from "node:path"
import { parseKeyFile } from "../ledger/SignerKeyFile.ts"
import { signerFile } from "../ledger/SignerLocal.ts"
import { lock } from "../ledger/SignerLock.ts"
import { parseState, printState } from "../ledger/SignerStateFile.ts"
import { make as kmsOf } from "../secrets/KmsLocal.ts"
import { masterKeyFault } from "../secrets/MasterKeyFile.ts"
import { createDurably, readIfPresent, writeDurably } from "../storage/DurableFile.ts"
import { archivedKeks, type ArchivedKeys, ledgerDirectories, readArchivedKeys } from "./ArchivedKeys.ts"

/** Keys were not restored; the message says why and what to do. */
export class RestoreRefused extends Schema.TaggedError<RestoreRefused>()("RestoreRefused", { detail: Schema.String }) {
  override get message(): string {
    return `Nothing was restored: ${this.detail}.`
  }
}

/** What is restored from and to. */
export interface RestoreRequest {
  readonly reader: ArchiveReader
  readonly signerDirectory: string
  readonly masterKeyFile: string
  readonly wrappingKey: Redacted.Redacted<Uint8Array>
  readonly masterKey: Redacted.Redacted<Uint8Array>
  /** Checkpoints kept elsewhere: an archive that does not reach them is refused. */
  readonly pins: ReadonlyArray<Uint8Array>
  /** Whether the master key comes from the environment, and is not to be written. */
  readonly masterKeyConfigured: boolean
}

/** What was done. */
export interface RestoredKeys {
  /** Origins whose keys were put back now, and those whose keys were there. */
  readonly restored: ReadonlyArray<string>
  readonly present: ReadonlyArray<string>
  /** Ledger directories whose keys the archive does not have: an earlier version wrote them. */
  readonly withoutKeys: ReadonlyArray<string>
}

const refused = (detail: string) => new RestoreRefused({ detail })

const checkFile = async (path: string, expected: Uint8Array, what: string): Promise<void> => {
  const stored = await readIfPresent(path)
  if (stored === null || equal(stored, expected)) return
  throw refused(`${path} is there and holds ${what} than the code. Move it away if it is not needed`)
}

const wrappingKeyText = (key: Uint8Array): Uint8Array => new TextEncoder().encode(`${Hex.encode(key)}\n`)

const checkMasterKey = async (request: RestoreRequest): Promise<void> => {
  const key = Redacted.value(request.masterKey)
  const fault = masterKeyFault(key)
  if (fault !== undefined) throw refused(fault)
  const kms = kmsOf(request.masterKey)
  for (const [customer, kek] of await archivedKeks(request.reader)) {
    const own = await Effect.runPromise(kms.currentKek(customer))
    if (own !== kek) {
      throw refused(`the archive was written with another master key: the record of ${customer} needs ${kek}`)
    }
  }
  await checkFile(request.masterKeyFile, key, "another master key")
}

// With an older archive the signer would sign a second history from its end on.
const checkPin = (pin: Uint8Array, all: ReadonlyArray<ArchivedKeys>): void => {
  const note = parseNote(pin)
  const { origin, root, size } = parseCheckpoint(note.text)
  const found = all.find((keys) => keys.origin === origin)
  if (found === undefined) throw refused(`the archive has no keys of ${origin}, whose checkpoint is given`)
  const { size: reached } = found.state
  if (size > reached) {
    throw refused(
      `the archive ends at ${reached} entries of ${origin}, and a checkpoint of ${size} is given: it is an older copy. ` +
        "Find a newer one; from this one a second history would be signed"
    )
  }
  if (size === reached && !equal(root, found.state.root)) {
    throw refused(
      `the checkpoint given for ${size} entries of ${origin} has another root than the archive's: one is forged`
    )
  }
}

// Whether the ledger's keys are there already; those of another ledger's life are refused.
const isPresent = async (path: string, keys: ArchivedKeys, wrappingKey: Uint8Array): Promise<boolean> => {
  const bytes = await readIfPresent(`${path}.keys`)
  if (bytes === null) return false
  const present = parseKeyFile(keys.origin, bytes, wrappingKey)
  if (sameKey(present.log.key, keys.keys.log.key)) return true
  throw refused(`${path}.keys holds other keys of ${keys.origin} than the archive's newest head is signed with`)
}

const putBack = async (path: string, { file, origin, state }: ArchivedKeys): Promise<void> => {
  const bytes = await readIfPresent(`${path}.state`)
  // What was signed last is never lowered.
  if (bytes === null || parseState(origin, bytes).size < state.size) {
    await writeDurably(`${path}.state`, printState(origin, state))
  }
  await createDurably(`${path}.keys`, file)
}

const restoreHeld = async (request: RestoreRequest): Promise<RestoredKeys> => {
  const { masterKeyConfigured, masterKeyFile, reader, signerDirectory } = request
  const wrappingKey = Redacted.value(request.wrappingKey)
  const all = await readArchivedKeys(reader, wrappingKey)
  if (all.length === 0) throw refused("the archive holds no sealed keys: put the newest copy of the archive back first")
  for (const pin of request.pins) checkPin(pin, all)
  await checkMasterKey(request)
  await checkFile(join(signerDirectory, "wrapping.key"), wrappingKeyText(wrappingKey), "another wrapping key")
  const [restored, present]: [Array<ArchivedKeys>, Array<string>] = [[], []]
  for (const keys of all) {
    if (await isPresent(signerFile(signerDirectory, keys.origin), keys, wrappingKey)) present.push(keys.origin)
    else restored.push(keys)
  }
  for (const keys of all) await putBack(signerFile(signerDirectory, keys.origin), keys)
  if (!masterKeyConfigured) {
    await mkdir(dirname(masterKeyFile), { recursive: true, mode: 0o700 })
    await createDurably(masterKeyFile, Redacted.value(request.masterKey))
  }
  await createDurably(join(signerDirectory, "wrapping.key"), wrappingKeyText(wrappingKey))
  const known = new Set(all.map(({ origin }) => ledgerPrefix(origin)))
  return {
    restored: restored.map(({ origin }) => origin),
    present,
    withoutKeys: [...await ledgerDirectories(reader)].filter((directory) => !known.has(directory))
  }
}

/** Restores the keys. Refused while another process uses the signer's directory. */
export const restoreKeys = (request: RestoreRequest): Effect.Effect<RestoredKeys, RestoreRefused> =>
  Effect.tryPromise({
    try: async () => {
      await mkdir(request.signerDirectory, { recursive: true, mode: 0o700 })
      const held = await lock(join(request.signerDirectory, "lock"))
      try {
        return await restoreHeld(request)
      } finally {
        await held.release()
      }
    },
    catch: (cause) =>
      cause instanceof RestoreRefused ? cause : refused(cause instanceof Error ? cause.message : String(cause))
  })
