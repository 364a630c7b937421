/**
 * Port: the pipelines of sources, as versions that are only added to. A window is archived under the version that was
 * the newest when its collection began.
 */
import { Context, type Effect, type Option } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { CustomerId, SourceId, ZoneId } from "../domain/Identifier.ts"
import type { SourceName } from "../domain/Source.ts"
import type { Pipeline } from "./Pipeline.ts"

/** The newest version of a source's pipeline; `pipeline` is null where lines are archived as they come. */
export interface SourcePipeline {
  readonly source: SourceName
  /** 0 where none was ever set. */
  readonly version: number
  readonly pipeline: Pipeline | null
  /** Unix ms; null with version 0. */
  readonly setAt: number | null
}

/** Pipelines of sources. */
export class PipelineStore extends Context.Service<PipelineStore, {
  /** The pipeline that windows of the source are archived under now, if there is one. */
  readonly current: (customer: CustomerId, source: SourceId) => Effect.Effect<Option.Option<Pipeline>, DatabaseError>
  /** The newest pipeline of every source of a zone, by name. */
  readonly ofZone: (
    customer: CustomerId,
    zone: ZoneId
  ) => Effect.Effect<ReadonlyArray<SourcePipeline>, DatabaseError>
  /**
   * Sets the pipeline of a source at `now` (Unix ms), null for none; the same as the newest adds no version. None if the
   * zone has no such source.
   */
  readonly set: (
    customer: CustomerId,
    zone: ZoneId,
    source: SourceName,
    pipeline: Pipeline | null,
    now: number
  ) => Effect.Effect<Option.Option<SourcePipeline>, DatabaseError>
}>()("@rainlogs/core/PipelineStore") {}
