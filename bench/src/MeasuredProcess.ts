/**
 * Work measured in a process of its own, so that its memory and CPU time are those of the work and nothing else; and
 * what is the same for all benchmarks that archive a generated file.
 */
import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { type BenchOptions, type BenchResult, rounded, runtime } from "./Bench.ts"
import { writeGenerated } from "./GeneratedFile.ts"
import { opensslSha256, type PublicTool, ratioTo, zstd } from "./PublicTool.ts"

/**
 * Runs `script` of this folder with the runtime and options of this process, which `runtime` names; answers its output,
 * one JSON text of the shape the caller states.
 */
export const runMeasured = async <Report>(script: string, ...args: ReadonlyArray<string>): Promise<Report> => {
  const argv = [...process.execArgv, join(import.meta.dirname, script), ...args]
  const { stdout } = await promisify(execFile)(process.execPath, argv)
  return JSON.parse(stdout)
}

/** What a process says that archived a file: CPU seconds of all its threads and children, memory in MB, sizes in bytes. */
export interface FileReport {
  readonly cpuSeconds: number
  readonly wallSeconds: number
  readonly peakRssMb: number
  readonly plainBytes: number
  readonly storedBytes: number
  readonly records: number
}

/** Has `script` archive a generated file and compares it with the public tools; throws if a record is missing. */
export const benchOnGenerated = async <Report extends FileReport>(
  { directory, name, script, sizeBytes, tools = [zstd, opensslSha256] }: BenchOptions & {
    readonly name: string
    readonly script: string
    readonly tools?: ReadonlyArray<PublicTool>
  },
  details: (report: Report) => BenchResult["details"]
): Promise<BenchResult> => {
  const input = join(directory, "input.ndjson")
  const generated = await writeGenerated(input, sizeBytes)
  const report = await runMeasured<Report>(script, input, directory)
  if (report.records !== generated.lines || report.plainBytes !== generated.bytes) {
    throw new Error(
      `${name}: ${report.records} records of ${generated.lines}, ${report.plainBytes} bytes of ${generated.bytes}`
    )
  }
  const ratios = tools.map((tool) => ratioTo(tool, input, report.cpuSeconds))
  const mb = report.plainBytes / 1e6
  return {
    name,
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
      cpuSeconds: rounded(report.cpuSeconds),
      wallSeconds: rounded(report.wallSeconds),
      ...details(report)
    }
  }
}
