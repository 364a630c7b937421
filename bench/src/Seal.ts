/**
 * Benchmark `seal`: validate, compress, encrypt, hash and spool one window, from a file.
 * Target (design §6): 150 MB/s per core, 256 MB of memory whatever the size.
 */
import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { type Bench, rounded, runtime } from "./Bench.ts"
import { writeGenerated } from "./GeneratedFile.ts"
import { opensslSha256, ratioTo, zstd } from "./PublicTool.ts"
import type { SealReport } from "./SealProcess.ts"

const runSeal = async (input: string, directory: string): Promise<SealReport> => {
  const script = join(import.meta.dirname, "SealProcess.ts")
  // The same options as this process has, which `runtime` names.
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, script, input, directory])
  return JSON.parse(stdout)
}

/** The benchmark. It fails when the sealed window is not the generated one. */
export const seal: Bench = {
  name: "seal",
  about: "validate, compress, encrypt, hash and spool one window of generated records",
  run: async ({ directory, sizeBytes }) => {
    const input = join(directory, "input.ndjson")
    const generated = await writeGenerated(input, sizeBytes)
    const report = await runSeal(input, directory)
    if (report.records !== generated.lines || report.plainBytes !== generated.bytes) {
      throw new Error(
        `sealed ${report.records} records of ${generated.lines}, ${report.plainBytes} bytes of ${generated.bytes}`
      )
    }
    const ratios = [zstd, opensslSha256].map((tool) => ratioTo(tool, input, report.cpuSeconds))
    const mb = report.plainBytes / 1e6
    return {
      name: "seal",
      mbPerSecPerCore: rounded(mb / report.cpuSeconds),
      ratio: ratios[0]?.ratio ?? null,
      peakRssMb: rounded(report.peakRssMb),
      mbPerSec: rounded(mb / report.wallSeconds),
      sizeBytes: report.plainBytes,
      runtime: runtime(),
      ratios,
      details: {
        records: report.records,
        storedBytes: report.storedBytes,
        compression: rounded(report.plainBytes / report.storedBytes),
        cpuSeconds: rounded(report.cpuSeconds),
        wallSeconds: rounded(report.wallSeconds)
      }
    }
  }
}
