/**
 * When an erasure is lawful (ledger format §7): the rules that the verifier judges a tombstone by, and that whoever
 * writes one asks first.
 */
import type { Verify } from "../Ed25519.ts"
import type { Note } from "../Note.ts"
import type { Policy } from "../Policy.ts"
import type { Tombstone } from "../Tombstone.ts"
import { hasQuorum } from "./Policies.ts"

const day = 86_400_000

/** When the retention of `days` ends for what happened up to `to`; both Unix ms. */
export const dueAt = (to: number, days: number): number => to + days * day

/**
 * Whether the signatures on an announcement authorise it. The log alone may announce what retention asks for; every
 * other reason needs the quorum of approvers, unless the policy asks for none.
 */
export const isAuthorised = (
  reason: Tombstone["reason"],
  note: Note,
  { logSigned, policy, verifySignature }: {
    readonly policy: Policy
    readonly logSigned: boolean
    readonly verifySignature: Verify
  }
): boolean =>
  reason === "retention" || policy.eraseQuorum === 0
    ? logSigned || (policy.eraseQuorum > 0 && hasQuorum(note, policy, verifySignature))
    : hasQuorum(note, policy, verifySignature)
