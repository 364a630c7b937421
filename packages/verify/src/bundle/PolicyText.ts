/**
 * `policy.txt` of a bundle: the policy in force in plain words, and the signed document itself.
 */
import { parseNote } from "../Note.ts"
import { parsePolicy } from "../Policy.ts"

const duration = (ms: number): string =>
  ms % 3_600_000 === 0 ? `${ms / 3_600_000} h` : ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1000} s`

/** The text, from the bytes of the policy document. */
export const policyPlainText = (document: Uint8Array): string => {
  const { anchorLag, approvers, eraseQuorum, heartbeat, retention, retentionMinimum, version } = parsePolicy(
    parseNote(document).text
  )
  const kept = retention.map((rule) => `  ${rule.class}: ${rule.days} days`).join("\n")
  const named = approvers.length === 0 ? "  none is named" : approvers.map(({ name }) => `  ${name}`).join("\n")
  return `Policy ${version} of this ledger

Records are kept for
${kept}
and never for less than ${retentionMinimum} days.

The ledger states its own condition every ${duration(heartbeat.epoch)}, at most ${duration(heartbeat.tolerance)} late.
Every entry is to be attested by somebody else within ${duration(anchorLag)}.

An erasure for another reason than the end of retention needs ${eraseQuorum} of these approvers:
${named}

The signed document:

${new TextDecoder().decode(document)}`
}
