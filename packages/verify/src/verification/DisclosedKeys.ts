/**
 * Data keys that were disclosed with a bundle: each must be the one its object commits to (ledger format §7), so that
 * nobody can show another plaintext for the archived bytes.
 */
import { openHeader } from "../ChunkedEncryption.ts"
import type { ObjectEntry } from "../Entry.ts"
import { MalformedError } from "../Malformed.ts"
import type { Findings } from "./Findings.ts"

/** Disclosed data keys (32 bytes) by job id, and how the beginning of an object is read. */
export interface Disclosure {
  readonly keys: ReadonlyMap<string, Uint8Array>
  /** At most the first `length` bytes of an object, or null when it does not exist. */
  readonly readStart: (key: string, length: number) => Promise<Uint8Array | null>
}

/** Checks the disclosed key of an entry's object, if there is one. */
export const checkDisclosedKey = async (
  entry: ObjectEntry,
  disclosure: Disclosure,
  findings: Findings
): Promise<void> => {
  const dataKey = disclosure.keys.get(entry.job)
  if (dataKey === undefined || entry.key === null) return
  const { chain, key, seq } = entry
  const header = await disclosure.readStart(key, 56)
  // A missing object is reported as such.
  if (header === null) return
  const detail = "the disclosed key is not the one the object was encrypted with"
  try {
    if (entry.encryption !== "none" && await openHeader(header, dataKey, entry.job) !== null) return
    findings.add({ code: "DEK_COMMITMENT_MISMATCH", chain, seq, detail, key })
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    findings.add({ code: "DEK_COMMITMENT_MISMATCH", chain, seq, detail: error.message, key })
  }
}
