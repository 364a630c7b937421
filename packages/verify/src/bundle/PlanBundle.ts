/**
 * The first pass of making a bundle (ledger format §8): which members it has, with their sizes and hashes, and so the
 * size of the file. Of each member that may be large only the way to its bytes is kept.
 */
import { parseReceiptPath } from "../Anchored.ts"
import type { ArchiveReader } from "../ArchiveReader.ts"
import { parseCheckpoint } from "../Checkpoint.ts"
import { type Entry, type ObjectEntry, parseEntry } from "../Entry.ts"
import { parseGenesis } from "../Genesis.ts"
import * as Hex from "../Hex.ts"
import { parseKeys } from "../Keys.ts"
import { checkpointArchivePath, checkpointKey, eventPath, ledgerKey, ledgerPrefix } from "../Layout.ts"
import { parseNote } from "../Note.ts"
import { entriesPath, parseEntryBundle, tilePath, tileWidth } from "../Tile.ts"
import { parseTombstone } from "../Tombstone.ts"
import { printVerifierKey } from "../VerifierKey.ts"
import { englishReadme, italianReadme, type ReadmeFacts } from "./BundleReadme.ts"
import {
  type BundleInput,
  type BundleProgress,
  type BundleRequest,
  BundleRequestError,
  type BundleSummary
} from "./BundleRequest.ts"
import { printBundleScope } from "./BundleScope.ts"
import { crc32 } from "./Crc32.ts"
import { leafProofs } from "./LeafProofs.ts"
import { missing, readEntries, readTile } from "./LedgerFiles.ts"
import { manifestPieces } from "./Manifest.ts"
import { type MemberFacts, MemberTable, type TableMember } from "./MemberTable.ts"
import { bundleNames } from "./OpenBundle.ts"
import { policyPlainText } from "./PolicyText.ts"
import { memberBytes, printCentralEntry, printEnd } from "./ZipFormat.ts"

/** What the first pass found: everything but the bytes, which `bundleBytes` reads again. */
export interface BundlePlan extends BundleSummary {
  readonly members: MemberTable
  /** The bytes of a member. */
  readonly read: (member: TableMember) => AsyncIterable<Uint8Array>
}

/** The first pass: sizes and hashes of all members, and so the size of the file. */
export const planBundle = async (
  input: BundleInput,
  request: BundleRequest,
  onProgress: BundleProgress = () => {}
): Promise<BundlePlan> => {
  const { members, objects, read, size } = await planMembers(input, request, onProgress)
  // The manifest names what is there now, and is then a member like any other.
  const listed = members.count
  const manifest = async function*(): AsyncGenerator<Uint8Array> {
    yield* manifestPieces(others(members, listed))
  }
  members.add(bundleNames.manifest, await factsOf(input, manifest()), { kind: "file", bytes: manifest })
  let [offset, directory] = [0, 0]
  for (const { crc, name, size: length } of members.sorted()) {
    const member = { name, offset, size: length, crc }
    directory += printCentralEntry(member).length
    offset += memberBytes(member)
  }
  const end = printEnd({ members: members.count, offset, size: directory })
  return { members, read, size, objects, bytes: offset + directory + end.length }
}

// Every member but the manifest, sorted; `listed` is how many that are.
function* others(members: MemberTable, listed: number): Generator<readonly [name: string, hash: string]> {
  let count = 0
  for (const { hash, name } of members.sorted()) {
    if (name === bundleNames.manifest) continue
    count += 1
    yield [name, hash]
  }
  if (count !== listed) throw new RangeError(`the manifest lists ${listed} members, and there are ${count}`)
}

const factsOf = async ({ newHash }: BundleInput, bytes: AsyncIterable<Uint8Array>): Promise<MemberFacts> => {
  const hash = newHash()
  let [crc, size] = [0, 0]
  for await (const chunk of bytes) {
    hash.update(chunk)
    crc = crc32(chunk, crc)
    size += chunk.length
  }
  return { size, crc, hash: Hex.encode(await hash.digest()) }
}

const once = (read: () => Promise<Uint8Array>) =>
  async function*(): AsyncGenerator<Uint8Array> {
    yield await read()
  }

interface Members extends Pick<BundlePlan, "members" | "read"> {
  readonly size: number
  readonly objects: number
}

const planMembers = async (
  input: BundleInput,
  request: BundleRequest,
  onProgress: BundleProgress
): Promise<Members> => {
  const { reader } = input
  const { chain, from, mostObjects = Number.POSITIVE_INFINITY, origin, to } = request
  const served = await reader.read(checkpointKey(origin))
  if (served === null) {
    throw new BundleRequestError(
      "unpublished",
      `nothing is published yet for ${origin}; wait for the first publication`
    )
  }
  const checkpoint = parseNote(served)
  const { size } = parseCheckpoint(checkpoint.text)
  const members = new MemberTable()
  const proofOf = leafProofs(reader, origin, size, checkpoint)
  const archived = (path: string): string => `${bundleNames.archive}${ledgerKey(origin, path)}`
  // Ledger files are read again in the second pass instead of being held: there may be a million of them.
  const add = async (name: string, read: () => Promise<Uint8Array>): Promise<void> => {
    const bytes = once(read)
    members.add(name, await factsOf(input, bytes()), { kind: "file", bytes })
  }
  const text = (name: string, value: string): Promise<void> =>
    add(name, () => Promise.resolve(new TextEncoder().encode(value)))
  const file = (path: string) => async (): Promise<Uint8Array> => {
    const bytes = await reader.read(ledgerKey(origin, path))
    if (bytes === null) throw missing(ledgerKey(origin, path))
    return bytes
  }

  await add(`${bundleNames.archive}${checkpointKey(origin)}`, () => Promise.resolve(served))
  const documents = new Set<string>()
  let [entries, objects, objectBytes] = [0, 0, 0]
  let [policy, logKey]: [Uint8Array | null, string] = [null, ""]
  let sample: ReadmeFacts["sample"] = null
  let disclosed = 0

  const addObject = async (entry: ObjectEntry, leaf: number): Promise<void> => {
    const proof = `${bundleNames.proofs}${entry.chain}/${entry.seq}.tlog-proof`
    members.add(proof, await factsOf(input, once(() => proofOf(leaf))()), { kind: "proof", leaf })
    const { key } = entry
    if (key === null || await sizeOf(reader, key) === null) return
    const name = `${bundleNames.archive}${key}`
    if (objects === mostObjects) {
      const message = `more than ${mostObjects} objects lie in the range; ask for shorter ranges, one bundle each`
      throw new BundleRequestError("too-many-objects", message)
    }
    // One that is not what its entry says is shown as it is: that is evidence, too.
    const facts = await factsOf(input, input.stream(key))
    members.add(name, facts, { kind: "object" })
    objects += 1
    objectBytes += facts.size
    onProgress({ entries, objects, bytes: objectBytes })
    sample ??= { proof, object: name }
    const dataKey = input.dataKey === undefined || entry.dek === null ? null : await input.dataKey(entry)
    if (dataKey === null) return
    disclosed += 1
    await text(`${bundleNames.disclosed}${entry.job}.key`, `${Hex.encode(dataKey)}\n`)
  }

  const addEntry = async (entry: Entry, leaf: number): Promise<void> => {
    if (entry.kind !== "object") {
      documents.add(entry.object)
      const bytes = await file(eventPath(entry.object))()
      if (entry.kind === "policy") policy = bytes
      if (entry.kind === "genesis") logKey = printVerifierKey(parseGenesis(parseNote(bytes).text).log)
      if (entry.kind === "keys") logKey = printVerifierKey(parseKeys(parseNote(bytes).text).log)
      const evidence = entry.kind === "tombstone" ? parseTombstone(parseNote(bytes).text).done?.evidence ?? null : null
      if (evidence !== null) documents.add(evidence)
      return
    }
    if (entry.params !== null) documents.add(entry.params)
    if (entry.chain === chain && entry.window.from < to && from < entry.window.to) await addObject(entry, leaf)
  }

  for (let index = 0; index * tileWidth < size; index++) {
    const width = Math.min(tileWidth, size - index * tileWidth)
    const read = () => readEntries(reader, origin, index, width)
    const bundle = await read()
    await add(archived(entriesPath(index, width)), read)
    for (const [at, bytes] of parseEntryBundle(bundle, width).entries()) {
      await addEntry(parseEntry(bytes), index * tileWidth + at)
      entries += 1
    }
    onProgress({ entries, objects, bytes: objectBytes })
  }
  for (let level = 0; Math.floor(size / tileWidth ** level) > 0; level++) {
    const hashes = Math.floor(size / tileWidth ** level)
    for (let index = 0; index * tileWidth < hashes; index++) {
      const width = Math.min(tileWidth, hashes - index * tileWidth)
      await add(archived(tilePath(level, index, width)), () => readTile(reader, origin, { level, index, width }))
    }
  }
  for (const hash of documents) await add(archived(eventPath(hash)), file(eventPath(hash)))
  const timestamp = await addHeads(input.reader, request, size, (path) => add(archived(path), file(path)), archived)

  await text(bundleNames.scope, printBundleScope({ origin, chain, from, to, size, disclosed: disclosed > 0 }))
  if (policy !== null) await text("policy.txt", policyPlainText(policy))
  const facts: ReadmeFacts = { origin, logKey, size, sample, timestamp, disclosed: disclosed > 0 }
  await text("README.en.txt", englishReadme(facts))
  await text("README.it.txt", italianReadme(facts))
  const readMember = ({ name, source }: TableMember): AsyncIterable<Uint8Array> => {
    switch (source.kind) {
      case "file":
        return source.bytes()
      case "object":
        return input.stream(name.slice(bundleNames.archive.length))
      case "proof":
        return once(() => proofOf(source.leaf))()
    }
  }
  return { members, size, objects, read: readMember }
}

// The archived heads and the receipts up to the size; answers the newest timestamp and what it stamps.
const addHeads = async (
  reader: ArchiveReader,
  { origin }: BundleRequest,
  size: number,
  add: (path: string) => Promise<void>,
  archived: (path: string) => string
): Promise<ReadmeFacts["timestamp"]> => {
  const prefix = ledgerPrefix(origin)
  let newest: { readonly size: number; readonly path: string } | null = null
  for await (const { key } of reader.list(`${prefix}/checkpoint.d/`)) {
    const path = key.slice(prefix.length + 1)
    if (/^checkpoint\.d\/[0-9]{20}$/.test(path) && Number(path.slice(-20)) <= size) await add(path)
  }
  for await (const { key } of reader.list(`${prefix}/anchor/`)) {
    const path = key.slice(prefix.length + 1)
    const receipt = parseReceiptPath(path)
    if (receipt === null || receipt.size > size) continue
    await add(path)
    if (receipt.extension === "tsr" && receipt.size >= (newest?.size ?? 0)) newest = { size: receipt.size, path }
  }
  return newest === null
    ? null
    : { receipt: archived(newest.path), checkpoint: archived(checkpointArchivePath(newest.size)) }
}

const sizeOf = async (reader: ArchiveReader, key: string): Promise<number | null> => {
  for await (const file of reader.list(key)) if (file.key === key) return file.size
  return null
}
