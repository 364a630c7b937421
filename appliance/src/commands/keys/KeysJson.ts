/**
 * Keys as the commands print them.
 */
import { type ChainedKeys, keyId } from "@rainlogs/core/ledger/KeyHistory"

const iso = (time: number): string => new Date(time).toISOString()

/** One version of a ledger's keys. `entry` is its place in the control chain. */
export const keysJson = ({ clock, fromSize, log, revoked, seq, time, version }: ChainedKeys) => ({
  version,
  entry: seq,
  fromSize,
  chained: iso(time),
  id: keyId(log),
  log,
  clock,
  revoked: revoked.map(({ id, reason, since }) => ({
    id: id.toString(16).padStart(8, "0"),
    since: iso(since),
    reason
  }))
})
