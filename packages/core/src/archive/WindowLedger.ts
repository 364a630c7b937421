/**
 * Port: the timeline of every source and the jobs that fill it, in SQL. Constraints make overlap and holes
 * impossible; leases are fenced, so a worker that lost its lease cannot write.
 */
import { Context, type Effect, type Option, Schema } from "effect"
import type { GapReason } from "../domain/GapReason.ts"
import type { CustomerId, JobId, SourceId, ZoneId } from "../domain/Identifier.ts"
import type { LogJob } from "../domain/LogJob.ts"
import type { LogObject } from "../domain/LogObject.ts"
import type { Source } from "../domain/Source.ts"
import type { Window } from "../domain/Window.ts"
import type { ErasureState } from "../lifecycle/Erasure.ts"

/** The database failed; the operation may be tried again. */
export class DatabaseError extends Schema.TaggedError<DatabaseError>()("DatabaseError", {
  operation: Schema.String,
  detail: Schema.String
}) {}

/** The lease was lost: another worker took the job over, or its state no longer allows the step. Nothing was written. */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", {
  job: Schema.String,
  fence: Schema.Int
}) {}

/** The timeline changed since it was read (another planner was here); read again. */
export class TimelineMoved extends Schema.TaggedError<TimelineMoved>()("TimelineMoved", { source: Schema.String }) {}

/** A source to plan. `plannedTo` is the end of its last planned window, or its start. */
export interface Timeline {
  readonly source: Source
  readonly plannedTo: number
}

/** A leased job and all a worker needs to do it. */
export interface LeasedJob {
  readonly job: LogJob
  readonly source: Source
  readonly fence: number
  /** Set when an earlier attempt stored its object but was not committed. */
  readonly stored: LogObject | null
}

/** A contiguous run of windows that were never collected and start before `before`. */
export interface UncollectedRun {
  readonly source: Source
  readonly range: Window
  /** The window right after the run is committed, or a gap: the run cannot grow any more. */
  readonly closed: boolean
}

/** How a gap is recorded. */
export interface GapRecord {
  readonly source: Source
  readonly range: Window
  readonly reason: GapReason
  /** Unix ms. */
  readonly detected: number
  /** SHA-256 (hex) and size of the stored gap document. */
  readonly document: { readonly sha256: string; readonly size: number }
}

/** The windows of all sources and their jobs. Times are Unix ms. */
export class WindowLedger extends Context.Service<WindowLedger, {
  /** The timelines of all sources that are not blocked, of all customers. */
  readonly timelines: Effect.Effect<ReadonlyArray<Timeline>, DatabaseError>
  /** The timelines of one zone, blocked or not. */
  readonly timelinesOf: (customer: CustomerId, zone: ZoneId) => Effect.Effect<ReadonlyArray<Timeline>, DatabaseError>
  /** Appends contiguous windows that start at `timeline.plannedTo`, each with its planned job. */
  readonly plan: (
    timeline: Timeline,
    windows: ReadonlyArray<Window>,
    now: number
  ) => Effect.Effect<void, TimelineMoved | DatabaseError>
  /** Runs of planned, unleased windows that start before `before` (Unix ms), oldest first. */
  readonly uncollected: (source: Source, before: number) => Effect.Effect<ReadonlyArray<UncollectedRun>, DatabaseError>
  /**
   * Turns `range` into one gap, in one transaction with its ledger entry. The range starts inside or at the start of
   * a planned window, or at the end of the timeline; it covers only planned windows and unplanned time, and may cut
   * its first and last window, whose rests stay planned. A gap past the end of the timeline moves the end.
   */
  readonly declareGap: (gap: GapRecord) => Effect.Effect<void, TimelineMoved | DatabaseError>
  /** Jobs that may be leased now: oldest-at-risk first and newest first, interleaved; at most `limit`. */
  readonly due: (
    now: number,
    limit: number
  ) => Effect.Effect<ReadonlyArray<{ readonly customer: CustomerId; readonly job: JobId }>, DatabaseError>
  /** Leases a due job, or takes over one whose lease ran out; none if somebody else holds it, its source is blocked or the customer is at its quota. */
  readonly lease: (
    target: { readonly customer: CustomerId; readonly job: JobId },
    owner: string,
    now: number,
    until: number
  ) => Effect.Effect<Option.Option<LeasedJob>, DatabaseError>
  /** Prolongs a lease to `until`. */
  readonly renew: (leased: LeasedJob, until: number) => Effect.Effect<void, LeaseLost | DatabaseError>
  /** Records that the object is stored (leased → stored). */
  readonly stored: (leased: LeasedJob, object: LogObject, now: number) => Effect.Effect<void, LeaseLost | DatabaseError>
  /** Appends the window's entry to the ledger and commits the window, in one transaction. */
  readonly commit: (leased: LeasedJob, object: LogObject, now: number) => Effect.Effect<void, LeaseLost | DatabaseError>
  /** Gives the job back after a failure, not to be leased before `notBefore`. */
  readonly retry: (
    leased: LeasedJob,
    failure: { readonly code: string; readonly detail: string; readonly counts: "failure" | "postponement" },
    notBefore: number,
    now: number
  ) => Effect.Effect<void, LeaseLost | DatabaseError>
  /** Replaces the job by two jobs cut at `at` (strictly inside its window). */
  readonly split: (leased: LeasedJob, at: number, now: number) => Effect.Effect<void, LeaseLost | DatabaseError>
  /** Changes the longest window planned for a source. */
  readonly resize: (source: SourceId, customer: CustomerId, windowMs: number) => Effect.Effect<void, DatabaseError>
  /** Jobs of a zone by window start, newest first, for the API: at most `limit`, before `before` (window start, ms). */
  readonly jobs: (
    customer: CustomerId,
    zone: ZoneId,
    page: { readonly limit: number; readonly before: number | null }
  ) => Effect.Effect<ReadonlyArray<JobView>, DatabaseError>
  /** One job of the customer. */
  readonly job: (customer: CustomerId, job: JobId) => Effect.Effect<Option.Option<JobView>, DatabaseError>
  /** How far each source is: for health, progress and tests. */
  readonly progress: (customer: CustomerId | null) => Effect.Effect<ReadonlyArray<SourceProgress>, DatabaseError>
}>()("@rainlogs/core/WindowLedger") {}

/** A job with what it archived, as the API shows it. */
export interface JobView {
  readonly job: LogJob
  readonly object: LogObject | null
  /** Leaf index and chain sequence number of the committed entry. */
  readonly entry: { readonly leafIndex: number; readonly seq: number } | null
  /** Why the window is a gap; null for any other state. */
  readonly gapReason: GapReason | null
  /** The erasure that names the window, with the SHA-256 of its newest tombstone; `executed` in Unix ms. */
  readonly erasure: {
    readonly id: string
    readonly state: ErasureState
    readonly executed: number | null
    readonly tombstone: string
  } | null
}

/** Counts of one source's windows; times in Unix ms. */
export interface SourceProgress {
  readonly source: Source
  readonly plannedTo: number
  readonly windows: { readonly [state in LogJob["state"]]: number }
  readonly records: number
  readonly plainBytes: number
  readonly storedBytes: number
  /** Start of the oldest window that is neither committed nor a gap. */
  readonly oldestUncommitted: number | null
}
