/**
 * Benchmark `bundle`: an evidence bundle of 30 000 small objects, the most the API allows, is made and verified; measures the memory of both,
 * which must not grow with what the bundle holds. Target: 256 MB.
 */
import { join } from "node:path"
import { type Bench, rounded, runtime } from "./Bench.ts"
import type { BundleReport } from "./BundleProcess.ts"
import { LedgerBuilder } from "./LedgerBuilder.ts"
import { runMeasured } from "./MeasuredProcess.ts"
import { type PublicTool, ratioTo } from "./PublicTool.ts"

const objects = 30_000
const objectBytes = 1000
/** Five minutes, as windows at the fresh end are. */
const windowMs = 300_000

/** Reads every file once, as making a bundle does twice. */
const tar: PublicTool = { name: "tar", argv: ["sh", "-c", "tar -cf - -C \"$0\" . | cat"] }

/** The benchmark. It fails when an object is missing or the bundle does not verify. */
export const bundle: Bench = {
  name: "bundle",
  about: "make and verify an evidence bundle of 30 000 objects; memory of both",
  run: async ({ directory }) => {
    const archive = join(directory, "archive")
    const builder = new LedgerBuilder(archive, windowMs)
    for (let index = 0; index < objects; index++) {
      builder.window(new TextEncoder().encode(`{"RayID":"${String(index).padStart(objectBytes - 13, "0")}"}\n`))
    }
    builder.finish()
    const file = join(directory, "evidence.zip")
    const made = await runMeasured<BundleReport>("BundleProcess.ts", "make", archive, file)
    if (made.outcome !== objects) throw new Error(`${made.outcome} objects of ${objects} are in the bundle`)
    const verified = await runMeasured<BundleReport>("BundleProcess.ts", "verify", file, builder.vkey)
    if (verified.outcome !== 0) throw new Error(`the bundle does not verify: exit code ${verified.outcome}`)
    const ratio = ratioTo(tar, archive, made.cpuSeconds)
    return {
      name: "bundle",
      mbPerSecPerCore: rounded(made.bytes / 1e6 / made.cpuSeconds),
      ratio: ratio.ratio,
      peakRssMb: rounded(made.peakRssMb),
      mbPerSec: rounded(made.bytes / 1e6 / made.wallSeconds),
      sizeBytes: made.bytes,
      runtime: runtime(),
      ratios: [ratio],
      details: {
        objects,
        makeSeconds: rounded(made.wallSeconds),
        verifySeconds: rounded(verified.wallSeconds),
        verifyPeakRssMb: rounded(verified.peakRssMb)
      }
    }
  }
}
