/**
 * Makes a bundle from an archive (ledger format §8): the whole ledger at its served checkpoint, and the objects of some
 * windows of one zone. Two passes over the objects: sizes and hashes first, bytes second. The same archive and the same
 * request give the same bytes.
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
import { printBundleScope } from "./BundleScope.ts"
import { crc32 } from "./Crc32.ts"
import { printManifest } from "./Manifest.ts"
import { bundleNames, type IncrementalSha256 } from "./OpenBundle.ts"
import { policyPlainText } from "./PolicyText.ts"
import { printCentralEntry, printEnd, printLocalHeader, type ZipMember } from "./ZipFormat.ts"

/** An archive that a bundle is made from. */
export interface BundleInput {
  readonly reader: ArchiveReader
  /** The bytes of an object, streamed. */
  readonly stream: (key: string) => AsyncIterable<Uint8Array>
  /** Begins a SHA-256. */
  readonly newHash: () => IncrementalSha256
  /** The data key (32 bytes) of an encrypted object; null when it was destroyed. Absent when nothing is disclosed. */
  readonly dataKey?: (entry: ObjectEntry) => Promise<Uint8Array | null>
}

/** Which objects; `[from, to)` in ms. */
export interface BundleRequest {
  readonly origin: string
  readonly chain: string
  readonly from: number
  readonly to: number
}

/** What was written. */
export interface BundleSummary {
  readonly size: number
  readonly objects: number
  readonly bytes: number
}

/** How far it has come, in bytes of objects over both passes. */
export type BundleProgress = (done: { readonly objects: number; readonly bytes: number; readonly pass: 1 | 2 }) => void

/** The archive cannot be bundled as asked; the message says why and what to do. */
export class BundleRequestError extends Error {
  override readonly name = "BundleRequestError"
}

// A member before it is written: its bytes, or the object they are streamed from.
interface Planned {
  readonly size: number
  readonly crc: number
  readonly hash: string
  readonly bytes: () => AsyncIterable<Uint8Array>
}

/** Yields the bundle's bytes in order, and returns what it holds. */
export async function* writeBundle(
  input: BundleInput,
  request: BundleRequest,
  onProgress: BundleProgress = () => {}
): AsyncGenerator<Uint8Array, BundleSummary> {
  const plan = await planBundle(input, request, onProgress)
  const sorted = [...plan.members].sort(([left], [right]) => left < right ? -1 : 1)
  const manifest = printManifest(new Map(sorted.map(([name, { hash }]) => [name, hash])))
  const all: Array<readonly [string, Planned]> = [...sorted, [
    bundleNames.manifest,
    await plannedBytes(input, manifest)
  ]]
  all.sort(([left], [right]) => left < right ? -1 : 1)
  const members: Array<ZipMember> = []
  let offset = 0
  for (const [name, planned] of all) {
    const member = { name, offset, size: planned.size, crc: planned.crc }
    const header = printLocalHeader(member)
    yield header
    let written = 0
    for await (const chunk of planned.bytes()) {
      written += chunk.length
      yield chunk
    }
    if (written !== planned.size) {
      throw new BundleRequestError(`${name} changed while it was read; make the bundle again`)
    }
    members.push(member)
    offset += header.length + planned.size
  }
  let directory = 0
  for (const member of members) {
    const entry = printCentralEntry(member)
    directory += entry.length
    yield entry
  }
  const end = printEnd({ members: members.length, offset, size: directory })
  yield end
  return { size: plan.size, objects: plan.objects, bytes: offset + directory + end.length }
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

interface Plan {
  readonly members: ReadonlyMap<string, Planned>
  readonly size: number
  readonly objects: number
}

const planBundle = async (input: BundleInput, request: BundleRequest, onProgress: BundleProgress): Promise<Plan> => {
  const { reader } = input
  const { chain, from, origin, to } = request
  const served = await reader.read(checkpointKey(origin))
  if (served === null) {
    throw new BundleRequestError(`nothing is published yet for ${origin}; wait for the first publication`)
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
    if (bytes === null) throw new BundleRequestError(`${ledgerKey(origin, path)} is missing; run rainlogs fsck`)
    return bytes
  }

  members.set(`${bundleNames.archive}${checkpointKey(origin)}`, await plannedBytes(input, served))
  const documents = new Set<string>()
  let [objects, policy, logKey]: [number, Uint8Array | null, string] = [0, null, ""]
  let sample: ReadmeFacts["sample"] = null
  const nodes = tileNodes(reader, origin, size)
  let disclosed = 0

  const addObject = async (entry: ObjectEntry, leaf: number): Promise<void> => {
    const hashes = await inclusionProof(nodes, leaf, size)
    const proof = `${bundleNames.proofs}${entry.chain}/${entry.seq}.tlog-proof`
    await small(proof, async () => printTlogProof({ extra: printEntry(entry), index: leaf, hashes, checkpoint }))
    const { key } = entry
    if (key === null || await sizeOf(reader, key) === null) return
    const name = `${bundleNames.archive}${key}`
    members.set(name, await plannedObject(input, key))
    objects += 1
    onProgress({ objects, bytes: entry.size, pass: 1 })
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
    }
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
  throw new BundleRequestError(`${entriesPath(index, width)} is missing; run rainlogs fsck`)
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
  throw new BundleRequestError(`${tilePath(level, index, width)} is missing; run rainlogs fsck`)
}
