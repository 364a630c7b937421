/**
 * The measured process of the verify benchmark: `VerifyProcess.ts <archive> <vkey>` verifies the archive with the
 * command's own code and prints what it took as JSON.
 */
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { verify as verifySignature } from "@rainlogs/verify/node/NativeEd25519"
import { sha256 } from "@rainlogs/verify/node/NativeSha256"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { measure } from "./Measure.ts"

/** What the process prints. */
export interface VerifyReport {
  readonly cpuSeconds: number
  readonly wallSeconds: number
  readonly peakRssMb: number
  readonly integrity: string
  readonly completeness: string
  readonly entries: number
  readonly objectBytes: number
}

const [archive = "", vkey = ""] = process.argv.slice(2)
const { value, ...took } = await measure(async () =>
  verifyArchive(await openDirectory(archive), { keys: [parseVerifierKey(vkey)], sha256, verifySignature })
)
const report: VerifyReport = {
  ...took,
  integrity: value.verdict.integrity,
  completeness: value.verdict.completeness,
  entries: value.counts.entries,
  objectBytes: value.counts.objectBytes
}
process.stdout.write(`${JSON.stringify(report)}\n`)
