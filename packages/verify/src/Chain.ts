/**
 * The chain link (ledger format §2): every stored object and document is bound to its predecessor in its chain and to
 * its job.
 */
import { encode } from "./Ascii.ts"
import { uuid } from "./Field.ts"
import { type Sha256, sha256 } from "./Hash.ts"
import { MalformedError } from "./Malformed.ts"

/** The chain that carries the tenant's own documents: genesis, policy, heartbeats, gaps, tombstones… */
export const controlChain = "control"

/**
 * The `prev` of a chain's first entry: `SHA256("rainlogs-genesis/v1\n" ∥ origin ∥ "\n" ∥ chain ∥ "\n")`, so one
 * tenant's or zone's chain can never pass for another's.
 */
export const genesisPrev = (origin: string, chain: string): Uint8Array =>
  sha256(encode(`rainlogs-genesis/v1\n${origin}\n${chain}\n`))

/**
 * `SHA256(prev[32] ∥ object[32] ∥ ASCII(jobId))`, always over 100 bytes; throws {@link MalformedError} when a part has
 * another length or the job id is not a lower-case UUID.
 */
export const chainHash = (
  prev: Uint8Array,
  object: Uint8Array,
  jobId: string,
  hash: Sha256 = sha256
): Uint8Array => {
  if (prev.length !== 32 || object.length !== 32) throw new MalformedError("chain link", "hashes have 32 bytes")
  uuid("chain link", jobId)
  const preimage = new Uint8Array(100)
  preimage.set(prev, 0)
  preimage.set(object, 32)
  for (let i = 0; i < 36; i++) preimage[64 + i] = jobId.charCodeAt(i)
  return hash(preimage)
}
