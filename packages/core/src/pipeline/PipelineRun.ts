/**
 * Runs the pipeline of a source on a window that is being collected, between its strategy and the Sealer. A source
 * without a pipeline gives the very same collection.
 */
import * as Hash from "@rainlogs/verify/Hash"
import { encode } from "@rainlogs/verify/Hex"
import { Context, Effect, Layer, Metric, Option, Stream } from "effect"
import { type Transform, transform } from "../archive/ByteTransform.ts"
import { LineFrames } from "../archive/LineFrames.ts"
import { SealError } from "../archive/SealError.ts"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { CollectionError } from "../collect/CollectionError.ts"
import type { Collection } from "../collect/CollectionStrategy.ts"
import { Sha256Hex } from "../domain/Identifier.ts"
import type { Fidelity } from "../domain/LogObject.ts"
import type { Source } from "../domain/Source.ts"
import type { Window } from "../domain/Window.ts"
import type { KmsError } from "../secrets/Kms.ts"
import type { PseudonymKey } from "./CompiledEdit.ts"
import { CompiledPipeline, type PipelineCounts } from "./CompiledPipeline.ts"
import { canonicalJson, hashOf, type Pipeline, type Rotation } from "./Pipeline.ts"
import { PipelineError, type PseudonymKeyDestroyed } from "./PipelineError.ts"
import { PipelineStore } from "./PipelineStore.ts"
import { periodOf, PseudonymKeys } from "./PseudonymKeys.ts"

const lines = Metric.counter("rainlogs_pipeline_lines_total", {
  description: "Lines that pipelines have seen, by what became of them; a retried window counts again",
  incremental: true
})

const count = ({ dropped, edited, failed, kept }: PipelineCounts) =>
  Effect.forEach(
    [["dropped", dropped], ["edited", edited], ["unchanged", kept - edited], ["failed", failed]] as const,
    ([outcome, number]) => Metric.update(Metric.withAttributes(lines, { outcome }), number),
    { discard: true }
  )

/** Frames of 1 MiB; a longer line alone, up to the Sealer's longest. */
const frameBytes = 1_048_576
const maxLineBytes = 67_108_864

/** A collection as it is sealed: `fidelity` is known once all bytes were pulled. */
export interface PipedCollection {
  readonly parameters: Collection["parameters"]
  readonly fidelity: () => Fidelity
  readonly bytes: Stream.Stream<Uint8Array, CollectionError | PipelineError | SealError>
}

/**
 * The parameters document with the rules in it: `pipeline.document` is the pipeline, `pipeline.sha256` the hash of its
 * canonical JSON. So the entry names the rules, and they are kept and bundled with it.
 */
export const withPipeline = (parameters: Collection["parameters"], pipeline: Pipeline): Collection["parameters"] => {
  const json = canonicalJson({
    ...JSON.parse(parameters.json),
    pipeline: { document: pipeline, sha256: hashOf(pipeline) }
  })
  return { json, sha256: Sha256Hex.make(encode(Hash.sha256(new TextEncoder().encode(json)))) }
}

/** The compiled pipeline over pieces of a byte stream. */
export const byteTransform = (compiled: CompiledPipeline): Transform<Uint8Array, Uint8Array> => {
  const frames = new LineFrames(frameBytes, maxLineBytes)
  let passed = 0
  const apply = (frame: Buffer): ReadonlyArray<Uint8Array> => {
    passed += frame.length
    const out = compiled.apply(frame)
    if (out !== frame) frames.recycle(frame)
    return out.length === 0 ? [] : [out]
  }
  return {
    push: (piece) => {
      const out: Array<Uint8Array> = []
      frames.offer(piece)
      for (let frame = frames.take(); frame !== undefined; frame = frames.take()) out.push(...apply(frame))
      if (frames.overflowed) {
        const line = compiled.counts.lines + 1
        throw new SealError({ category: "malformed", code: "line-too-long", line, offset: passed })
      }
      return out
    },
    end: () => {
      const frame = frames.end()
      return frame === undefined ? [] : apply(frame)
    }
  }
}

const expected = (cause: unknown) => cause instanceof PipelineError || cause instanceof SealError ? cause : undefined

/** Runs pipelines. */
export class PipelineRun extends Context.Service<PipelineRun, {
  /** The collection as its source's pipeline leaves it. Its bytes can be pulled once. */
  readonly apply: (
    source: Source,
    window: Window,
    collection: Collection
  ) => Effect.Effect<PipedCollection, PseudonymKeyDestroyed | DatabaseError | KmsError>
}>()("@rainlogs/core/PipelineRun") {
  static readonly layer: Layer.Layer<PipelineRun, never, PipelineStore | PseudonymKeys> = Layer.effect(
    PipelineRun,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function*() {
  const pipelines = yield* PipelineStore
  const pseudonyms = yield* PseudonymKeys

  const keysOf = Effect.fnUntraced(function*(source: Source, window: Window, { rules }: Pipeline) {
    const keys = new Map<Rotation, PseudonymKey>()
    for (const rule of rules) {
      if (rule.rule !== "pseudonymise" || keys.has(rule.rotate)) continue
      keys.set(rule.rotate, yield* pseudonyms.key(source.customer, periodOf(rule.rotate, window.from)))
    }
    return keys
  })

  return PipelineRun.of({
    apply: Effect.fn("PipelineRun.apply")(function*(source, window, collection) {
      const found = yield* pipelines.current(source.customer, source.id)
      if (Option.isNone(found)) return { ...collection, fidelity: () => collection.fidelity }
      const compiled = new CompiledPipeline(found.value, yield* keysOf(source, window, found.value))
      const { counts } = compiled
      return {
        parameters: withPipeline(collection.parameters, found.value),
        fidelity: () => counts.dropped > 0 ? "partial" : collection.fidelity,
        bytes: transform(collection.bytes, () => byteTransform(compiled), expected).pipe(
          Stream.ensuring(Effect.suspend(() => count(counts)))
        )
      }
    })
  })
})
