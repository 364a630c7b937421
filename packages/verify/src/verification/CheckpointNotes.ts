/**
 * Signed heads: the served `checkpoint` and every `checkpoint.d/<size>`, parsed, and judged by the log's keys alone.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import * as Bytes from "../Bytes.ts"
import { type Checkpoint, parseCheckpoint } from "../Checkpoint.ts"
import type { Verify } from "../Ed25519.ts"
import { checkpointArchivePath } from "../Layout.ts"
import { MalformedError } from "../Malformed.ts"
import { type Note, parseNote, printNote, verifyNote } from "../Note.ts"
import type { VerifierKey } from "../VerifierKey.ts"
import type { Findings } from "./Findings.ts"
import type { LedgerFiles } from "./LedgerFiles.ts"
import type { LogKeys } from "./LogKeys.ts"

/** What heads are read from and judged with. */
export interface HeadSource {
  readonly reader: ArchiveReader
  readonly files: LedgerFiles
  readonly logKeys: LogKeys
  /** Reads every document for changes of keys; done when a head is signed by a key that is not known yet. */
  readonly learnKeys: () => Promise<void>
  readonly findings: Findings
  readonly verifySignature: Verify
}

/** A head that carries a valid signature of the log. */
export interface SignedHead {
  readonly key: string
  readonly checkpoint: Checkpoint
  readonly note: Note
  /** The log's key that signed it. */
  readonly signer: VerifierKey
}

const maxBytes = 1_000_000

// A checkpoint body alone, or with a blank line and nothing after it: its signatures were taken away.
const isUnsignedBody = (bytes: Uint8Array): boolean => {
  const text = new TextDecoder().decode(bytes)
  try {
    parseCheckpoint(text.endsWith("\n\n") ? text.slice(0, -1) : text)
    return true
  } catch {
    return false
  }
}

const ownLines = (note: Note, { logKeys, verifySignature }: HeadSource) =>
  verifyNote(note, logKeys.believed, verifySignature)

const readHead = async (bytes: Uint8Array, key: string, source: HeadSource): Promise<SignedHead | null> => {
  const { findings, learnKeys, logKeys } = source
  let note: Note
  let checkpoint: Checkpoint
  try {
    note = parseNote(bytes)
    checkpoint = parseCheckpoint(note.text)
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    if (isUnsignedBody(bytes)) findings.add({ code: "UNSIGNED", detail: "the checkpoint carries no signature", key })
    else findings.add({ code: "MALFORMED_CHECKPOINT", severity: "malformed", detail: error.message, key })
    return null
  }
  const ids = new Set(logKeys.believed.map(({ id }) => id))
  if (note.signatures.some((line) => line.name === logKeys.origin && !ids.has(line.id))) await learnKeys()
  const { verified: [signer], bad } = ownLines(note, source)
  if (bad.length > 0) {
    findings.add({ code: "BAD_SIGNATURE", detail: "the log's signature on the checkpoint is invalid", key })
    return null
  }
  if (signer === undefined) {
    if (note.signatures.some((line) => line.name === logKeys.origin)) {
      const detail = "the checkpoint is signed under the log's name by a key that the given one does not lead to"
      findings.add({ code: "UNKNOWN_KEY", severity: "inconclusive", detail, key })
    } else {
      findings.add({ code: "UNSIGNED", detail: "the checkpoint carries no signature of the log", key })
    }
    return null
  }
  if (checkpoint.origin !== logKeys.origin) {
    const detail = "the checkpoint is signed by the log but names another origin"
    findings.add({ code: "ORIGIN_MISMATCH", detail, key, expected: logKeys.origin, actual: checkpoint.origin })
    return null
  }
  return { key, checkpoint, note, signer }
}

/** The served checkpoint when it is validly signed by the log, else null with the finding that says why. */
export const readServedHead = async (bytes: Uint8Array | null, source: HeadSource): Promise<SignedHead | null> =>
  bytes === null ? null : readHead(bytes, `${source.files.prefix}/checkpoint`, source)

/**
 * The valid heads of `checkpoint.d/` by tree size. Each file must be exactly body, blank line and the log's own line,
 * and name the size it is stored under: anchors stamp these bytes.
 */
export const readArchivedHeads = async (source: HeadSource): Promise<Map<number, SignedHead>> => {
  const { files, findings, logKeys, reader } = source
  const heads = new Map<number, SignedHead>()
  for (const [size, fileSize] of [...files.archivedCheckpoints].sort(([left], [right]) => left - right)) {
    const key = `${files.prefix}/${checkpointArchivePath(size)}`
    const bytes = fileSize > maxBytes ? null : await reader.read(key)
    if (bytes === null) {
      const detail = fileSize > maxBytes ? `${fileSize} bytes, the limit is ${maxBytes}` : "the file vanished meanwhile"
      findings.add({ code: "MALFORMED_CHECKPOINT", severity: "malformed", detail, key })
      continue
    }
    const head = await readHead(bytes, key, source)
    if (head === null) continue
    if (head.checkpoint.size !== size) {
      const detail = "an archived checkpoint is stored under another tree size than it signs"
      const actual = String(head.checkpoint.size)
      findings.add({ code: "CHECKPOINT_MISPLACED", detail, key, expected: String(size), actual })
      continue
    }
    const own = head.note.signatures.slice(0, 1)
    if (!Bytes.equal(printNote({ text: head.note.text, signatures: own }), bytes) || own[0]?.name !== logKeys.origin) {
      const detail = "an archived checkpoint carries more than the log's own signature line"
      findings.add({ code: "MALFORMED_CHECKPOINT", severity: "malformed", detail, key })
    }
    heads.set(size, head)
  }
  return heads
}

/** All valid heads by tree size; two heads of one size should be the same. */
export const headsBySize = (
  served: SignedHead | null,
  archived: ReadonlyMap<number, SignedHead>,
  further: ReadonlyArray<SignedHead> = []
): Map<number, ReadonlyArray<SignedHead>> => {
  const heads = new Map<number, ReadonlyArray<SignedHead>>()
  for (const head of [...archived.values(), ...served === null ? [] : [served], ...further]) {
    const { size } = head.checkpoint
    heads.set(size, [...heads.get(size) ?? [], head])
  }
  return heads
}

/** The largest tree size of the heads, 0 when there is none. A loop, because there may be more than a call can take. */
export const largestSize = (heads: ReadonlyMap<number, unknown>): number => {
  let largest = 0
  for (const size of heads.keys()) largest = Math.max(largest, size)
  return largest
}
