/**
 * The first pass of making a bundle (ledger format §8): which members it has, with their sizes and hashes, and so the
 * size of the file. Of each member that may be large only the way to its bytes is kept.
 */
import { parseReceiptPath } from "../Anchored.ts"
import type { ArchiveReader } from "../ArchiveReader.ts"
import { parseCheckpoint } from "../Checkpoint.ts"
import { type Entry, type ObjectEntry, parseEntry, printEntry } from "../Entry.ts"
import { parseGenesis } from "../Genesis.ts"
import * as Hex from "../Hex.ts"
import { parseKeys } from "../Keys.ts"
import { checkpointArchivePath, checkpointKey, eventPath, ledgerKey, ledgerPrefix } from "../Layout.ts"
import { inclusionProof } from "../Merkle.ts"
import { parseNote } from "../Note.ts"
import { encodeEntryBundle, entriesPath, parseEntryBundle, tilePath, tileWidth } from "../Tile.ts"
import { tileNodes, widthsFrom } from "../TileNodes.ts"
import { printTlogProof } from "../TlogProof.ts"
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
import { printManifest } from "./Manifest.ts"
import { bundleNames } from "./OpenBundle.ts"
import { policyPlainText } from "./PolicyText.ts"
import { memberBytes, printCentralEntry, printEnd } from "./ZipFormat.ts"

/** A member before it is written: its bytes, or the object they are streamed from. */
export interface Planned {
  readonly size: number
  readonly crc: number
  readonly hash: string
  readonly bytes: () => AsyncIterable<Uint8Array>
}

/** What the first pass found: everything but the bytes, which {@link bundleBytes} reads again. */
export interface BundlePlan extends BundleSummary {
  readonly members: ReadonlyArray<readonly [string, Planned]>
}

/** The first pass: sizes and hashes of all members, and so the size of the file. */
export const planBundle = async (
  input: BundleInput,
  request: BundleRequest,
  onProgress: BundleProgress = () => {}
): Promise<BundlePlan> => {
  const { members: found, objects, size } = await planMembers(input, request, onProgress)
  const byName = ([left]: readonly [string, Planned], [right]: readonly [string, Planned]) => left < right ? -1 : 1
  const sorted = [...found].sort(byName)
  const manifest = printManifest(new Map(sorted.map(([name, { hash }]) => [name, hash])))
  const members = [...sorted, [bundleNames.manifest, await plannedBytes(input, manifest)] as const].sort(byName)
  let [offset, directory] = [0, 0]
  for (const [name, { crc, size: length }] of members) {
    const member = { name, offset, size: length, crc }
    directory += printCentralEntry(member).length
    offset += memberBytes(member)
  }
  const end = printEnd({ members: members.length, offset, size: directory })
  return { members, size, objects, bytes: offset + directory + end.length }
}

const plannedBytes = async ({ newHash }: BundleInput, bytes: Uint8Array): Promise<Planned> => {
  const hash = newHash()
  hash.update(bytes)
  return {
    size: bytes.length,
    crc: crc32(bytes),
    hash: Hex.encode(await hash.digest()),
    bytes: async function*() {
      yield bytes
    }
  }
}

interface Members {
  readonly members: ReadonlyMap<string, Planned>
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
  const members = new Map<string, Planned>()
  const archived = (path: string): string => `${bundleNames.archive}${ledgerKey(origin, path)}`
  const text = async (name: string, value: string): Promise<void> => {
    members.set(name, await plannedBytes(input, new TextEncoder().encode(value)))
  }
  // Small files are read again in the second pass instead of being held: there may be a million of them.
  const small = async (name: string, read: () => Promise<Uint8Array>): Promise<void> => {
    const { crc, hash, size: length } = await plannedBytes(input, await read())
    members.set(name, {
      size: length,
      crc,
      hash,
      bytes: async function*() {
        yield await read()
      }
    })
  }
  const file = (path: string) => async (): Promise<Uint8Array> => {
    const bytes = await reader.read(ledgerKey(origin, path))
    if (bytes === null) throw missing(ledgerKey(origin, path))
    return bytes
  }

  members.set(`${bundleNames.archive}${checkpointKey(origin)}`, await plannedBytes(input, served))
  const documents = new Set<string>()
  let [entries, objects, objectBytes] = [0, 0, 0]
  let [policy, logKey]: [Uint8Array | null, string] = [null, ""]
  let sample: ReadmeFacts["sample"] = null
  const nodes = tileNodes(reader, origin, size)
  let disclosed = 0

  const addObject = async (entry: ObjectEntry, leaf: number): Promise<void> => {
    const proof = `${bundleNames.proofs}${entry.chain}/${entry.seq}.tlog-proof`
    // Only the entry's bytes are kept until the second pass: the hashes of a proof are several times as large.
    const extra = printEntry(entry)
    await small(proof, async () => {
      const hashes = await inclusionProof(nodes, leaf, size)
      return printTlogProof({ extra, index: leaf, hashes, checkpoint })
    })
    const { key } = entry
    if (key === null || await sizeOf(reader, key) === null) return
    const name = `${bundleNames.archive}${key}`
    if (objects === mostObjects) {
      const message = `more than ${mostObjects} objects lie in the range; ask for shorter ranges, one bundle each`
      throw new BundleRequestError("too-many-objects", message)
    }
    const object = await plannedObject(input, key)
    members.set(name, object)
    objects += 1
    objectBytes += object.size
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
    await small(archived(entriesPath(index, width)), read)
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
      await small(archived(tilePath(level, index, width)), () => readTile(reader, origin, { level, index, width }))
    }
  }
  for (const hash of documents) await small(archived(eventPath(hash)), file(eventPath(hash)))
  const timestamp = await addHeads(input.reader, request, size, (path) => small(archived(path), file(path)), archived)

  await text(bundleNames.scope, printBundleScope({ origin, chain, from, to, size, disclosed: disclosed > 0 }))
  if (policy !== null) await text("policy.txt", policyPlainText(policy))
  const facts: ReadmeFacts = { origin, logKey, size, sample, timestamp, disclosed: disclosed > 0 }
  await text("README.en.txt", englishReadme(facts))
  await text("README.it.txt", italianReadme(facts))
  return { members, size, objects }
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

const missing = (key: string): BundleRequestError =>
  new BundleRequestError("incomplete", `${key} is missing; run rainlogs fsck`)

const sizeOf = async (reader: ArchiveReader, key: string): Promise<number | null> => {
  for await (const file of reader.list(key)) if (file.key === key) return file.size
  return null
}

// The first pass over an object. One that is not what its entry says is shown as it is: that is evidence, too.
const plannedObject = async (input: BundleInput, key: string): Promise<Planned> => {
  const hash = input.newHash()
  let [crc, size] = [0, 0]
  for await (const chunk of input.stream(key)) {
    hash.update(chunk)
    crc = crc32(chunk, crc)
    size += chunk.length
  }
  const sha256 = Hex.encode(await hash.digest())
  return { size, crc, hash: sha256, bytes: () => input.stream(key) }
}

// Exactly the first entries of a bundle: what was appended after the checkpoint is no part of the statement.
const readEntries = async (
  reader: ArchiveReader,
  origin: string,
  index: number,
  width: number
): Promise<Uint8Array> => {
  for (const stored of widthsFrom(width)) {
    const bytes = await reader.read(ledgerKey(origin, entriesPath(index, stored)))
    if (bytes === null) continue
    return stored === width ? bytes : encodeEntryBundle(parseEntryBundle(bytes, stored).slice(0, width))
  }
  throw missing(entriesPath(index, width))
}

const readTile = async (
  reader: ArchiveReader,
  origin: string,
  { index, level, width }: { readonly index: number; readonly level: number; readonly width: number }
): Promise<Uint8Array> => {
  for (const stored of widthsFrom(width)) {
    const bytes = await reader.read(ledgerKey(origin, tilePath(level, index, stored)))
    if (bytes !== null && bytes.length >= width * 32) return bytes.subarray(0, width * 32)
  }
  throw missing(tilePath(level, index, width))
}
