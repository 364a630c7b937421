/**
 * One look of a monitor at a live ledger: the served checkpoint must be signed, must extend the one that was pinned
 * before, and must not be old. What it sees is what the log cannot take back later.
 */
import type { ArchiveReader } from "./ArchiveReader.ts"
import * as Bytes from "./Bytes.ts"
import { parseCheckpoint } from "./Checkpoint.ts"
import { type Verify, verify } from "./Ed25519.ts"
import type { EquivocationProof } from "./EquivocationProof.ts"
import { checkpointKey } from "./Layout.ts"
import { consistencyProof, subtreeRoot, verifyConsistency } from "./Merkle.ts"
import { type Note, parseNote, printNote, verifyNote } from "./Note.ts"
import { tileNodes } from "./TileNodes.ts"
import type { VerifierKey } from "./VerifierKey.ts"

/** What a look is judged with; times in ms. */
export interface WatchOptions {
  /** Keys of the log (type 1), newest and older ones, and of its clock (type 4). */
  readonly keys: ReadonlyArray<VerifierKey>
  /** The note that was pinned by the look before; null at the first. */
  readonly pinned: Uint8Array | null
  readonly now: number
  /** How old the clock's cosignature may be; null when age is not judged. */
  readonly maxAge: number | null
  readonly verifySignature?: Verify
}

/** What a look came to. `pin` is what the next look must extend. */
export interface WatchResult {
  readonly outcome: "fine" | "alarm"
  /** `CHECKPOINT_MISSING`, `BAD_SIGNATURE`, `UNKNOWN_KEY`, `EQUIVOCATION`, `ROLLED_BACK`, `INCONSISTENT_TILES`, `STALE`; null when fine. */
  readonly code: string | null
  readonly detail: string
  readonly size: number
  readonly pin: Uint8Array | null
  readonly proof: EquivocationProof | null
}

const logKeys = (keys: ReadonlyArray<VerifierKey>): ReadonlyArray<VerifierKey> => keys.filter(({ type }) => type === 1)

/** Reads the served checkpoint and judges it; rejects when storage cannot be read or the checkpoint is malformed. */
export const watchCheckpoint = async (reader: ArchiveReader, options: WatchOptions): Promise<WatchResult> => {
  const { keys, pinned, verifySignature = verify } = options
  const [first] = logKeys(keys)
  if (first === undefined) throw new RangeError("a key of type 1 is needed")
  const origin = first.name
  const before = pinned === null
    ? null
    : { note: parseNote(pinned), checkpoint: parseCheckpoint(parseNote(pinned).text) }
  const alarm = (code: string, detail: string, size = 0, proof: EquivocationProof | null = null): WatchResult => ({
    outcome: "alarm",
    code,
    detail,
    size,
    pin: pinned,
    proof
  })
  const bytes = await reader.read(checkpointKey(origin))
  if (bytes === null) return alarm("CHECKPOINT_MISSING", "no checkpoint is served")
  const note = parseNote(bytes)
  const checkpoint = parseCheckpoint(note.text)
  const { size } = checkpoint
  const { bad, verified } = verifyNote(note, logKeys(keys), verifySignature)
  if (bad.length > 0) return alarm("BAD_SIGNATURE", "the log's signature on the served checkpoint is invalid", size)
  if (verified.length === 0 || checkpoint.origin !== origin) {
    return alarm("UNKNOWN_KEY", "the served checkpoint is not signed by a given key of the log", size)
  }
  if (before !== null) {
    const objection = await extendsPinned(reader, before, { note, checkpoint })
    if (objection !== null) return alarm(objection.code, objection.detail, size, objection.proof)
  }
  const age = ageOf(note, options)
  if (options.maxAge !== null && (age === null || age > options.maxAge)) {
    const said = age === null ? "no known clock cosigned it" : `the clock cosigned it ${Math.round(age / 1000)} s ago`
    return { ...alarm("STALE", `the served checkpoint is old: ${said}`, size), pin: bytes }
  }
  return { outcome: "fine", code: null, detail: `${size} entries`, size, pin: bytes, proof: null }
}

interface Seen {
  readonly note: Note
  readonly checkpoint: ReturnType<typeof parseCheckpoint>
}

const extendsPinned = async (reader: ArchiveReader, before: Seen, now: Seen) => {
  const [older, newer] = [before.checkpoint, now.checkpoint]
  const notes = { first: printNote(before.note), second: printNote(now.note) }
  if (newer.size < older.size) {
    const detail = `the served checkpoint is of ${newer.size} entries, but ${older.size} were signed before`
    return { code: "ROLLED_BACK", detail, proof: null }
  }
  if (newer.size === older.size) {
    if (Bytes.equal(newer.root, older.root)) return null
    return { code: "EQUIVOCATION", detail: "the log signed two roots for one size", proof: { ...notes, prefix: null } }
  }
  if (older.size === 0) return null
  const read = tileNodes(reader, newer.origin, newer.size)
  const root = await subtreeRoot(read, older.size)
  const proof = await consistencyProof(read, older.size, newer.size)
  const claim = { size1: older.size, size2: newer.size, root1: root, root2: newer.root, proof }
  if (!verifyConsistency(claim)) {
    return { code: "INCONSISTENT_TILES", detail: "the tiles do not lead to the served checkpoint's root", proof: null }
  }
  if (Bytes.equal(root, older.root)) return null
  const detail = `the served tree has another root at ${older.size} entries than the one that was signed before`
  return { code: "EQUIVOCATION", detail, proof: { ...notes, prefix: { root, proof } } }
}

const ageOf = (note: Note, { keys, now, verifySignature = verify }: WatchOptions): number | null => {
  const { timestamps } = verifyNote(note, keys.filter(({ type }) => type === 4), verifySignature)
  const seconds = Math.max(...timestamps.values())
  return Number.isFinite(seconds) ? now - seconds * 1000 : null
}
