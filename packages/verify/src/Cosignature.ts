/**
 * C2SP tlog-cosignature, `cosignature/v1`: a signature over a checkpoint together with the time it was seen.
 */
import { MalformedError } from "./Malformed.ts"

/** The signed bytes: `cosignature/v1`, `time <Unix seconds>`, then the checkpoint's whole note text. */
export const cosignatureMessage = (timestampSeconds: number, body: string): Uint8Array => {
  if (!Number.isSafeInteger(timestampSeconds) || timestampSeconds < 0) {
    throw new MalformedError("cosignature", `${timestampSeconds} is not a Unix time in seconds`)
  }
  return new TextEncoder().encode(`cosignature/v1\ntime ${timestampSeconds}\n${body}`)
}
