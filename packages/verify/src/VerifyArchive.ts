/**
 * Verifies one ledger of an archive from its stored files alone (ledger format §8): no server, no database, no trust in
 * anything but the given log key.
 */
import { type ArchiveReader, FileTooLargeError } from "./ArchiveReader.ts"
import { type Verify, verify } from "./Ed25519.ts"
import { type Sha256, sha256 as javaScriptSha256 } from "./Hash.ts"
import { checkpointKey } from "./Layout.ts"
import { type Report, verdictOf } from "./Report.ts"
import { ChainReplay } from "./verification/ChainReplay.ts"
import { headsBySize, largestSize, readArchivedHeads, readServedHead } from "./verification/CheckpointNotes.ts"
import {
  checkClock,
  concludeCompleteness,
  reportHeads,
  reportMissingObject,
  reportNoLedger,
  reportUnaccounted,
  reportUnevaluated
} from "./verification/Conclusions.ts"
import { ControlChain } from "./verification/ControlChain.ts"
import { Coverage } from "./verification/Coverage.ts"
import { Documents } from "./verification/Documents.ts"
import { Findings } from "./verification/Findings.ts"
import { Heartbeats } from "./verification/Heartbeats.ts"
import { listLedgerFiles } from "./verification/LedgerFiles.ts"
import { Objects } from "./verification/Objects.ts"
import { Parameters } from "./verification/Parameters.ts"
import { Replay } from "./verification/Replay.ts"
import type { VerifierKey } from "./VerifierKey.ts"

/** How far a verification has come. */
export interface VerifyProgress {
  readonly entries: number
  /** Entries under the signed head. */
  readonly totalEntries: number
  readonly objects: number
  readonly objectBytes: number
}

/** What to trust, and whom to tell. */
export interface VerifyOptions {
  /** The log's key (type 1; its name is the origin that is verified), optionally its clock's key (type 4). */
  readonly keys: ReadonlyArray<VerifierKey>
  readonly onProgress?: (progress: VerifyProgress) => void
  /** A faster function under the same strict rule, such as `node/NativeEd25519.ts`. */
  readonly verifySignature?: Verify
  /** A faster function with the same answers, such as `node/NativeSha256.ts`. */
  readonly sha256?: Sha256
}

/** The keys do not say which one ledger to verify; the message says what to give. */
export class VerifierKeyError extends Error {
  override readonly name = "VerifierKeyError"
}

const chooseLogKey = (keys: ReadonlyArray<VerifierKey>): VerifierKey => {
  const [logKey, ...others] = keys.filter((key) => key.type === 1)
  if (logKey === undefined) {
    throw new VerifierKeyError(
      "no log key given: pass the archive's verifier key of type 1 (base64 part begins with \"A\")"
    )
  }
  if (others.length > 0) {
    const names = [logKey, ...others].map((key) => key.name).join(", ")
    throw new VerifierKeyError(`several log keys given (${names}): one verification is of one ledger, pass one of them`)
  }
  return logKey
}

// The served head has no size that could be looked at before, so it is the reader that refuses to fill memory with it.
const readServed = async (
  reader: ArchiveReader,
  key: string,
  findings: Findings
): Promise<Uint8Array | null | "unreadable"> => {
  try {
    return await reader.read(key)
  } catch (error) {
    if (!(error instanceof FileTooLargeError)) throw error
    findings.add({ code: "MALFORMED_CHECKPOINT", severity: "malformed", detail: error.message, key })
    return "unreadable"
  }
}

/**
 * Verifies the ledger whose origin is the name of the log key, and everything it refers to. Rejects only when storage
 * cannot be read or no key is given; whatever is found in the archive is a finding in the report.
 */
export const verifyArchive = async (reader: ArchiveReader, options: VerifyOptions): Promise<Report> => {
  const logKey = chooseLogKey(options.keys)
  const findings = new Findings()
  // The served head is read before the listing: a writer puts everything it needs there first.
  const servedBytes = await readServed(reader, checkpointKey(logKey.name), findings)
  const files = await listLedgerFiles(reader, logKey.name)
  if (files.total === 0) await reportNoLedger(reader, logKey.name, findings)
  const { sha256 = javaScriptSha256, verifySignature = verify } = options
  const headSource = { reader, files, logKey, findings, verifySignature }
  const served = servedBytes === "unreadable" ? null : readServedHead(servedBytes, headSource)
  const archived = await readArchivedHeads(headSource)
  if (files.total > 0) reportHeads(files, servedBytes === null ? "absent" : served, archived, findings)
  const heads = headsBySize(served, archived)
  const size = largestSize(heads)

  const documents = new Documents({ reader, files, findings, sha256 })
  const coverage = new Coverage(findings)
  const heartbeats = new Heartbeats(findings)
  const chains = new ChainReplay(logKey.name, findings, sha256)
  const parameters = new Parameters(documents, findings)
  const control = new ControlChain({ logKey, verifySignature, findings, documents, coverage, heartbeats })
  let [entries, objectBytes] = [0, 0]
  const progress = () => options.onProgress?.({ entries, totalEntries: size, objects: objects.hashed, objectBytes })
  const onBytes = (bytes: number) => {
    objectBytes += bytes
    progress()
  }
  const onEntries = (replayed: number) => {
    entries = replayed
    progress()
  }
  const objects = new Objects({ reader, findings, onBytes })
  const rooms = { reader, files, findings, chains, control, objects, parameters, coverage, heads, onEntries, sha256 }
  const replay = await new Replay(rooms).run(size)

  for (const missing of await objects.finish()) reportMissingObject(missing, control, findings)
  if (size > 0) await documents.checkUnreferenced()
  const clockTime = served === null || size === 0
    ? null
    : checkClock(served, control, { keys: options.keys, verifySignature }, findings)
  reportUnaccounted(files, findings)
  const sources = concludeCompleteness(replay.headTime, { control, coverage, findings, heartbeats })
  reportUnevaluated(control, files, findings)

  const sorted = findings.sorted()
  return {
    origin: logKey.name,
    size,
    headTime: replay.headTime,
    clockTime,
    verdict: {
      integrity: verdictOf(sorted, "integrity"),
      completeness: verdictOf(sorted, "completeness"),
      anchoring: verdictOf(sorted, "anchoring"),
      erasures: verdictOf(sorted, "erasures")
    },
    findings: sorted,
    coverage: sources,
    counts: {
      entries: replay.entries,
      chains: chains.chains,
      objects: objects.hashed,
      objectBytes: objects.bytes,
      documents: documents.referenced,
      tiles: replay.tiles,
      checkpoints: archived.size + (served === null ? 0 : 1),
      heartbeats: heartbeats.count
    }
  }
}
