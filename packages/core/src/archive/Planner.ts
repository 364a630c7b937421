/**
 * The planner: keeps every source's timeline tiled up to now, turns what the source has forgotten into explicit gaps,
 * and offers due jobs to the queue. It reads everything from the window ledger, so any number of planners may run and
 * a lost queue is filled again.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { CollectionStrategies } from "../collect/CollectionStrategies.ts"
import type { CollectionLimits } from "../collect/CollectionStrategy.ts"
import type { CustomerId, JobId, ZoneId } from "../domain/Identifier.ts"
import type { Window } from "../domain/Window.ts"
import * as WindowInterval from "../domain/Window.ts"
import { LedgerEvents } from "../ledger/LedgerEvents.ts"
import type { StorageError } from "../storage/ObjectStore.ts"
import { isGivenUp } from "./GivenBack.ts"
import { JobQueue } from "./JobQueue.ts"
import { openJobs } from "./OpenJobs.ts"
import {
  defaultPlanning,
  givenUpBefore,
  oldestCollectable,
  type PlanningOptions,
  planWindows,
  settledUntil
} from "./PlanWindows.ts"
import { type DatabaseError, type GapRecord, type Timeline, type TimelineMoved, WindowLedger } from "./WindowLedger.ts"

/** What one round did. */
export interface PlanningRound {
  readonly planned: number
  readonly gaps: number
  readonly offered: number
}

/** Plans windows, declares gaps, offers jobs. */
export class Planner extends Context.Service<Planner, {
  /** Plans all sources, declares gaps, offers due jobs. One source's failure is logged and does not stop the others. */
  readonly round: Effect.Effect<PlanningRound, DatabaseError>
  /**
   * Plans one zone now and returns its waiting jobs, newest first. A few are offered at once, newest and oldest; the
   * rest comes with the rounds, so that nobody's request goes before everybody else's windows.
   */
  readonly pullNow: (customer: CustomerId, zone: ZoneId) => Effect.Effect<ReadonlyArray<JobId>, DatabaseError>
  /** Declares `range` of a timeline as a gap: document first, then ledger and timeline in one transaction. */
  readonly declareGap: (
    gap: Omit<GapRecord, "document" | "detected"> & { readonly detail: string }
  ) => Effect.Effect<void, TimelineMoved | StorageError | DatabaseError>
}>()("@rainlogs/core/Planner") {
  /** `mostQueued`: jobs waiting in the queue at once, 64 when left out. */
  static readonly layer = (options: { readonly planning?: PlanningOptions; readonly mostQueued?: number } = {}) =>
    Layer.effect(Planner, make(options.planning ?? defaultPlanning, options.mostQueued ?? 64))
}

/** `pullNow` offers so many jobs itself. */
const mostPulled = 4

/** The first, the last, the second, the last but one … of a list. */
const fromBothEnds = <A>(items: ReadonlyArray<A>): ReadonlyArray<A> =>
  items.map((_, index) => items.at(index % 2 === 0 ? index / 2 : -(index + 1) / 2)!)

const make = Effect.fnUntraced(function*(planning: PlanningOptions, mostQueued: number) {
  const ledger = yield* WindowLedger
  const events = yield* LedgerEvents
  const queue = yield* JobQueue
  const strategies = yield* CollectionStrategies

  const declareGap = Effect.fn("Planner.declareGap")(
    function*(gap: Omit<GapRecord, "document" | "detected"> & { readonly detail: string }) {
      const detected = yield* Clock.currentTimeMillis
      const document = yield* events.gap({ customer: gap.source.customer, origin: gap.source.origin }, {
        chain: gap.source.zone,
        source: gap.source.name,
        from: gap.range.from,
        to: gap.range.to,
        reason: gap.reason,
        detected,
        detail: gap.detail
      })
      yield* ledger.declareGap({ source: gap.source, range: gap.range, reason: gap.reason, detected, document })
      yield* Effect.logWarning("gap declared").pipe(
        Effect.annotateLogs({ source: gap.source.id, window: WindowInterval.format(gap.range), reason: gap.reason })
      )
    }
  )

  /**
   * Ranges that the source has forgotten: whole runs, so that an outage is one gap however many windows it held.
   * `waits`: the end of the timeline is forgotten too, but must not be declared yet.
   */
  const expiredRanges = Effect.fnUntraced(function*(timeline: Timeline, limits: CollectionLimits, now: number) {
    // A source that waits for us forgets nothing.
    if (!Number.isFinite(limits.horizonMs)) return { ranges: [], waits: false }
    const before = givenUpBefore(now, limits, planning)
    const oldest = oldestCollectable(now, limits, planning)
    const ends = timeline.plannedTo < before
    const ripe: Array<Window> = []
    let reached = timeline.plannedTo
    for (const run of yield* ledger.uncollected(timeline.source, before)) {
      const reachesEnd = ends && run.range.to >= timeline.plannedTo
      const range = { from: run.range.from, to: reachesEnd ? oldest : Math.min(run.range.to, oldest) }
      if (reachesEnd) reached = oldest
      // A run that may still grow waits: while an outage lasts, its windows expire one by one.
      if (!run.closed && !reachesEnd && WindowInterval.duration(range) < limits.horizonMs) continue
      ripe.push(range)
    }
    if (ends && reached < oldest) ripe.push({ from: reached, to: oldest })
    const [first] = ripe
    if (first === undefined) return { ranges: [], waits: false }
    // A window somebody has, or whose object an attempt may have left, is not lost yet; nor is a gap cut in two by it.
    const open = yield* openJobs(ledger, timeline.source, { from: first.from - 1, to: before })
    const undecided = open.filter((job) => !isGivenUp(job))
    const ranges = ripe.filter((range) =>
      !undecided.some(({ window }) => window.from <= range.to && window.to >= range.from)
    )
    return { ranges, waits: ends && ranges.at(-1)?.to !== oldest }
  })

  const planSource = Effect.fn("Planner.planSource")(function*(timeline: Timeline) {
    const limits = strategies.of(timeline.source.name)?.limits
    // Another process has this source's strategy, and plans it.
    if (limits === undefined) return { planned: 0, gaps: 0 }
    const now = yield* Clock.currentTimeMillis
    let plannedTo = timeline.plannedTo
    const { ranges, waits } = yield* expiredRanges(timeline, limits, now)
    for (const range of ranges) {
      yield* declareGap({
        source: timeline.source,
        range,
        reason: "expired",
        detail: `older than the ${limits.horizonMs / 3_600_000} h the source keeps`
      })
      plannedTo = Math.max(plannedTo, range.to)
    }
    if (waits) return { planned: 0, gaps: ranges.length }
    const longest = Math.min(timeline.source.windowMs, planning.longestWindowMs, limits.longestWindowMs)
    const windows = planWindows(plannedTo, settledUntil(now, limits, planning), longest, planning)
    if (windows.length > 0) yield* ledger.plan({ source: timeline.source, plannedTo }, windows, now)
    return { planned: windows.length, gaps: ranges.length }
  })

  const planAll = Effect.fnUntraced(function*(timelines: ReadonlyArray<Timeline>) {
    let planned = 0
    let gaps = 0
    for (const timeline of timelines) {
      const done = yield* planSource(timeline).pipe(
        // Another planner was here first: what it planned is what we would have planned.
        Effect.catchTag("TimelineMoved", () => Effect.succeed({ planned: 0, gaps: 0 })),
        Effect.catchCause((cause) =>
          Effect.as(
            Effect.logError("planning failed; the next round tries again", cause).pipe(
              Effect.annotateLogs({ source: timeline.source.id })
            ),
            { planned: 0, gaps: 0 }
          )
        )
      )
      planned += done.planned
      gaps += done.gaps
    }
    return { planned, gaps }
  })

  const round = Effect.gen(function*() {
    const { gaps, planned } = yield* planAll(yield* ledger.timelines)
    const room = mostQueued - (yield* queue.size)
    if (room <= 0) return { planned, gaps, offered: 0 }
    const jobs = yield* ledger.due(yield* Clock.currentTimeMillis, room)
    yield* queue.offer(jobs)
    return { planned, gaps, offered: jobs.length }
  }).pipe(Effect.withSpan("Planner.round"))

  const pullNow = Effect.fn("Planner.pullNow")(function*(customer: CustomerId, zone: ZoneId) {
    const timelines = yield* ledger.timelines
    yield* planAll(timelines.filter(({ source }) => source.customer === customer && source.zone === zone))
    const page = yield* ledger.jobs(customer, zone, { limit: 1000, before: null })
    const now = yield* Clock.currentTimeMillis
    const waiting = page.filter(({ job }) => job.state === "planned").map(({ job }) => job)
    const room = Math.min(mostPulled, mostQueued - (yield* queue.size))
    const due = fromBothEnds(waiting.filter(({ notBefore }) => notBefore <= now)).slice(0, Math.max(0, room))
    yield* queue.offer(due.map(({ id }) => ({ customer, job: id })))
    return waiting.map(({ id }) => id)
  })

  return Planner.of({ round, pullNow, declareGap })
})
