/**
 * Runs a pipeline on the lines of a file, one by one, and prints each before and after. Pseudonyms are made with a key
 * that is thrown away: they look like the archive's and are others.
 */
import { LineFrames } from "@rainlogs/core/archive/LineFrames"
import { CompiledPipeline, type LineOutcome, type PipelineCounts } from "@rainlogs/core/pipeline/CompiledPipeline"
import { type Pipeline, Rotation } from "@rainlogs/core/pipeline/Pipeline"
import { PipelineError } from "@rainlogs/core/pipeline/PipelineError"
import { periodOf } from "@rainlogs/core/pipeline/PseudonymKeys"
import { Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { createReadStream } from "node:fs"

// Every line is a frame of its own, so that it can be shown with what it became.
const shortest = 1
const longest = 67_108_864

const throwAwayKeys = (now: number) =>
  new Map(Rotation.literals.map((rotation) => [
    rotation,
    { period: periodOf(rotation, now), secret: Redacted.make(new Uint8Array(randomBytes(32))) }
  ]))

const print = async (text: string): Promise<void> => {
  if (!process.stdout.write(`${text}\n`)) await once(process.stdout, "drain")
}

const inWords = (line: number, outcome: string, fault: PipelineError | null, before: string, after: string): string =>
  fault !== null
    ? `${line} ! ${fault.message}`
    : outcome === "dropped"
    ? `${line} dropped\n  - ${before}`
    : outcome === "edited"
    ? `${line} edited\n  - ${before}\n  + ${after}`
    : `${line} unchanged\n    ${before}`

/** Prints what becomes of every line; the counts say how many were kept, edited, dropped, or could not be. */
export const tryPipeline = async (pipeline: Pipeline, path: string, json: boolean): Promise<PipelineCounts> => {
  const compiled = new CompiledPipeline(pipeline, throwAwayKeys(Date.now()))
  const frames = new LineFrames(shortest, longest)
  const show = async (frame: Buffer) => {
    let seen: LineOutcome = { outcome: "dropped", fault: null }
    let out: Buffer = Buffer.alloc(0)
    try {
      out = compiled.apply(frame, (outcome) => {
        seen = outcome
      })
    } catch (error) {
      // With `fail` the sample goes on: all that is wrong is to be seen at once.
      if (!(error instanceof PipelineError)) throw error
      seen = { outcome: "dropped", fault: error }
    }
    const { fault, outcome } = seen
    const line = compiled.counts.lines
    const text = (bytes: Buffer) => bytes.toString("utf8").replace(/\n$/, "")
    const before = text(frame)
    const after = out.length === 0 ? null : text(out)
    await print(
      json
        ? JSON.stringify({
          line,
          outcome: fault === null ? outcome : "failed",
          before,
          after,
          ...fault === null ? {} : { error: fault.code, field: fault.field }
        })
        : inWords(line, outcome, fault, before, after ?? "")
    )
  }
  for await (const piece of createReadStream(path)) {
    frames.offer(piece)
    for (let frame = frames.take(); frame !== undefined; frame = frames.take()) await show(frame)
    if (frames.overflowed) throw new Error(`line ${compiled.counts.lines + 1} is longer than ${longest} bytes`)
  }
  const last = frames.end()
  if (last !== undefined) await show(last)
  return compiled.counts
}
