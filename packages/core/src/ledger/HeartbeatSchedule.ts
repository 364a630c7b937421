/**
 * Which heartbeat a ledger owes (ledger format §5): one per epoch once the epoch has ended; epochs whose time has
 * passed are excused by one gap first.
 */

/** Length of an epoch and how late a heartbeat may be, ms: the policy in force. */
export interface HeartbeatRules {
  readonly epochMs: number
  readonly toleranceMs: number
}

/** What must be appended next. Epochs are numbers `floor(Unix ms / epochMs)`, `first` and `last` inclusive. */
export type HeartbeatStep =
  | { readonly step: "none" }
  | { readonly step: "gap"; readonly first: number; readonly last: number }
  | { readonly step: "heartbeat"; readonly epoch: number }

/** The epoch a time (Unix ms) lies in. */
export const epochOf = (time: number, rules: HeartbeatRules): number => Math.floor(time / rules.epochMs)

/** When the heartbeat after that of epoch `accounted` becomes due, Unix ms. */
export const dueAfter = (accounted: number, rules: HeartbeatRules): number => (accounted + 2) * rules.epochMs

/**
 * The next step at `now` (Unix ms), if every epoch up to `accounted` has its heartbeat or its excuse. Only the epoch
 * that ended last can still get its heartbeat, within the tolerance after its end; older ones are missed.
 */
export const nextStep = (accounted: number, now: number, rules: HeartbeatRules): HeartbeatStep => {
  const next = accounted + 1
  const lastEnded = epochOf(now, rules) - 1
  if (next > lastEnded) return { step: "none" }
  const end = (lastEnded + 1) * rules.epochMs
  const lastMissed = now <= end + rules.toleranceMs ? lastEnded - 1 : lastEnded
  return next <= lastMissed
    ? { step: "gap", first: next, last: lastMissed }
    : { step: "heartbeat", epoch: lastEnded }
}
