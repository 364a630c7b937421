/**
 * Whether a served checkpoint names a verifier key among its signers.
 */
import { MalformedError } from "@rainlogs/verify/Malformed"
import { parseNote } from "@rainlogs/verify/Note"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"

/** By the signature line's name and key id; the signature itself is for the reader to check. */
export const signedBy = (checkpoint: Uint8Array, verifierKey: string): boolean => {
  try {
    const { id, name } = parseVerifierKey(verifierKey)
    return parseNote(checkpoint).signatures.some((line) => line.name === name && line.id === id)
  } catch (error) {
    if (error instanceof MalformedError) return false
    throw error
  }
}
