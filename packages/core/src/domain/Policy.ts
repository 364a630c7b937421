/**
 * A customer's policy: retention and the rules of proof. It is a signed document in the ledger (format §3).
 */
import { Schema } from "effect"

/** Retention in days, heartbeat epoch and tolerance in ms, anchor lag in ms, and who may approve an erasure. */
export const Policy = Schema.Struct({
  version: Schema.Int,
  retentionDays: Schema.Int,
  retentionMinimumDays: Schema.Int,
  heartbeatEpochMs: Schema.Int,
  heartbeatToleranceMs: Schema.Int,
  anchorLagMs: Schema.Int,
  eraseQuorum: Schema.Int,
  approvers: Schema.Array(Schema.String)
})
export type Policy = typeof Policy.Type

/**
 * The policy a new customer starts with: 395 days kept, never less than 180, hourly heartbeats with 10 min
 * tolerance, anchors within 2 h, two approvers for an erasure (none named yet, so none can be approved).
 */
export const defaultPolicy: Policy = {
  version: 1,
  retentionDays: 395,
  retentionMinimumDays: 180,
  heartbeatEpochMs: 3_600_000,
  heartbeatToleranceMs: 600_000,
  anchorLagMs: 7_200_000,
  eraseQuorum: 2,
  approvers: []
}
