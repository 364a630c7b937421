/**
 * Whether each head was signed by the key in force at its size, and what heads by revoked keys are worth: one is
 * believed when a head by a key that is not revoked covers it, or a trusted time before the revocation does.
 */
import { printVerifierKey, sameKey } from "../VerifierKey.ts"
import type { SignedHead } from "./CheckpointNotes.ts"
import { isoTime } from "./Coverage.ts"
import type { Findings } from "./Findings.ts"
import type { LogKeys } from "./LogKeys.ts"
import type { TrustedTime } from "./TrustedTimes.ts"

/** Checks the heads whose roots the entries reach. */
export const checkSigners = (
  agreeing: ReadonlyArray<SignedHead>,
  logKeys: LogKeys,
  times: ReadonlyArray<TrustedTime>,
  findings: Findings
): void => {
  let covered = 0
  for (const { checkpoint, signer } of agreeing) {
    if (logKeys.revocation(signer) === null) covered = Math.max(covered, checkpoint.size)
  }
  for (const { checkpoint, key, signer } of agreeing) {
    const inForce = logKeys.inForce(checkpoint.size)
    if (inForce !== null && logKeys.believes(signer) && !sameKey(inForce.log, signer)) {
      const [expected, actual] = [printVerifierKey(inForce.log), printVerifierKey(signer)]
      const detail = "the checkpoint is signed by a key of the log that is not in force at its size"
      findings.add({ code: "KEY_NOT_IN_FORCE", detail, key, expected, actual })
    }
    const revocation = logKeys.revocation(signer)
    if (revocation === null || checkpoint.size <= covered) continue
    if (times.some(({ size, time }) => size >= checkpoint.size && time < revocation.since)) continue
    findings.add({
      code: "REVOKED_KEY",
      detail: `the checkpoint is signed by a key revoked since (${revocation.reason}), and no trusted time shows ` +
        "that it was signed before",
      key,
      expected: `a trusted time before ${isoTime(revocation.since)}`,
      actual: "none"
    })
  }
}
