/**
 * Whether a ledger of the archive may become rows of a database: every entry is one that the log signed, and what ends a
 * hold, erases or changes a policy was allowed by those whom the ledger names, by the verifier's own rules (ledger format
 * §7).
 *
 * The log signs whatever was appended, so the tree alone does not tell a release by the approvers from one that somebody
 * wrote into the database and the bucket.
 */
import type { ArchiveReader } from "@rainlogs/verify/ArchiveReader"
import { controlChain } from "@rainlogs/verify/Chain"
import { parseCheckpoint } from "@rainlogs/verify/Checkpoint"
import { checkpointKey } from "@rainlogs/verify/Layout"
import { verify as verifySignature } from "@rainlogs/verify/node/NativeEd25519"
import { sha256 } from "@rainlogs/verify/node/NativeSha256"
import { parseNote } from "@rainlogs/verify/Note"
import type { Finding, Report } from "@rainlogs/verify/Report"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { Effect } from "effect"
import type { Origin } from "../domain/Customer.ts"
import type { Signer } from "../ledger/Signer.ts"
import { RebuildRefused } from "./RebuildRefused.ts"

/** What is done with a release or a tombstone that was not allowed: nothing is rebuilt, or it has no effect. */
export type Unauthorised = "refuse" | "leave-out"

/** A ledger that may be restored. */
export interface VerifiedLedger {
  /** Entries under the signer's head. */
  readonly size: number
  /** The root that the signer signed for them. */
  readonly root: Uint8Array
  /** Control entries, by sequence number, that are restored and have no effect. */
  readonly withoutEffect: ReadonlySet<number>
  /** What was not allowed, in the verifier's words. */
  readonly violations: ReadonlyArray<string>
}

const refused = (detail: string) => new RebuildRefused({ detail })
const detailOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

// What readers have seen. A signer that knows less would sign another history over it.
const servedSize = (reader: ArchiveReader, origin: string) => {
  const key = checkpointKey(origin)
  return Effect.tryPromise({
    try: async () => {
      const bytes = await reader.read(key)
      return bytes === null ? 0 : parseCheckpoint(parseNote(bytes).text).size
    },
    catch: (cause) => refused(`the checkpoint ${key} cannot be read: ${detailOf(cause)}. Restore the archive first`)
  })
}

const isViolation = ({ severity }: Finding): boolean => severity === "fail" || severity === "malformed"

const where = ({ chain, key, seq }: Finding): string => {
  if (key !== undefined) return ` (${key})`
  return chain === null || seq === null ? "" : ` (entry ${seq} of ${chain})`
}

const integrity = (origin: string, { findings }: Report) => {
  const found = findings.find((finding) => finding.question === "integrity" && isViolation(finding))
  return found === undefined
    ? Effect.void
    : Effect.fail(
      refused(
        `the ledger of ${origin} does not verify: ${found.code}, ${found.detail}${
          where(found)
        }. Restore the archive first`
      )
    )
}

// A policy cannot be left out: the next one builds on it, and so does whoever may release a hold.
const neverLeftOut = new Set(["POLICY_UNAUTHORISED"])

const authority = Effect.fnUntraced(function*(origin: string, { findings }: Report, unauthorised: Unauthorised) {
  const withoutEffect = new Set<number>()
  const violations: Array<string> = []
  for (const finding of findings) {
    if (finding.question !== "erasures" || !isViolation(finding)) continue
    const { chain, code, detail, seq } = finding
    const violation = `${code}, ${detail}${where(finding)}`
    if (unauthorised === "refuse" || neverLeftOut.has(code)) {
      const remedy = neverLeftOut.has(code)
        ? "Who may allow what is open after that: restore the database from a backup, and keep every copy"
        : "Find out who wrote it; with --leave-out-unauthorised the database is rebuilt and it has no effect"
      return yield* refused(`the ledger of ${origin} holds what nobody was allowed to do: ${violation}. ${remedy}`)
    }
    // More of a code than the report names would have an effect.
    if (seq === null) return yield* refused(`the ledger of ${origin} holds too much that was not allowed: ${violation}`)
    if (chain === controlChain) withoutEffect.add(seq)
    violations.push(violation)
  }
  return { withoutEffect, violations }
})

/** Fails with {@link RebuildRefused} for a ledger that may not be restored. Objects are not read. */
export const verifiedLedger = Effect.fn("verifiedLedger")(function*(
  reader: ArchiveReader,
  signer: Signer["Service"],
  origin: Origin,
  unauthorised: Unauthorised
) {
  const { log } = yield* signer.keys(origin)
  const { root, size } = yield* signer.state(origin)
  const served = yield* servedSize(reader, origin)
  if (served > size) {
    return yield* refused(
      `the archive shows ${served} entries of ${origin}, but the signer knows of ${size}: it is an older one, ` +
        "or another's. Restore the newest signer directory first"
    )
  }
  const nothing: VerifiedLedger = { size, root, withoutEffect: new Set(), violations: [] }
  if (size === 0) return nothing
  const report = yield* Effect.tryPromise({
    try: () => verifyArchive(reader, { keys: [parseVerifierKey(log)], scope: "no-objects", sha256, verifySignature }),
    catch: (cause) => refused(`the ledger of ${origin} cannot be read: ${detailOf(cause)}`)
  })
  yield* integrity(origin, report)
  if (report.counts.entries < size) {
    return yield* refused(
      `the archive shows ${report.counts.entries} entries of ${origin}, but ${size} were signed. Restore the archive first`
    )
  }
  const verified: VerifiedLedger = { size, root, ...(yield* authority(origin, report, unauthorised)) }
  return verified
})
