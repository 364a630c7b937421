/**
 * The measured process of the pipeline benchmark: `PipelineProcess.ts <input file>` runs three rules on the file and
 * prints what it took as JSON. Nothing is sealed.
 */
import { CompiledPipeline } from "@rainlogs/core/pipeline/CompiledPipeline"
import { Pipeline } from "@rainlogs/core/pipeline/Pipeline"
import { byteTransform } from "@rainlogs/core/pipeline/PipelineRun"
import { Effect, Schema } from "effect"
import { createReadStream } from "node:fs"
import { measure } from "./Measure.ts"
import type { FileReport } from "./MeasuredProcess.ts"
import { benchRules } from "./PipelineRules.ts"

const [input = ""] = process.argv.slice(2)
const compiled = new CompiledPipeline(Schema.decodeUnknownSync(Pipeline)(benchRules), new Map())
let plainBytes = 0
let storedBytes = 0

const run = async () => {
  const { end, push } = byteTransform(compiled)
  const count = (pieces: ReadonlyArray<Uint8Array>) => {
    for (const piece of pieces) storedBytes += piece.length
  }
  for await (const piece of createReadStream(input, { highWaterMark: 1_048_576 })) {
    plainBytes += piece.length
    count(push(piece))
  }
  count(end())
}

const { cpuSeconds, peakRssMb, wallSeconds } = await measure(() => Effect.runPromise(Effect.promise(run)))
const report: FileReport = {
  cpuSeconds,
  wallSeconds,
  peakRssMb,
  plainBytes,
  storedBytes,
  records: compiled.counts.lines
}
process.stdout.write(`${JSON.stringify(report)}\n`)
