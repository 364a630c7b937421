/**
 * Verifies one ledger of an archive from its stored files alone (ledger format §8): no server, no database, no trust in
 * anything but the given keys and certificates.
 */
import { type ArchiveReader, FileTooLargeError } from "./ArchiveReader.ts"
import { type Verify, verify } from "./Ed25519.ts"
import type { ObjectEntry } from "./Entry.ts"
import { type Sha256, sha256 as javaScriptSha256 } from "./Hash.ts"
import { checkpointKey, eventPath } from "./Layout.ts"
import { type Report, reportSchema, verdictOf } from "./Report.ts"
import type { Certificate } from "./timestamp/Certificate.ts"
import { Anchoring, type Freshness } from "./verification/Anchoring.ts"
import { ChainReplay } from "./verification/ChainReplay.ts"
import {
  headsBySize,
  largestSize,
  readArchivedHeads,
  readServedHead,
  type SignedHead
} from "./verification/CheckpointNotes.ts"
import {
  checkClock,
  concludeCompleteness,
  reportFirstUse,
  reportHeads,
  reportNoLedger,
  reportScope,
  reportUnaccounted
} from "./verification/Conclusions.ts"
import { ControlChain } from "./verification/ControlChain.ts"
import { Coverage } from "./verification/Coverage.ts"
import { checkDisclosedKey, type Disclosure } from "./verification/DisclosedKeys.ts"
import { Documents } from "./verification/Documents.ts"
import { Erasures } from "./verification/Erasures.ts"
import { Findings } from "./verification/Findings.ts"
import { checkSigners } from "./verification/HeadSigners.ts"
import { Heartbeats } from "./verification/Heartbeats.ts"
import { Holds } from "./verification/Holds.ts"
import { type LedgerFiles, listLedgerFiles } from "./verification/LedgerFiles.ts"
import { LogKeys } from "./verification/LogKeys.ts"
import { ObjectLeaves } from "./verification/ObjectLeaves.ts"
import { Objects } from "./verification/Objects.ts"
import { Parameters } from "./verification/Parameters.ts"
import { type PinnedCheckpoint, readPinnedHeads, reportBeyond } from "./verification/PinnedHeads.ts"
import { Policies } from "./verification/Policies.ts"
import { readReceipts } from "./verification/Receipts.ts"
import { Replay } from "./verification/Replay.ts"
import { inScope, type Scope } from "./verification/Scope.ts"
import type { VerifierKey } from "./VerifierKey.ts"
import { witnessKeys, type WitnessPolicy } from "./WitnessPolicy.ts"

/** How far a verification has come. */
export interface VerifyProgress {
  readonly entries: number
  /** Entries under the signed head. */
  readonly totalEntries: number
  readonly objects: number
  readonly objectBytes: number
}

/** What to trust, what to ask, and whom to tell. */
export interface VerifyOptions {
  /**
   * The log's key (type 1; its name is the origin that is verified), optionally its clock's key (type 4, named
   * `<origin>/clock`) and keys of witnesses (type 4, other names), any one of whom is trusted for the time.
   */
  readonly keys: ReadonlyArray<VerifierKey>
  /** Witnesses and how many of them must agree; their keys need not be given again. */
  readonly witnessPolicy?: WitnessPolicy
  /** Certificates of the roots of trusted timestamp authorities (RFC 3161). */
  readonly timestampRoots?: ReadonlyArray<Certificate>
  /** Checkpoints kept or received from elsewhere: the archive must still contain what they sign. */
  readonly pinned?: ReadonlyArray<PinnedCheckpoint>
  /** Signed changes of keys from outside the archive, for instance a published list of revoked keys. */
  readonly keyChanges?: ReadonlyArray<Uint8Array>
  /** Asks that a trusted time be recent; without it the age of the head is not judged. */
  readonly freshness?: Freshness
  /** The moment of the verification for expired certificates, ms; now when left out. */
  readonly now?: number
  /** Which objects the archive holds; all of them when left out. */
  readonly scope?: Scope
  /** The log's key was taken from the archive itself: no verdict is better than INCONCLUSIVE. */
  readonly trustOnFirstUse?: boolean
  /** Data keys that came with a bundle. */
  readonly disclosure?: Disclosure
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

/** The one type 1 key, whose name is the origin; throws {@link VerifierKeyError}. */
export const chooseLogKey = (keys: ReadonlyArray<VerifierKey>): VerifierKey => {
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

// A change of keys is small: longer documents are something else.
const maxKeysBytes = 65_536

// Reads every small document once, when a head is signed by a key that the given one does not yet lead to.
const keyLearner = (reader: ArchiveReader, files: LedgerFiles, logKeys: LogKeys) => {
  let learnt: Promise<void> | null = null
  const learn = async () => {
    for (const [hash, size] of files.documents) {
      const bytes = size > maxKeysBytes ? null : await reader.read(`${files.prefix}/${eventPath(hash)}`)
      if (bytes !== null) logKeys.learn(bytes)
    }
  }
  return () => learnt ??= learn()
}

/**
 * Verifies the ledger whose origin is the name of the log key, and everything it refers to. Rejects only when storage
 * cannot be read or no key is given; whatever is found in the archive is a finding in the report.
 */
export const verifyArchive = async (reader: ArchiveReader, options: VerifyOptions): Promise<Report> => {
  const { sha256 = javaScriptSha256, verifySignature = verify, scope = null, witnessPolicy = null } = options
  const logKeys = new LogKeys(chooseLogKey(options.keys), verifySignature)
  const { origin } = logKeys
  for (const bytes of options.keyChanges ?? []) logKeys.learn(bytes)
  const witnesses = [
    ...options.keys.filter(({ name, type }) => type === 4 && name !== `${origin}/clock`),
    ...witnessPolicy === null ? [] : witnessKeys(witnessPolicy)
  ]
  const findings = new Findings()
  // The served head is read before the listing: a writer puts everything it needs there first.
  const servedBytes = await readServed(reader, checkpointKey(origin), findings)
  const files = await listLedgerFiles(reader, origin)
  if (files.total === 0) await reportNoLedger(reader, origin, findings)
  const learnKeys = keyLearner(reader, files, logKeys)
  const headSource = { reader, files, logKeys, learnKeys, findings, verifySignature }
  const served = servedBytes === "unreadable" ? null : await readServedHead(servedBytes, headSource)
  const archived = await readArchivedHeads(headSource)
  const pinned = await readPinnedHeads(options.pinned ?? [], witnesses, headSource)
  if (files.total > 0) reportHeads(files, servedBytes === null ? "absent" : served, archived, findings)
  const size = largestSize(headsBySize(served, archived))
  reportBeyond(pinned, size, headSource)
  const heads = headsBySize(served, archived, pinned.filter(({ checkpoint }) => checkpoint.size <= size))
  const receipts = await readReceipts({
    ...headSource,
    archived,
    served,
    timestampRoots: options.timestampRoots ?? [],
    witnesses,
    witnessPolicy,
    sha256
  })

  const expected = (entry: ObjectEntry) => inScope(scope, entry)
  const documents = new Documents({ reader, files, findings, sha256, onDocument: (bytes) => logKeys.learn(bytes) })
  const [coverage, heartbeats, policies] = [new Coverage(findings), new Heartbeats(findings), new Policies()]
  const chains = new ChainReplay(origin, findings, sha256)
  const parameters = new Parameters(documents, findings)
  const anchoring = new Anchoring({ findings, files, receipts })
  const leaves = new ObjectLeaves({ reader, files })
  const erasures = new Erasures({ reader, findings, leaves, verifySignature, expected })
  const judges = { documents, coverage, heartbeats, policies, holds: new Holds(), erasures, anchoring }
  const control = new ControlChain({ logKeys, verifySignature, findings, ...judges })
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
  const objects = new Objects({ reader, findings, onBytes, expected })
  const { disclosure } = options
  const onObject = disclosure === undefined
    ? undefined
    : (entry: ObjectEntry) => expected(entry) ? checkDisclosedKey(entry, disclosure, findings) : Promise.resolve()
  const rooms = { reader, files, findings, chains, control, objects, parameters, coverage, anchoring, leaves, heads }
  const replay = await new Replay({ ...rooms, onEntries, onObject, sha256 }).run(size)

  const missing = await objects.finish()
  if (size > 0) await documents.checkUnreferenced()
  const isOwn = (head: SignedHead) => !pinned.includes(head)
  checkSigners(replay.agreeing.filter(isOwn), logKeys, receipts.times, findings)
  const trust = { keys: options.keys, verifySignature }
  const clockTime = served === null || size === 0 ? null : checkClock(served, logKeys, trust, findings)
  reportUnaccounted(files, findings)
  reportScope(scope, objects.outside, findings)
  await erasures.finish(missing)
  const sources = concludeCompleteness(replay.headTime, { policies, coverage, findings, heartbeats })
  anchoring.finish(replay.headTime, options.now ?? Date.now(), options.freshness ?? null)

  if (options.trustOnFirstUse === true) reportFirstUse(findings)

  const sorted = findings.sorted()
  return {
    schema: reportSchema,
    origin,
    size,
    headTime: replay.headTime,
    clockTime,
    trustedTime: receipts.times.reduce<number | null>((latest, { time }) => Math.max(latest ?? 0, time), null),
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
      heartbeats: heartbeats.count,
      anchors: receipts.times.length,
      erasures: erasures.executed
    }
  }
}
