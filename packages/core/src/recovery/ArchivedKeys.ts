/**
 * What an archive says of its signer: the sealed keys of every ledger, and the newest head that each of them signed.
 */
import type { ArchiveReader } from "@rainlogs/verify/ArchiveReader"
import { parseCheckpoint } from "@rainlogs/verify/Checkpoint"
import { parseGenesis } from "@rainlogs/verify/Genesis"
import { eventPath, ledgerPrefix, ledgersPrefix } from "@rainlogs/verify/Layout"
import { MalformedError } from "@rainlogs/verify/Malformed"
import { emptyRoot } from "@rainlogs/verify/Merkle"
import { verify as verifySignature } from "@rainlogs/verify/node/NativeEd25519"
import { parseNote, verifyNote } from "@rainlogs/verify/Note"
import { sameKey } from "@rainlogs/verify/VerifierKey"
import type { CustomerId } from "../domain/Identifier.ts"
import { originOfKeyFile, parseKeyFile, type SignerKeys } from "../ledger/SignerKeyFile.ts"
import type { StoredState } from "../ledger/SignerStateFile.ts"
import { catalogCustomer, catalogPrefix, parseCatalogFile } from "./CatalogFile.ts"
import { signerCatalogPrefix } from "./SignerCatalog.ts"

/** The keys that go on with a ledger, as their file, and what they signed last. */
export interface ArchivedKeys {
  readonly origin: string
  readonly keys: SignerKeys
  readonly file: Uint8Array
  readonly state: StoredState
}

interface Candidate {
  readonly keys: SignerKeys
  readonly file: Uint8Array
}

interface Head extends StoredState {
  readonly signer: Candidate
}

const readHead = async (
  reader: ArchiveReader,
  key: string,
  candidates: ReadonlyArray<Candidate>
): Promise<Head | null> => {
  const bytes = await reader.read(key)
  if (bytes === null) return null
  const note = parseNote(bytes)
  const { root, size } = parseCheckpoint(note.text)
  for (const signer of candidates) {
    const { clock, log } = signer.keys
    const { bad, timestamps, verified } = verifyNote(note, [log.key, clock.key], verifySignature)
    if (bad.length > 0 || !verified.some((verifiedKey) => sameKey(verifiedKey, log.key))) continue
    return { size, root, clock: Number(timestamps.get(clock.key) ?? 0), signer }
  }
  throw new Error(
    `${key} is the newest head of its ledger, and no key in ${signerCatalogPrefix} signed it: put the newest copy of ` +
      "the archive back, or restore signer/ from its backup"
  )
}

const newestHead = async (
  reader: ArchiveReader,
  origin: string,
  candidates: ReadonlyArray<Candidate>
): Promise<Head | null> => {
  const prefix = ledgerPrefix(origin)
  let last = ""
  for await (const { key } of reader.list(`${prefix}/checkpoint.d/`)) if (key > last) last = key
  const archived = last === "" ? null : await readHead(reader, last, candidates)
  // A head is archived before it is served. Only the served one tells the time of the clock.
  const bytes = await reader.read(`${prefix}/checkpoint`)
  if (bytes === null) return archived
  const size = parseCheckpoint(parseNote(bytes).text).size
  if (archived !== null && size < archived.size) return archived
  return readHead(reader, `${prefix}/checkpoint`, candidates)
}

// A ledger without a head: the keys that its genesis names, or the only ones there are.
const unpublished = async (
  reader: ArchiveReader,
  origin: string,
  candidates: ReadonlyArray<Candidate>
): Promise<Candidate> => {
  for await (const { key } of reader.list(`${ledgerPrefix(origin)}/${eventPath("")}`)) {
    const bytes = await reader.read(key)
    if (bytes === null) continue
    try {
      const { log } = parseGenesis(parseNote(bytes).text)
      const named = candidates.find(({ keys }) => sameKey(keys.log.key, log))
      if (named !== undefined) return named
    } catch (error) {
      // Most documents are of another kind.
      if (!(error instanceof MalformedError)) throw error
    }
  }
  const [only] = candidates
  if (only !== undefined && candidates.length === 1) return only
  throw new Error(
    `${origin} has several keys and no head that says which one is in use: restore signer/ from its backup`
  )
}

/**
 * The keys of every ledger, opened with the signer's wrapping key. Rejects with what is wrong and what to do: most
 * often the wrapping key is another one.
 */
export const readArchivedKeys = async (
  reader: ArchiveReader,
  wrappingKey: Uint8Array
): Promise<ReadonlyArray<ArchivedKeys>> => {
  const byOrigin = new Map<string, Array<Candidate>>()
  for await (const { key } of reader.list(signerCatalogPrefix)) {
    const file = await reader.read(key)
    if (file === null) continue
    const origin = originOfKeyFile(file)
    try {
      const candidate = { keys: parseKeyFile(origin, file, wrappingKey), file }
      byOrigin.set(origin, [...byOrigin.get(origin) ?? [], candidate])
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      throw new Error(`this code is not of this archive: ${key} does not open with it`, { cause: error })
    }
  }
  const found: Array<ArchivedKeys> = []
  for (const [origin, candidates] of byOrigin) {
    const head = await newestHead(reader, origin, candidates)
    const { file, keys } = head?.signer ?? await unpublished(reader, origin, candidates)
    const state = head === null
      ? { size: 0, root: emptyRoot, clock: 0 }
      : { size: head.size, root: head.root, clock: head.clock }
    found.push({ origin, keys, file, state })
  }
  return found
}

/** The ids of the key-encryption keys that the customers' catalog was sealed with, by customer. */
export const archivedKeks = async (reader: ArchiveReader): Promise<ReadonlyMap<CustomerId, string>> => {
  const keks = new Map<CustomerId, string>()
  for await (const { key } of reader.list(catalogPrefix)) {
    const customer = catalogCustomer(key)
    const bytes = customer === null ? null : await reader.read(key)
    if (customer === null || bytes === null) continue
    keks.set(customer, parseCatalogFile(customer, bytes).kek)
  }
  return keks
}

/** The directories of the ledgers in the archive, whether their keys are known or not. */
export const ledgerDirectories = async (reader: ArchiveReader): Promise<ReadonlySet<string>> => {
  const directories = new Set<string>()
  for await (const { key } of reader.list(`${ledgersPrefix}/`)) directories.add(key.split("/").slice(0, 3).join("/"))
  return directories
}
