/**
 * Why a window must not be erased (ledger format §7), by the rules that the verifier will judge the tombstone by.
 * Retention is counted more strictly than the verifier does: not before the window was archived, either.
 */
import type { Hold } from "@rainlogs/verify/Hold"
import type { Policy } from "@rainlogs/verify/Policy"
import { dueAt } from "@rainlogs/verify/verification/ErasureRules"
import { holdOver } from "@rainlogs/verify/verification/Holds"
import { retentionDays } from "@rainlogs/verify/verification/Policies"
import { type Erasure, type ErasureTarget, retentionStart } from "./Erasure.ts"
import { ErasureRefused } from "./LifecycleError.ts"

const moment = (ms: number): string => Number.isNaN(new Date(ms).getTime()) ? `${ms} ms` : new Date(ms).toISOString()

/** What counts where the erasure is to happen: `at` in Unix ms. */
export interface ErasureSituation {
  /** The policy it was announced under and the one in force. */
  readonly policies: ReadonlyArray<Policy>
  readonly holds: ReadonlyArray<Hold>
  readonly at: number
}

/** What speaks against erasing this window, or null. */
export const objectionTo = (
  target: ErasureTarget,
  erasure: Pick<Erasure, "reason" | "method">,
  { at, holds, policies }: ErasureSituation
): ErasureRefused | null => {
  const name = `the window ${moment(target.window.from)} to ${moment(target.window.to)} of ${target.chain}`
  const hold = holdOver(holds, target.chain, target.window)
  if (hold !== null) {
    return new ErasureRefused({
      detail: `${name} is under the legal hold ${hold.id}`,
      remedy: "It can be erased once the hold is released (rainlogs hold release)."
    })
  }
  if (erasure.method === "crypto-erase" && target.dek === null) {
    return new ErasureRefused({
      detail: `${name} is not encrypted, so destroying a key cannot erase it`,
      remedy: "Erase it with the method delete."
    })
  }
  if (erasure.reason !== "retention") return null
  const days = Math.max(...policies.map((policy) => retentionDays(policy)))
  const due = dueAt(retentionStart(target), days)
  if (at >= due) return null
  return new ErasureRefused({
    detail: `${name} is kept for ${days} days by the policy in force, until ${moment(due)}`,
    remedy: "Erase it after that; an earlier erasure needs another reason and the policy's approvers."
  })
}
