/**
 * The event documents the ledger writes about itself (ledger format §3), from the domain's own types. The texts of
 * genesis and policy become signed notes; heartbeat and gap are stored as they are.
 */
import { type Anchored, printAnchored } from "@rainlogs/verify/Anchored"
import { encode } from "@rainlogs/verify/Ascii"
import { controlChain } from "@rainlogs/verify/Chain"
import { anchorSource, type Gap, heartbeatSource, printGap } from "@rainlogs/verify/Gap"
import { printGenesis } from "@rainlogs/verify/Genesis"
import { printHeartbeat } from "@rainlogs/verify/Heartbeat"
import { printPolicy } from "@rainlogs/verify/Policy"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import type { Origin } from "../domain/Customer.ts"
import type { Policy } from "../domain/Policy.ts"
import type { LedgerSnapshot } from "./LedgerStore.ts"

/** The text of the genesis: the origin and its two keys in vkey form. */
export const genesisText = (origin: Origin, keys: { readonly log: string; readonly clock: string }): string =>
  printGenesis({ origin, log: parseVerifierKey(keys.log), clock: parseVerifierKey(keys.clock) })

/** The text of a policy; throws `MalformedError` for one the format does not allow (retention below its minimum…). */
export const policyText = (origin: Origin, policy: Policy): string =>
  printPolicy({
    origin,
    version: policy.version,
    retention: [{ class: "default", days: policy.retentionDays }],
    retentionMinimum: policy.retentionMinimumDays,
    heartbeat: { epoch: policy.heartbeatEpochMs, tolerance: policy.heartbeatToleranceMs },
    anchorLag: policy.anchorLagMs,
    eraseQuorum: policy.eraseQuorum,
    approvers: policy.approvers.map(parseVerifierKey)
  })

/** The heartbeat of an epoch over a ledger's state: its size and every chain that has an entry. */
export const heartbeatDocument = (origin: Origin, epoch: number, snapshot: LedgerSnapshot): Uint8Array =>
  encode(printHeartbeat({
    origin,
    epoch,
    treeSize: snapshot.size,
    heads: snapshot.heads
      .filter(({ nextSeq }) => nextSeq > 0)
      .map(({ chain, head, nextSeq }) => ({ chain, nextSeq, hash: head }))
      .sort((left, right) => left.chain < right.chain ? -1 : 1)
  }))

/** A gap without its ledger; `detail` is free text for the reader, whatever its length and characters. */
export type GapFacts = Omit<Gap, "origin">

const maxDetailLength = 500

// The format allows one line of printable ASCII; a message of another system may hold anything.
const detailLine = (text: string | null): string | null => {
  const line = (text ?? "").replaceAll(/\s+/g, " ").replaceAll(/[^\x20-\x7e]/g, "?").slice(0, maxDetailLength).trim()
  return line === "" || line === "-" ? null : line
}

/** The gap document. `detail` is shortened to 500 characters of one line, with `?` for what is not ASCII. */
export const gapDocument = (origin: Origin, gap: GapFacts): Uint8Array =>
  encode(printGap({ origin, ...gap, detail: detailLine(gap.detail) }))

/** The facts of the gap that excuses the heartbeats of the epochs `first` to `last`; `epochMs` is an epoch's length. */
export const missedHeartbeats = (
  first: number,
  last: number,
  epochMs: number,
  detected: number
): GapFacts => ({
  chain: controlChain,
  source: heartbeatSource,
  from: first * epochMs,
  to: (last + 1) * epochMs,
  reason: "outage",
  detected,
  detail: null
})

/** What a receipt says, without its ledger. */
export type AnchoredFacts = Omit<Anchored, "origin">

/** The document that chains a receipt into the ledger. */
export const anchoredDocument = (origin: Origin, facts: AnchoredFacts): Uint8Array =>
  encode(printAnchored({ origin, ...facts }))

/** The facts of the gap that declares that `anchor` attested nothing in `[from, to)`, Unix ms. */
export const missedAnchor = (anchor: string, from: number, to: number): GapFacts => ({
  chain: controlChain,
  source: anchorSource,
  from,
  to,
  reason: "outage",
  detected: to,
  detail: `no receipt of ${anchor} in this time`
})
