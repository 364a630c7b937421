/**
 * The insider who holds database, bucket and the log's keys: writes the last 30 days of a ledger anew, one window
 * forged, all links, tiles and heads right, and has the new head anchored today by a witness that the verifier trusts.
 * Against him stands the anchor-lag rule alone (ledger format §6).
 *
 * The log's keys are not needed for it: the verification is told to accept, beside true signatures, exactly those that
 * the kit made in the log's and the clock's name.
 */
import { receiptPath } from "../Anchored.ts"
import { decode, encode as ascii } from "../Ascii.ts"
import * as Bytes from "../Bytes.ts"
import { chainHash, genesisPrev } from "../Chain.ts"
import { printCheckpoint } from "../Checkpoint.ts"
import { cosignatureMessage } from "../Cosignature.ts"
import { sign, type Verify } from "../Ed25519.ts"
import { type Entry, parseEntry, printEntry } from "../Entry.ts"
import { type Sha256, sha256 as javaScriptSha256 } from "../Hash.ts"
import { parseHeartbeat, printHeartbeat } from "../Heartbeat.ts"
import * as Hex from "../Hex.ts"
import { checkpointArchivePath, eventPath, ledgerKey, objectKey } from "../Layout.ts"
import { CompactRange, leafHash } from "../Merkle.ts"
import { type NoteSignature, parseNote, printNote, signatureLine } from "../Note.ts"
import { encodeEntryBundle, entriesPath, parseTilePath, tilePath, tileWidth } from "../Tile.ts"
import type { VerifierKey } from "../VerifierKey.ts"
import { signer } from "./ArchiveBuilder.ts"
import { type ArchiveSurvey, NothingToAttackError, readBundle } from "./ArchiveSurvey.ts"
import type { Changes } from "./OverlayReader.ts"

/** How far back the insider writes, ms. */
export const rewrittenMs = 30 * 86_400_000

const witness = signer("red-team.invalid/witness", 4, 212)

/** A rewritten ledger, and how it must be verified. */
export interface Rewritten {
  readonly changes: Changes
  /** The witness that saw the new head today. */
  readonly witness: VerifierKey
  /** Accepts what the kit signed in the name of the log and its clock. */
  readonly accepting: (verify: Verify) => Verify
  /** Entries written anew. */
  readonly entries: number
}

interface Head {
  readonly seq: number
  readonly hash: string
}

/** Rewrites what was appended in the last {@link rewrittenMs} before `now` (ms), or a reason why nothing can be. */
export const rewriteRecent = async (
  survey: ArchiveSurvey,
  now: number,
  sha256: Sha256 = javaScriptSha256
): Promise<Rewritten | { readonly notTried: string }> => {
  const { files, origin, reader, served, size } = survey
  const changes = new Map<string, Uint8Array | null>()
  const heads = new Map<string, Head>()
  const leaves: Array<Uint8Array> = []
  const levels: Array<Array<Uint8Array>> = []
  const tree = CompactRange.empty(sha256)
  const append = (text: Uint8Array): void => {
    tree.append(leafHash(text, sha256), (level, _index, hash) => {
      if (level % 8 === 0) (levels[level / 8] ??= []).push(hash)
    })
  }
  let [cut, forged] = [-1, false]
  for (let index = 0; index * tileWidth < size; index++) {
    const { entries, first } = await readBundle(reader, origin, index, size)
    for (const [at, text] of entries.slice(0, size - first).entries()) {
      const entry = parseEntry(text)
      const isForgeable = entry.kind === "object" && entry.key !== null && entry.time >= now - rewrittenMs
      if (cut < 0 && isForgeable) cut = first + at
      if (cut < 0) {
        heads.set(entry.chain, { seq: entry.seq + 1, hash: entry.hash })
        // Only the bundle in which the rewriting begins is printed again.
        if (at === 0) leaves.length = 0
        leaves.push(text)
        append(text)
        continue
      }
      // What says that the true history was anchored would contradict the new one.
      if (entry.kind === "anchored") continue
      const written = relink(await restate(entry), heads)
      const bytes = printEntry(written)
      leaves.push(bytes)
      append(bytes)
    }
  }
  if (cut < 0 || !forged) return { notTried: "no object was archived in the last 30 days" }
  publish()
  const marked = new Set<string>()
  anchorToday()
  return {
    changes,
    witness: witness.key,
    accepting: (verify) => (publicKey, message, signature) =>
      marked.has(nameOf(message, signature)) || verify(publicKey, message, signature),
    entries: tree.size - cut
  }

  // The entry with its contents as the insider wants them.
  async function restate(entry: Entry): Promise<Entry> {
    if (entry.kind === "object") {
      if (forged || entry.key === null) return entry
      forged = true
      const bytes = ascii("{\"forged\":true}\n")
      const object = Hex.encode(sha256(bytes))
      const { chain, job, window } = entry
      const key = objectKey({ chain, windowFrom: window.from, job, object, codec: "identity" })
      changes.set(entry.key, null).set(key, bytes)
      return {
        ...entry,
        object,
        key,
        size: bytes.length,
        codec: "identity",
        encryption: "none",
        dek: null,
        records: 1,
        plainSize: bytes.length,
        recordsRoot: null
      }
    }
    if (entry.kind !== "heartbeat" || entry.key === null) return entry
    const document = await reader.read(ledgerKey(origin, entry.key))
    if (document === null) throw new NothingToAttackError(`${entry.key} is missing: run rainlogs verify first`)
    const stated = [...heads].map(([chain, { hash, seq }]) => ({ chain, nextSeq: seq, hash }))
    const bytes = ascii(printHeartbeat({
      ...parseHeartbeat(decode(document)),
      treeSize: tree.size,
      heads: stated.sort((left, right) => left.chain < right.chain ? -1 : 1)
    }))
    const object = Hex.encode(sha256(bytes))
    changes.set(ledgerKey(origin, eventPath(object)), bytes)
    return { ...entry, object, key: eventPath(object), size: bytes.length }
  }

  function relink(entry: Entry, chains: Map<string, Head>): Entry {
    const { hash: prev, seq } = chains.get(entry.chain) ??
      { seq: 0, hash: Hex.encode(genesisPrev(origin, entry.chain)) }
    const hash = Hex.encode(chainHash(Hex.decode(prev, 32), Hex.decode(entry.object, 32), entry.job))
    chains.set(entry.chain, { seq: seq + 1, hash })
    return { ...entry, seq, prev, hash }
  }

  // Every tile, bundle, head and receipt that speaks of what was rewritten goes; the new ones come.
  function publish(): void {
    const begin = Math.floor(cut / tileWidth)
    for (const level of ["entries", ...levels.keys()] as const) {
      const span = level === "entries" ? tileWidth : tileWidth ** (level + 1)
      for (let index = Math.floor(cut / span); index * span < Math.max(size, tree.size); index++) {
        for (const width of files.widths(level, index).keys()) {
          const path = level === "entries" ? entriesPath(index, width) : tilePath(level, index, width)
          if (parseTilePath(path) !== null) changes.set(ledgerKey(origin, path), null)
        }
      }
    }
    for (let first = 0; first < leaves.length; first += tileWidth) {
      const bundle = leaves.slice(first, first + tileWidth)
      changes.set(
        ledgerKey(origin, entriesPath(begin + first / tileWidth, bundle.length)),
        encodeEntryBundle(bundle)
      )
    }
    for (const [level, hashes] of levels.entries()) {
      const span = tileWidth ** (level + 1)
      for (let index = Math.floor(cut / span); index * tileWidth < hashes.length; index++) {
        const tile = hashes.slice(index * tileWidth, (index + 1) * tileWidth)
        changes.set(ledgerKey(origin, tilePath(level, index, tile.length)), Bytes.concat(...tile))
      }
    }
    for (const signed of files.archivedCheckpoints.keys()) {
      if (signed > cut) changes.set(ledgerKey(origin, checkpointArchivePath(signed)), null)
    }
    for (const path of files.anchors.keys()) {
      if (Number(/^anchor\/(\d+)\//.exec(path)?.[1] ?? 0) > cut) changes.set(ledgerKey(origin, path), null)
    }
  }

  // Signs the new head in the log's and the clock's name, and has the witness cosign it at its own, true time.
  function anchorToday(): void {
    const seconds = Math.floor(now / 1000)
    const text = printCheckpoint({ origin, size: tree.size, root: tree.root() })
    const stamp = (signature: Uint8Array): Uint8Array => {
      const time = new Uint8Array(8)
      new DataView(time.buffer).setBigUint64(0, BigInt(seconds))
      return Bytes.concat(time, signature)
    }
    const forge = (message: Uint8Array): Uint8Array => {
      // No signature of the scheme: only the kit's own verification takes it.
      const signature = Bytes.concat(sha256(message), sha256(sha256(message)))
      marked.add(nameOf(message, signature))
      return signature
    }
    const lines = parseNote(served.bytes).signatures
    const own = lines.filter(({ name }) => name === origin).slice(0, 1)
      .map((line): NoteSignature => ({ ...line, signature: forge(new TextEncoder().encode(text)) }))
    const clock = lines.filter(({ name }) => name === `${origin}/clock`).slice(0, 1)
      .map((line): NoteSignature => ({ ...line, signature: stamp(forge(cosignatureMessage(seconds, text))) }))
    const immutable = printNote({ text, signatures: own })
    changes.set(ledgerKey(origin, checkpointArchivePath(tree.size)), immutable)
    changes.set(served.key, printNote({ text, signatures: [...own, ...clock] }))
    const { id, name } = witness.key
    const cosignature = stamp(sign(witness.seed, cosignatureMessage(seconds, text)))
    const receipt = new TextEncoder().encode(`${signatureLine({ name, id, signature: cosignature })}\n`)
    changes.set(ledgerKey(origin, receiptPath({ anchor: "red-team", type: "witness", size: tree.size })), receipt)
  }
}

const nameOf = (message: Uint8Array, signature: Uint8Array): string =>
  `${Hex.encode(javaScriptSha256(message))} ${Hex.encode(signature)}`
