/**
 * The measured processes of the bundle benchmark: `BundleProcess.ts make <archive> <file>` makes a bundle of everything,
 * `BundleProcess.ts verify <file> <vkey>` verifies it; each prints what it took as JSON.
 */
import { main } from "@rainlogs/verify/cli"
import { writeBundleFile } from "@rainlogs/verify/node/BundleOutput"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { createReadStream } from "node:fs"
import { join } from "node:path"
import { chain, ledgerOrigin } from "./LedgerBuilder.ts"
import { measure } from "./Measure.ts"

/** What the process prints. */
export interface BundleReport {
  readonly cpuSeconds: number
  readonly wallSeconds: number
  readonly peakRssMb: number
  /** Objects in the bundle, or the exit code of the verifier. */
  readonly outcome: number
  readonly bytes: number
}

const [task = "", first = "", second = ""] = process.argv.slice(2)

const make = async () => {
  const reader = await openDirectory(first)
  const { bytes, objects } = await writeBundleFile({
    origin: ledgerOrigin,
    chain,
    from: 0,
    to: Number.MAX_SAFE_INTEGER,
    reader,
    stream: (key) => createReadStream(join(first, key)),
    out: second,
    temporary: `${second}.part`
  })
  return { outcome: objects, bytes }
}

const silent = { write: () => true }
const verify = async () => ({
  outcome: await main([first, "--key", second, "--only", "integrity"], { stdout: silent, stderr: silent }),
  bytes: 0
})

const { value, ...took } = await measure(task === "make" ? make : verify)
const report: BundleReport = { ...took, ...value }
process.stdout.write(`${JSON.stringify(report)}\n`)
