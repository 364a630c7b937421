/**
 * The documents an approver may sign, and what each says in plain words: a policy, the announcement of an erasure, the
 * release of a hold (ledger format §3, §7). Nothing else, above all no checkpoint.
 */
import { MalformedError } from "@rainlogs/verify/Malformed"
import { parsePolicy } from "@rainlogs/verify/Policy"
import { parseRelease } from "@rainlogs/verify/Release"
import { parseTombstone } from "@rainlogs/verify/Tombstone"
import { printVerifierKey } from "@rainlogs/verify/VerifierKey"

const moment = (ms: number): string => {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString()
}

const policyInWords = (text: string): ReadonlyArray<string> => {
  const policy = parsePolicy(text)
  return [
    `POLICY version ${policy.version} of ${policy.origin}`,
    ...policy.retention.map((rule) => `Keeps records of class ${rule.class} for ${rule.days} days.`),
    `No class may be kept for fewer than ${policy.retentionMinimum} days.`,
    `A heartbeat every ${policy.heartbeat.epoch} ms, at most ${policy.heartbeat.tolerance} ms late.`,
    `A trusted time at most ${policy.anchorLag} ms after an entry.`,
    `An erasure needs ${policy.eraseQuorum} of ${policy.approvers.length} approvers:`,
    ...policy.approvers.map((key) => `  ${printVerifierKey(key)}`)
  ]
}

const tombstoneInWords = (text: string): ReadonlyArray<string> => {
  const tombstone = parseTombstone(text)
  if (tombstone.done !== null) {
    throw new MalformedError("rainlogs-tombstone/v1", "a report of an erasure is signed by the log, not by approvers")
  }
  return [
    `ERASURE ${tombstone.id} in ${tombstone.origin}: cannot be undone`,
    `Reason ${tombstone.reason}, method ${tombstone.method}, basis: ${tombstone.basis}`,
    `Requested ${moment(tombstone.requested)}, not before ${moment(tombstone.notBefore)}.`,
    `Under the policy with SHA-256 ${tombstone.policy}`,
    `Erases ${tombstone.targets.length} object(s):`,
    ...tombstone.targets.map((target) => `  chain ${target.chain} entry ${target.seq}, object ${target.object}`)
  ]
}

const releaseInWords = (text: string): ReadonlyArray<string> => {
  const release = parseRelease(text)
  return [
    `RELEASE of hold ${release.hold} in ${release.origin}: its records may be erased again`,
    `Release ${release.id}, basis: ${release.basis}`,
    `Issued ${moment(release.issued)}.`
  ]
}

const readers: ReadonlyMap<string, (text: string) => ReadonlyArray<string>> = new Map([
  ["rainlogs-policy/v1", policyInWords],
  ["rainlogs-tombstone/v1", tombstoneInWords],
  ["rainlogs-release/v1", releaseInWords]
])

/** What signing this text approves, line by line; throws `MalformedError` for a text no approver may sign. */
export const approvableInWords = (text: string): ReadonlyArray<string> => {
  const first = text.slice(0, Math.max(0, text.indexOf("\n")))
  const read = readers.get(first)
  if (read === undefined) {
    throw new MalformedError(
      "document to approve",
      "an approver signs a policy, an erasure's announcement or a hold's release, and nothing else"
    )
  }
  return read(text)
}
