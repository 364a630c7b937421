/**
 * What follows once everything was read: which heads are missing, whether the clock
 * signed, and what is not looked at.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import type { Verify } from "../Ed25519.ts"
import { checkpointArchivePath, ledgersPrefix } from "../Layout.ts"
import { verifyNote } from "../Note.ts"
import { questions, type SourceCoverage } from "../Report.ts"
import { printVerifierKey, sameKey, type VerifierKey } from "../VerifierKey.ts"
import { largestSize, type SignedHead } from "./CheckpointNotes.ts"
import { type Coverage, isoTime } from "./Coverage.ts"
import type { Findings } from "./Findings.ts"
import type { Heartbeats } from "./Heartbeats.ts"
import type { LedgerFiles } from "./LedgerFiles.ts"
import type { LogKeys } from "./LogKeys.ts"
import type { Policies } from "./Policies.ts"
import type { Scope } from "./Scope.ts"

/** There is no ledger of the key's origin: say whether there is another one. */
export const reportNoLedger = async (reader: ArchiveReader, origin: string, findings: Findings): Promise<void> => {
  for await (const file of reader.list(`${ledgersPrefix}/`)) {
    const detail = `the archive holds no ledger of ${origin}, but another one; give the key of the ledger it holds`
    findings.add({ code: "UNKNOWN_KEY", severity: "inconclusive", detail, key: file.key })
    break
  }
  const detail = `there is no ledger of ${origin} in this archive`
  findings.add({ code: "NOTHING_VERIFIED", severity: "inconclusive", detail })
}

/** The key came from the archive: whoever could change the archive could change the key. */
export const reportFirstUse = (findings: Findings): void => {
  const detail = "the log's key was taken from the archive itself, so the archive vouches for itself"
  for (const question of questions) {
    findings.add({ code: "TRUST_ON_FIRST_USE", question, severity: "inconclusive", detail })
  }
}

/** Which signed heads should be there and are not. */
export const reportHeads = (
  files: LedgerFiles,
  served: SignedHead | null | "absent",
  archived: ReadonlyMap<number, SignedHead>,
  findings: Findings
): void => {
  const largest = largestSize(archived)
  if (served === "absent") {
    // The first publication may have been interrupted before its last step.
    const detail = "there is no served checkpoint: never published, or taken away"
    const key = `${files.prefix}/checkpoint`
    findings.add({ code: "CHECKPOINT_MISSING", severity: "inconclusive", detail, key })
    if (largest <= 0) reportNothing(findings)
    return
  }
  if (served !== null && !files.archivedCheckpoints.has(served.checkpoint.size)) {
    const key = `${files.prefix}/${checkpointArchivePath(served.checkpoint.size)}`
    const detail = "the served checkpoint's archived copy, written before it, is missing"
    findings.add({ code: "CHECKPOINT_MISSING", detail, key })
  }
  if (served !== null && largest > served.checkpoint.size) {
    const detail =
      `the served checkpoint is of ${served.checkpoint.size} entries, but the log has signed ${largest}; ` +
      "verified up to the latter"
    findings.add({ code: "CHECKPOINT_BEHIND", severity: "notice", detail, key: served.key })
  }
  if (Math.max(largest, served?.checkpoint.size ?? 0) <= 0) reportNothing(findings)
}

const reportNothing = (findings: Findings): void =>
  findings.add({
    code: "NOTHING_VERIFIED",
    severity: "inconclusive",
    detail: "no valid signed head covers any entry"
  })

/** The clock in force must have cosigned the served checkpoint; answers its time in ms, or null. */
export const checkClock = (
  served: SignedHead,
  logKeys: LogKeys,
  trust: { readonly keys: ReadonlyArray<VerifierKey>; readonly verifySignature: Verify },
  findings: Findings
): number | null => {
  const { keys, verifySignature } = trust
  const clock = logKeys.inForce(served.checkpoint.size)?.clock
  const { key } = served
  if (clock === undefined) {
    const detail = "the clock's key is not known, because no believed genesis document was read"
    findings.add({ code: "UNKNOWN_KEY", severity: "inconclusive", detail, key })
    return null
  }
  const given = keys.filter((candidate) => candidate.type === 4 && candidate.name === clock.name)
  const clocks = logKeys.timeline.map((inForce) => inForce.clock)
  const stranger = given.find((candidate) => !clocks.some((known) => sameKey(known, candidate)))
  if (stranger !== undefined) {
    const [expected, actual] = [printVerifierKey(stranger), printVerifierKey(clock)]
    const detail = "the ledger names another clock key than the given one"
    findings.add({ code: "GENESIS_MISMATCH", chain: "control", seq: 0, detail, expected, actual })
  }
  const { bad, timestamps } = verifyNote(served.note, [clock], verifySignature)
  const seconds = timestamps.get(clock)
  if (bad.length > 0) findings.add({ code: "BAD_SIGNATURE", detail: "the clock's cosignature is invalid", key })
  else if (seconds === undefined) {
    findings.add({ code: "UNSIGNED", detail: "the checkpoint carries no cosignature of the ledger's clock", key })
  }
  return seconds === undefined ? null : seconds * 1000
}

/** Objects the archive is not expected to hold: nothing is said about them. */
export const reportScope = (scope: Scope | null, outside: number, findings: Findings): void => {
  if (scope === null || outside === 0) return
  if (scope === "no-objects") {
    const detail = `${outside} stored objects were not looked at, only what the ledger says about them`
    findings.add({ code: "OBJECTS_NOT_CHECKED", severity: "inconclusive", detail })
    return
  }
  const span = `${isoTime(scope.from)} to ${isoTime(scope.to)}`
  const detail = `only objects of ${scope.chain}, windows ${span}, are shown here; ${outside} others are not looked at`
  findings.add({ code: "OUT_OF_SCOPE", severity: "notice", detail })
}

/** Files that are no part of the layout: nothing vouches for them. */
export const reportUnaccounted = (files: LedgerFiles, findings: Findings): void => {
  for (const path of files.unknown) {
    const detail = "a file that the ledger's layout does not know; nothing vouches for it"
    findings.add({ code: "UNACCOUNTED_FILE", severity: "notice", detail, key: `${files.prefix}/${path}` })
  }
}

/** COMPLETENESS as of the head time (ms, null without entries); answers the coverage of every source. */
export const concludeCompleteness = (
  headTime: number | null,
  rooms: {
    readonly policies: Policies
    readonly coverage: Coverage
    readonly findings: Findings
    readonly heartbeats: Heartbeats
  }
): Array<SourceCoverage> => {
  const { policies, coverage, findings, heartbeats } = rooms
  const open = (code: string, detail: string) =>
    findings.add({ code, question: "completeness", severity: "inconclusive", detail })
  if (headTime === null) {
    open("NOTHING_VERIFIED", "no entry was verified")
    return []
  }
  heartbeats.finish(headTime)
  const sources = coverage.finish(headTime)
  if (sources.length === 0) open("NOTHING_VERIFIED", "the ledger states no window and no gap of any source")
  if (policies.count === 0) open("POLICY_MISSING", "no policy states how often the ledger must beat")
  if (!findings.passes("integrity")) {
    open("INTEGRITY_NOT_PROVEN", "the statements rest on a ledger whose integrity is not proven")
  }
  return sources
}
