/**
 * The policies of a ledger in the order they came into force, and whether each change was allowed (ledger format §7): a
 * change that is more than a longer retention needs the quorum of approvers of the policy before.
 */
import type { Verify } from "../Ed25519.ts"
import { type Note, verifyNote } from "../Note.ts"
import type { Policy } from "../Policy.ts"
import { printVerifierKey, type VerifierKey } from "../VerifierKey.ts"

/** A policy and the SHA-256 (hex) of its document. */
export interface PolicyInForce {
  readonly policy: Policy
  readonly hash: string
}

/** Which of the approvers signed the note, and whose signatures on it are invalid. */
export const approvals = (note: Note, policy: Policy, verify: Verify) => verifyNote(note, policy.approvers, verify)

/** Whether enough approvers of the policy signed the note, none of them badly. */
export const hasQuorum = (note: Note, policy: Policy, verify: Verify): boolean => {
  const { bad, verified } = approvals(note, policy, verify)
  return bad.length === 0 && verified.length >= policy.eraseQuorum
}

const rules = (policy: Policy) =>
  JSON.stringify([
    policy.heartbeat,
    policy.anchorLag,
    policy.eraseQuorum,
    policy.approvers.map((key: VerifierKey) => printVerifierKey(key))
  ])

/** Days that records of the class are kept under a policy. */
export const retentionDays = (policy: Policy, name = "default"): number => {
  const daysOf = (wanted: string) => policy.retention.find((rule) => rule.class === wanted)?.days
  return daysOf(name) ?? daysOf("default") ?? policy.retentionMinimum
}

/** Whether the next policy keeps everything at least as long and changes nothing else: the log alone may decide that. */
export const onlyLengthens = (before: Policy, next: Policy): boolean => {
  const classes = [...before.retention, ...next.retention].map((rule) => rule.class)
  return rules(before) === rules(next) && next.retentionMinimum >= before.retentionMinimum &&
    classes.every((name) => retentionDays(next, name) >= retentionDays(before, name))
}

/** The policies read so far. */
export class Policies {
  readonly #policies: Array<PolicyInForce> = []

  /** Number of policies. */
  get count(): number {
    return this.#policies.length
  }

  /** The policy in force; null before the first. */
  get inForce(): PolicyInForce | null {
    return this.#policies.at(-1) ?? null
  }

  /** Puts a policy in force. */
  add(policy: PolicyInForce): void {
    this.#policies.push(policy)
  }

  /**
   * Why the change to `next` was not allowed, or null. Where the policy before names no approver, the log alone may name
   * the first ones, at least one of whom an erasure then needs; it may not shorten anything by that.
   */
  objectionTo(next: Policy, note: Note, verify: Verify): string | null {
    const before = this.inForce?.policy
    if (before === undefined || onlyLengthens(before, next)) return null
    if (before.approvers.length === 0 && before.eraseQuorum > 0) {
      const { approvers, eraseQuorum } = before
      if (next.eraseQuorum > 0 && onlyLengthens(before, { ...next, approvers, eraseQuorum })) return null
      return "the policy before names no approver: only the first approvers may be named, with a quorum of at least 1"
    }
    if (hasQuorum(note, before, verify)) return null
    return `the change needs ${before.eraseQuorum} approvers of the policy before`
  }
}
