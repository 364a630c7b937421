/**
 * The report over a live ledger as JSON. It imports nothing but the verifier, so that it runs in a browser as well.
 */
import { openHttp } from "../../src/HttpReader.ts"
import { parseVerifierKey } from "../../src/VerifierKey.ts"
import { verifyArchive } from "../../src/VerifyArchive.ts"

/** Verifies the ledger at a URL; why it could not is a text as well. */
export const liveReport = async (url: string, key: string): Promise<string> => {
  try {
    const reader = await openHttp(url, { backoffMs: 10 })
    return JSON.stringify(await verifyArchive(reader, { keys: [parseVerifierKey(key)], scope: "no-objects" }))
  } catch (error) {
    return String(error)
  }
}
