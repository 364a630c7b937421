/**
 * Checkpoints that the verifying person kept or got from somewhere else than the archive: what was signed once must
 * still be a part of what is shown now (ledger format §5, §8).
 */
import { parseCheckpoint } from "../Checkpoint.ts"
import { MalformedError } from "../Malformed.ts"
import { parseNote, verifyNote } from "../Note.ts"
import type { VerifierKey } from "../VerifierKey.ts"
import type { HeadSource, SignedHead } from "./CheckpointNotes.ts"

/** A checkpoint from outside the archive; `name` says where it was read. */
export interface PinnedCheckpoint {
  readonly name: string
  readonly bytes: Uint8Array
}

/** The pinned checkpoints that the log or one of the witnesses signed; what is wrong with others is a finding. */
export const readPinnedHeads = async (
  pinned: ReadonlyArray<PinnedCheckpoint>,
  witnesses: ReadonlyArray<VerifierKey>,
  source: HeadSource
): Promise<Array<SignedHead>> => {
  const { findings, learnKeys, logKeys, verifySignature } = source
  if (pinned.length > 0) await learnKeys()
  const heads: Array<SignedHead> = []
  for (const { bytes, name: key } of pinned) {
    try {
      const note = parseNote(bytes)
      const checkpoint = parseCheckpoint(note.text)
      const { bad, verified: [signer] } = verifyNote(note, [...logKeys.believed, ...witnesses], verifySignature)
      if (bad.length > 0) {
        findings.add({ code: "BAD_SIGNATURE", detail: "a signature on the pinned checkpoint is invalid", key })
      } else if (checkpoint.origin !== logKeys.origin) {
        const detail = "the pinned checkpoint is of another ledger"
        const [expected, actual] = [logKeys.origin, checkpoint.origin]
        findings.add({ code: "ORIGIN_MISMATCH", severity: "inconclusive", detail, key, expected, actual })
      } else if (signer === undefined) {
        const detail = "the pinned checkpoint is signed by no key that was given"
        findings.add({ code: "UNKNOWN_KEY", severity: "inconclusive", detail, key })
      } else {
        heads.push({ key, checkpoint, note, signer })
      }
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      findings.add({ code: "MALFORMED_CHECKPOINT", severity: "malformed", detail: error.message, key })
    }
  }
  return heads
}

/** Says of each pinned head beyond the archive's own largest one that the tail is missing. */
export const reportBeyond = (pinned: ReadonlyArray<SignedHead>, size: number, source: HeadSource): void => {
  for (const { checkpoint, key } of pinned) {
    if (checkpoint.size <= size) continue
    source.findings.add({
      code: "TRUNCATED",
      detail: `the archive shows ${size} entries, but a checkpoint of ${checkpoint.size} was signed`,
      key,
      expected: `at least ${checkpoint.size} entries`,
      actual: `${size} entries`
    })
  }
}
