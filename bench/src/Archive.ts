/**
 * Benchmark `archive`: the whole road behind the collection, with the embedded PostgreSQL, the fsynced file-system store
 * and the published ledger. Target (design §6): 100 MB/s per core.
 */
import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import type { ArchiveReport } from "./ArchiveProcess.ts"
import { type Bench, rounded, runtime } from "./Bench.ts"
import { writeGenerated } from "./GeneratedFile.ts"
import { opensslSha256, ratioTo, zstd } from "./PublicTool.ts"

/** The benchmark. It fails when a record is missing. */
export const archive: Bench = {
  name: "archive",
  about: "archive generated records: leases, sealing, fsynced store, ledger, checkpoint",
  run: async ({ directory, sizeBytes }) => {
    const input = join(directory, "input.ndjson")
    const generated = await writeGenerated(input, sizeBytes)
    const script = join(import.meta.dirname, "ArchiveProcess.ts")
    const { stdout } = await promisify(execFile)(process.execPath, [script, input, directory])
    const report: ArchiveReport = JSON.parse(stdout)
    if (report.records !== generated.lines || report.plainBytes !== generated.bytes) {
      throw new Error(
        `archived ${report.records} records of ${generated.lines}, ${report.plainBytes} bytes of ${generated.bytes}`
      )
    }
    const ratios = [zstd, opensslSha256].map((tool) => ratioTo(tool, input, report.cpuSeconds))
    const mb = report.plainBytes / 1e6
    return {
      name: "archive",
      mbPerSecPerCore: rounded(mb / report.cpuSeconds),
      ratio: ratios[0]?.ratio == null ? null : rounded(ratios[0].ratio),
      peakRssMb: rounded(report.peakRssMb),
      mbPerSec: rounded(mb / report.wallSeconds),
      sizeBytes: report.plainBytes,
      runtime: runtime(),
      ratios: ratios.map((one) => one.ratio === null ? one : { ...one, ratio: rounded(one.ratio) }),
      details: {
        windows: report.windows,
        records: report.records,
        storedBytes: report.storedBytes,
        cpuSeconds: rounded(report.cpuSeconds),
        databaseCpuSeconds: rounded(report.databaseCpuSeconds),
        wallSeconds: rounded(report.wallSeconds)
      }
    }
  }
}
