/**
 * Benchmark `verify`: the offline verifier on an archive whose objects are the generated data, on one of 200 000 empty
 * windows for the replay alone, and its page on a bundle. Targets: 80 % of `openssl dgst -sha256` on the same objects
 * with all cores, 50 000 entries/s.
 */
import { open } from "node:fs/promises"
import { loadavg } from "node:os"
import { join } from "node:path"
import { type Bench, rounded, runtime } from "./Bench.ts"
import { writeGenerated } from "./GeneratedFile.ts"
import { LedgerBuilder } from "./LedgerBuilder.ts"
import { runMeasured } from "./MeasuredProcess.ts"
import { opensslOnAllCores, opensslSha256, ratioTo } from "./PublicTool.ts"
import { measurePage } from "./VerifyPage.ts"
import type { VerifyReport } from "./VerifyProcess.ts"

const objectBytes = 32 * 1024 * 1024
const emptyWindows = 200_000
// A browser is not given a gigabyte to say how fast it is.
const largestForPage = 256 * 1024 * 1024

const runVerify = async (archive: string, vkey: string): Promise<VerifyReport> => {
  const report = await runMeasured<VerifyReport>("VerifyProcess.ts", archive, vkey)
  if (report.integrity !== "PASS" || report.completeness !== "PASS") {
    throw new Error(`not verified: ${JSON.stringify(report)}`)
  }
  return report
}

/** An archive whose objects are the file's bytes, in blocks. */
const archiveOf = async (file: string, directory: string): Promise<LedgerBuilder> => {
  const builder = new LedgerBuilder(directory)
  const handle = await open(file)
  try {
    for (;;) {
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(objectBytes), 0, objectBytes)
      if (bytesRead === 0) break
      builder.window(buffer.subarray(0, bytesRead))
    }
  } finally {
    await handle.close()
  }
  builder.finish()
  return builder
}

/** The benchmark. It fails when an archive does not verify. */
export const verify: Bench = {
  name: "verify",
  about: "verify an archive directory offline",
  run: async ({ directory, sizeBytes }) => {
    const input = join(directory, "input.ndjson")
    await writeGenerated(input, sizeBytes)
    const archive = join(directory, "archive")
    const { vkey } = await archiveOf(input, archive)
    const report = await runVerify(archive, vkey)
    const ratio = ratioTo(opensslSha256, input, report.cpuSeconds)
    const allCores = opensslOnAllCores(join(archive, "logs"))

    const empty = join(directory, "empty")
    const replayed = new LedgerBuilder(empty)
    for (let index = 0; index < emptyWindows; index++) replayed.window(null)
    replayed.finish()
    const replay = await runVerify(empty, replayed.vkey)

    const small = join(directory, "small")
    const pageArchive = sizeBytes <= largestForPage ? { path: archive, vkey } : await (async () => {
      const data = join(directory, "small.ndjson")
      await writeGenerated(data, largestForPage)
      return { path: small, vkey: (await archiveOf(data, small)).vkey }
    })()
    const page = await measurePage(pageArchive.path, pageArchive, directory).then(
      ({ mbPerSec }) => mbPerSec,
      (error: unknown) => `not measured: ${error instanceof Error ? error.message : String(error)}`
    )
    if (typeof page === "string") process.stderr.write(`WARNING: the page was ${page}\n`)

    const mb = report.objectBytes / 1e6
    return {
      name: "verify",
      mbPerSecPerCore: rounded(mb / report.cpuSeconds),
      ratio: ratio.ratio,
      peakRssMb: rounded(report.peakRssMb),
      mbPerSec: rounded(mb / report.wallSeconds),
      sizeBytes: report.objectBytes,
      runtime: runtime(),
      ratios: [ratio],
      details: {
        ratioAllCores: "reason" in allCores ? allCores.reason : rounded(allCores.wallSeconds / report.wallSeconds),
        pageMbPerSec: page,
        loadAverage: rounded(loadavg()[0] ?? 0),
        replayEntries: replay.entries,
        replayEntriesPerSec: Math.round(replay.entries / replay.wallSeconds),
        replayPeakRssMb: rounded(replay.peakRssMb),
        cpuSeconds: rounded(report.cpuSeconds),
        wallSeconds: rounded(report.wallSeconds)
      }
    }
  }
}
