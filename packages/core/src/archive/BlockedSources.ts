/**
 * Looks again at blocked sources, and lets them go on when their cause is gone. Where Cloudflare kept no logs in the
 * meantime (retention was off), that time becomes a gap with reason `blocked`: it must not look like an empty hour.
 */
import { Clock, Context, Effect, Layer, Option } from "effect"
import type { CollectionError } from "../collect/CollectionError.ts"
import { CollectionStrategies } from "../collect/CollectionStrategies.ts"
import type { CollectionLimits } from "../collect/CollectionStrategy.ts"
import type { CustomerId, SourceId, ZoneId } from "../domain/Identifier.ts"
import { unwrapCloudflareToken } from "../secrets/CloudflareToken.ts"
import { Kms } from "../secrets/Kms.ts"
import { CustomerStore } from "./CustomerStore.ts"
import { blockOf } from "./FailureDecision.ts"
import { openJobs } from "./OpenJobs.ts"
import { Planner } from "./Planner.ts"
import { planWindows } from "./PlanWindows.ts"
import { type DatabaseError, type LeaseLost, type Timeline, WindowLedger } from "./WindowLedger.ts"

/** Looks after the sources that cannot be collected. */
export class BlockedSources extends Context.Service<BlockedSources, {
  /** Checks every blocked source once; returns how many go on. One source's failure is logged and stops no other. */
  readonly recheck: Effect.Effect<number, DatabaseError>
}>()("@rainlogs/core/BlockedSources") {
  static readonly layer = Layer.effect(BlockedSources, Effect.suspend(() => make()))
}

/** Sources asked about at once. */
const concurrency = 4

/** Gaps end on whole seconds: a source need not know finer bounds, and a gap must not be shorter than what was lost. */
const secondMs = 1000

interface Blocked {
  readonly customer: CustomerId
  readonly zone: ZoneId
  readonly source: SourceId
}

const make = Effect.fnUntraced(function*() {
  const customers = yield* CustomerStore
  const windows = yield* WindowLedger
  const planner = yield* Planner
  const strategies = yield* CollectionStrategies
  const kms = yield* Kms

  /**
   * Takes leases back that a dead worker left in the lost time: when the source is released, their windows would be
   * collected and look empty. A worker that still lives loses its lease; nobody can lease while the source is blocked.
   */
  const takeBack = Effect.fnUntraced(
    function*({ source }: Timeline, since: number): Effect.fn.Return<void, LeaseLost | DatabaseError> {
      const now = yield* Clock.currentTimeMillis
      for (const job of yield* openJobs(windows, source, { from: since, to: Number.MAX_SAFE_INTEGER })) {
        if (job.state === "planned") continue
        const note = { code: "blocked", detail: "the source was blocked meanwhile", counts: "postponement" } as const
        yield* windows.retry({ job, source, fence: job.fence, stored: null }, note, now, now)
      }
    }
  )

  /** Plans what no planner had come to before the source was blocked: it is not lost. Returns the end of the timeline. */
  const planUpTo = Effect.fnUntraced(function*(timeline: Timeline, limits: CollectionLimits, since: number) {
    const { plannedTo, source } = timeline
    const longest = Math.min(source.windowMs, limits.longestWindowMs)
    const missing = planWindows(plannedTo, since, longest, { mostWindows: Infinity })
    if (missing.length > 0) yield* windows.plan(timeline, missing, yield* Clock.currentTimeMillis)
    return Math.max(plannedTo, since)
  })

  /** Everything uncollected since `since` is lost: the runs that end after it, and the time after the last window. */
  const declareLost = Effect.fnUntraced(function*(timeline: Timeline, limits: CollectionLimits, lastGood: number) {
    const now = yield* Clock.currentTimeMillis
    const since = Math.floor(lastGood / secondMs) * secondMs
    const until = Math.ceil(now / secondMs) * secondMs
    const { source } = timeline
    yield* takeBack(timeline, since)
    const plannedTo = yield* planUpTo(timeline, limits, since)
    const gap = (from: number, to: number) =>
      planner.declareGap({
        source,
        range: { from, to },
        reason: "blocked",
        detail: "log retention was off at the source"
      })
    let reached = plannedTo
    for (const { range } of yield* windows.uncollected(source, until)) {
      if (range.to <= since) continue
      const to = range.to >= plannedTo ? Math.max(until, range.to) : range.to
      yield* gap(Math.max(range.from, since), to)
      reached = Math.max(reached, to)
    }
    if (reached < until) yield* gap(reached, until)
  })

  /** The timeline of a source that is blocked now. */
  const blockedTimeline = Effect.fnUntraced(function*({ customer, source, zone }: Blocked) {
    const timelines = yield* windows.timelinesOf(customer, zone)
    return timelines.find((timeline) => timeline.source.id === source && timeline.source.status.state === "blocked")
  })

  const recheckSource = Effect.fn("BlockedSources.recheckSource")(function*(which: Blocked) {
    const { customer, zone: id } = which
    const found = yield* customers.zone(customer, id)
    const before = yield* blockedTimeline(which)
    const strategy = before === undefined ? undefined : strategies.of(before.source.name)
    if (Option.isNone(found) || strategy === undefined) return 0
    const { token, zone } = found.value
    const checked = yield* strategy.check({
      zone: zone.id,
      cloudflareZone: zone.cloudflareZone,
      token: yield* unwrapCloudflareToken(customer, id, token).pipe(Effect.provideService(Kms, kms))
    })
    // Another process may have released the source while this one asked: what it declared is not declared again.
    const timeline = yield* blockedTimeline(which)
    if (timeline?.source.status.state !== "blocked") return 0
    const { reason, since } = timeline.source.status
    if (reason === "retention-off") yield* declareLost(timeline, strategy.limits, since)
    // Where the next loss would begin.
    yield* customers.checked(customer, which.source, checked)
    yield* customers.unblock(customer, which.source)
    yield* Effect.logInfo("source is collected again").pipe(
      Effect.annotateLogs({ zone: id, source: timeline.source.name })
    )
    return 1
  })

  /** Still blocked, perhaps for another cause: what the source says is what to do now. */
  const stillBlocked = Effect.fnUntraced(function*({ customer, source }: Blocked, error: CollectionError) {
    if (error.category === "blocked" || error.category === "unauthorised") {
      const { reason, remedy } = blockOf(error)
      yield* customers.block(customer, source, { reason, remedy })
    }
    return 0
  })

  return BlockedSources.of({
    recheck: Effect.gen(function*() {
      const released = yield* Effect.forEach(
        yield* customers.blocked,
        (which) =>
          recheckSource(which).pipe(
            Effect.catchTag("CollectionError", (error) => stillBlocked(which, error)),
            Effect.catchCause((cause) =>
              Effect.as(
                Effect.logError("blocked source not rechecked", cause).pipe(
                  Effect.annotateLogs({ source: which.source })
                ),
                0
              )
            )
          ),
        { concurrency }
      )
      return released.reduce((sum, one) => sum + one, 0)
    })
  })
})
