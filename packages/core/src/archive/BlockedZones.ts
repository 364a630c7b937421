/**
 * Looks again at blocked zones, and lets them go on when their cause is gone. Where Cloudflare kept no logs in the
 * meantime (retention was off), that time becomes a gap with reason `blocked`: it must not look like an empty hour.
 */
import { Clock, Context, Effect, Layer, Option } from "effect"
import type { CollectionError } from "../collect/CollectionError.ts"
import { CollectionStrategy } from "../collect/CollectionStrategy.ts"
import type { CustomerId, ZoneId } from "../domain/Identifier.ts"
import { unwrapCloudflareToken } from "../secrets/CloudflareToken.ts"
import { Kms } from "../secrets/Kms.ts"
import { CustomerStore } from "./CustomerStore.ts"
import { blockOf } from "./FailureDecision.ts"
import { openJobs } from "./OpenJobs.ts"
import { Planner } from "./Planner.ts"
import { planWindows } from "./PlanWindows.ts"
import { type DatabaseError, type LeaseLost, type Timeline, WindowLedger } from "./WindowLedger.ts"

/** Looks after the zones that cannot be collected. */
export class BlockedZones extends Context.Service<BlockedZones, {
  /** Checks every blocked zone once; returns how many go on. One zone's failure is logged and does not stop the others. */
  readonly recheck: Effect.Effect<number, DatabaseError>
}>()("@rainlogs/core/BlockedZones") {
  static readonly layer = Layer.effect(BlockedZones, Effect.suspend(() => make()))
}

/** Zones asked about at once. */
const concurrency = 4

/** Gaps end on whole seconds: a source need not know finer bounds, and a gap must not be shorter than what was lost. */
const secondMs = 1000

const make = Effect.fnUntraced(function*() {
  const customers = yield* CustomerStore
  const windows = yield* WindowLedger
  const planner = yield* Planner
  const strategy = yield* CollectionStrategy
  const kms = yield* Kms

  /**
   * Takes leases back that a dead worker left in the lost time: when the zone is released, their windows would be
   * collected and look empty. A worker that still lives loses its lease; nobody can lease while the zone is blocked.
   */
  const takeBack = Effect.fnUntraced(
    function*({ source }: Timeline, since: number): Effect.fn.Return<void, LeaseLost | DatabaseError> {
      const now = yield* Clock.currentTimeMillis
      for (const job of yield* openJobs(windows, source, { from: since, to: Number.MAX_SAFE_INTEGER })) {
        if (job.state === "planned") continue
        const note = { code: "blocked", detail: "the zone was blocked meanwhile", counts: "postponement" } as const
        yield* windows.retry({ job, source, fence: job.fence, stored: null }, note, now, now)
      }
    }
  )

  /** Plans what no planner had come to before the zone was blocked: it is not lost. Returns the end of the timeline. */
  const planUpTo = Effect.fnUntraced(function*(timeline: Timeline, since: number) {
    const { plannedTo, source } = timeline
    const longest = Math.min(source.windowMs, strategy.limits.longestWindowMs)
    const missing = planWindows(plannedTo, since, longest, { mostWindows: Infinity })
    if (missing.length > 0) yield* windows.plan(timeline, missing, yield* Clock.currentTimeMillis)
    return Math.max(plannedTo, since)
  })

  /** Everything uncollected since `since` is lost: the runs that end after it, and the time after the last window. */
  const declareLost = Effect.fnUntraced(function*(customer: CustomerId, zone: ZoneId, lastGood: number) {
    const now = yield* Clock.currentTimeMillis
    const since = Math.floor(lastGood / secondMs) * secondMs
    const until = Math.ceil(now / secondMs) * secondMs
    for (const timeline of yield* windows.timelinesOf(customer, zone)) {
      const { source } = timeline
      yield* takeBack(timeline, since)
      const plannedTo = yield* planUpTo(timeline, since)
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
    }
  })

  const recheckZone = Effect.fn("BlockedZones.recheckZone")(function*(customer: CustomerId, id: ZoneId) {
    const found = yield* customers.zone(customer, id)
    if (Option.isNone(found) || found.value.zone.status.state !== "blocked") return 0
    const { token, zone } = found.value
    const checked = yield* strategy.check({
      zone: zone.id,
      cloudflareZone: zone.cloudflareZone,
      token: yield* unwrapCloudflareToken(customer, id, token).pipe(Effect.provideService(Kms, kms))
    })
    // Another process may have released the zone while this one asked: what it declared is not declared again.
    const again = yield* customers.zone(customer, id)
    if (Option.isNone(again) || again.value.zone.status.state !== "blocked") return 0
    const { reason, since } = again.value.zone.status
    if (reason === "retention-off") yield* declareLost(customer, id, since)
    // Where the next loss would begin.
    yield* customers.checked(customer, id, checked)
    yield* customers.unblock(customer, id)
    yield* Effect.logInfo("zone is collected again").pipe(Effect.annotateLogs({ zone: id }))
    return 1
  })

  /** Still blocked, perhaps for another cause: what the zone says is what to do now. */
  const stillBlocked = Effect.fnUntraced(function*(customer: CustomerId, zone: ZoneId, error: CollectionError) {
    if (error.category === "blocked" || error.category === "unauthorised") {
      const { reason, remedy } = blockOf(error)
      yield* customers.block(customer, zone, { reason, remedy })
    }
    return 0
  })

  return BlockedZones.of({
    recheck: Effect.gen(function*() {
      const released = yield* Effect.forEach(
        yield* customers.blocked,
        ({ customer, zone }) =>
          recheckZone(customer, zone).pipe(
            Effect.catchTag("CollectionError", (error) => stillBlocked(customer, zone, error)),
            Effect.catchCause((cause) =>
              Effect.as(Effect.logError("blocked zone not rechecked", cause).pipe(Effect.annotateLogs({ zone })), 0)
            )
          ),
        { concurrency }
      )
      return released.reduce((sum, one) => sum + one, 0)
    })
  })
})
