/**
 * Benchmark `seal`: validate, compress, encrypt, hash and spool one window, from a file.
 * Target: 150 MB/s per core, 256 MB of memory whatever the size.
 */
import { type Bench, rounded } from "./Bench.ts"
import { benchOnGenerated, type FileReport } from "./MeasuredProcess.ts"

/** The benchmark. It fails when the sealed window is not the generated one. */
export const seal: Bench = {
  name: "seal",
  about: "validate, compress, encrypt, hash and spool one window of generated records",
  run: (options) =>
    benchOnGenerated<FileReport>(
      { ...options, name: "seal", script: "SealProcess.ts" },
      (report) => ({ compression: rounded(report.plainBytes / report.storedBytes) })
    )
}
