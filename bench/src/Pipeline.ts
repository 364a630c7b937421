/**
 * Benchmark `pipeline`: three rules on a file of records, against sed with the same rules.
 */
import type { Bench } from "./Bench.ts"
import { benchOnGenerated, type FileReport } from "./MeasuredProcess.ts"
import { sedProgram } from "./PipelineRules.ts"

/** The benchmark. It fails when a line was not seen. */
export const pipeline: Bench = {
  name: "pipeline",
  about: "drop lines, cut addresses and redact a field of generated records",
  run: (options) =>
    benchOnGenerated<FileReport>(
      {
        ...options,
        name: "pipeline",
        script: "PipelineProcess.ts",
        tools: [{ name: "sed -E", argv: ["sed", "-E", sedProgram] }]
      },
      (report) => ({ bytesLeft: report.storedBytes })
    )
}
