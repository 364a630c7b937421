/**
 * Keys as the commands print them.
 */
import { type ChainedKeys, keyId } from "@rainlogs/core/ledger/KeyHistory"
import { eventPath, ledgerKey } from "@rainlogs/verify/Layout"
import { printKeyId } from "@rainlogs/verify/VerifierKey"

const iso = (time: number): string => new Date(time).toISOString()

/** One version of a ledger's keys. `entry` is its place in the control chain, `document` its key in the archive. */
export const keysJson = (
  origin: string,
  { clock, documentSha256, fromSize, log, revoked, seq, time, version }: ChainedKeys
) => ({
  version,
  entry: seq,
  document: ledgerKey(origin, eventPath(documentSha256)),
  fromSize,
  chained: iso(time),
  id: keyId(log),
  log,
  clock,
  revoked: revoked.map(({ id, reason, since }) => ({
    id: printKeyId(id),
    since: iso(since),
    reason
  }))
})
