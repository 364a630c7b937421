/**
 * One window's journey: lease → collect → pipeline → seal → store → ledger. Every step may be the last before a
 * kill -9: what is durable is found again by the next attempt, and only the holder of the newest lease can commit.
 */
import { eventPath, ledgerKey } from "@rainlogs/verify/Layout"
import { Clock, Context, Effect, Layer, Metric, Option, Schedule, type Scope } from "effect"
import { CollectionStrategies, type Strategy } from "../collect/CollectionStrategies.ts"
import type { CollectionTarget } from "../collect/CollectionStrategy.ts"
import type { LogObject } from "../domain/LogObject.ts"
import * as WindowInterval from "../domain/Window.ts"
import { PublishLoop } from "../ledger/PublishLoop.ts"
import { type PipedCollection, PipelineRun } from "../pipeline/PipelineRun.ts"
import * as Backoff from "../resilience/Backoff.ts"
import { unwrapCloudflareToken } from "../secrets/CloudflareToken.ts"
import { Kms } from "../secrets/Kms.ts"
import { ObjectStore } from "../storage/ObjectStore.ts"
import { type AttemptError, defectFailure, failureOf } from "./AttemptFailure.ts"
import { CustomerStore } from "./CustomerStore.ts"
import { decideFailure, type Failure } from "./FailureDecision.ts"
import * as GivenBack from "./GivenBack.ts"
import type { QueuedJob } from "./JobQueue.ts"
import { ObjectAdoption } from "./ObjectAdoption.ts"
import { Planner } from "./Planner.ts"
import { defaultPlanning, givenUpBefore, type PlanningOptions } from "./PlanWindows.ts"
import { Sealer } from "./Sealer.ts"
import { WindowGrowth } from "./WindowGrowth.ts"
import { DatabaseError, type LeasedJob, type LeaseLost, WindowLedger } from "./WindowLedger.ts"

/** How an attempt ended. `unavailable`: somebody else has the job, or it is done. */
export type Outcome = "committed" | "retried" | "split" | "blocked" | "lost" | "unavailable"

/** Leases last `leaseMs` and are renewed every third of it; `owner` names this worker in the database. */
export interface ArchiverOptions {
  readonly owner: string
  readonly leaseMs: number
  readonly planning: PlanningOptions
  readonly backoff: Backoff.BackoffOptions
}

/** Storing what an attempt has reached is tried again for a few seconds: a database that restarts costs no new pull. */
const whileDatabaseRestarts = (step: Effect.Effect<void, DatabaseError | LeaseLost>) =>
  Effect.retry(step, {
    while: (error) => error._tag === "DatabaseError",
    times: 6,
    schedule: Schedule.exponential("100 millis")
  })

/** How long a stopped worker tries to give its job back. */
const longestGiveBack = "5 seconds"

/** One-minute leases; failed windows come back after 1 s to 5 min. */
export const defaultArchiver: Omit<ArchiverOptions, "owner"> = {
  leaseMs: 60_000,
  planning: defaultPlanning,
  backoff: { baseMs: 1000, capMs: 300_000 }
}

const attempts = Metric.counter("rainlogs_window_attempts_total", {
  description: "Attempts to archive a window, by how they ended",
  incremental: true
})

/** The attempts of this process that ended so, since it started. */
export const attemptsSoFar = (outcome: Exclude<Outcome, "unavailable">): Effect.Effect<number> =>
  Effect.map(Metric.value(Metric.withAttributes(attempts, { outcome })), ({ count }) => Number(count))

/** Takes one job from its lease to its entry in the ledger. */
export class Archiver extends Context.Service<Archiver, {
  /** Does one job as far as it goes. Fails only if the database cannot even say what to do; nothing is lost then. */
  readonly archive: (queued: QueuedJob) => Effect.Effect<Outcome, DatabaseError>
}>()("@rainlogs/core/Archiver") {
  static readonly layer = (options: ArchiverOptions) => Layer.effect(Archiver, make(options))
}

const make = Effect.fnUntraced(function*(options: ArchiverOptions) {
  const windows = yield* WindowLedger
  const customers = yield* CustomerStore
  const strategies = yield* CollectionStrategies
  const store = yield* ObjectStore
  const sealer = yield* Sealer
  const pipelines = yield* PipelineRun
  const adoption = yield* ObjectAdoption
  const publisher = yield* PublishLoop
  const growth = yield* WindowGrowth
  const planner = yield* Planner
  const kms = yield* Kms

  const targetOf = Effect.fnUntraced(function*({ source }: LeasedJob) {
    const found = yield* customers.zone(source.customer, source.zone)
    if (Option.isNone(found)) {
      return yield* new DatabaseError({ operation: "archive", detail: `zone ${source.zone} is gone` })
    }
    const { token, zone } = found.value
    return {
      zone: zone.id,
      cloudflareZone: zone.cloudflareZone,
      token: yield* unwrapCloudflareToken(zone.customer, zone.id, token)
    } satisfies CollectionTarget
  }, Effect.provideService(Kms, kms))

  /** The parameters document is an event file like any other: durable before an entry names it. */
  const keepParameters = (leased: LeasedJob, { parameters }: PipedCollection) =>
    store.putBytes(
      ledgerKey(leased.source.origin, eventPath(parameters.sha256)),
      new TextEncoder().encode(parameters.json)
    )

  const collectAndStore = Effect.fnUntraced(function*(leased: LeasedJob, strategy: Strategy, target: CollectionTarget) {
    // When the source said so, which may be some minutes ago: logs may have been lost from then on.
    yield* customers.checked(leased.source.customer, leased.source.id, yield* strategy.check(target))
    const collection = yield* pipelines.apply(
      leased.source,
      leased.job.window,
      yield* strategy.collect(target, leased.job.window)
    )
    yield* keepParameters(leased, collection)
    const sealed = yield* sealer.seal({
      origin: leased.source.origin,
      customer: leased.source.customer,
      chain: leased.source.zone,
      job: leased.job.id,
      window: leased.job.window,
      params: collection.parameters.sha256,
      fidelity: collection.fidelity,
      bytes: collection.bytes
    })
    // The window is complete and sealed before anything of it reaches the store.
    yield* sealer.store(sealed)
    return sealed.object
  })

  /** What an earlier attempt stored before it died or could not commit. */
  const orphanOf = Effect.fnUntraced(function*(leased: LeasedJob) {
    if (leased.fence === 1) return Option.none<LogObject>()
    const orphan = yield* adoption.find({
      origin: leased.source.origin,
      customer: leased.source.customer,
      chain: leased.source.zone,
      job: leased.job.id,
      window: leased.job.window
    })
    if (Option.isSome(orphan)) yield* Effect.logInfo("adopted the object of an interrupted attempt")
    return orphan
  })

  /** A window whose start the source has forgotten is never asked for: the planner makes it a gap. */
  const isExpired = ({ job }: LeasedJob, { limits }: Strategy) =>
    Effect.map(Clock.currentTimeMillis, (now) => job.window.from < givenUpBefore(now, limits, options.planning))

  /** A window that is not settled yet waits: it was planned by a clock that is ahead, or up to a known moment. */
  const untilSettled = ({ job }: LeasedJob, { limits }: Strategy) =>
    Effect.map(Clock.currentTimeMillis, (now) => job.window.to + limits.settleMs - now)

  /** The window's object: an orphan, whatever its age, or what is collected now; none if it is too late for that. */
  const obtain = Effect.fnUntraced(
    function*(
      leased: LeasedJob,
      strategy: Strategy
    ): Effect.fn.Return<Option.Option<LogObject>, AttemptError, Scope.Scope> {
      const orphan = yield* orphanOf(leased)
      if (Option.isSome(orphan) || (yield* isExpired(leased, strategy))) return orphan
      return Option.some(yield* collectAndStore(leased, strategy, yield* targetOf(leased)))
    }
  )

  /** A step after the outcome is durable: its failure is no failure of the window. */
  const afterwards = <E>(step: Effect.Effect<void, E>) =>
    Effect.catch(step, (error) => Effect.logWarning("the length of the next windows is not adapted", error))

  const settle = Effect.fnUntraced(function*(leased: LeasedJob, strategy: Strategy, failure: Failure) {
    const { job, source } = leased
    const now = yield* Clock.currentTimeMillis
    const decision = decideFailure(failure, job.window, job.failures, strategy.limits)
    const recorded = { code: failure.code, detail: failure.detail }
    yield* Effect.logWarning(`attempt failed: ${failure.code}: ${failure.detail}`).pipe(
      Effect.annotateLogs({ decision: decision.action })
    )
    switch (decision.action) {
      case "retry": {
        const delay = yield* Backoff.delay(options.backoff, decision.attempt, decision.atLeastMs)
        yield* windows.retry(leased, { ...recorded, counts: "failure" }, now + delay, now)
        return "retried" as const
      }
      case "postpone":
        yield* windows.retry(leased, { ...recorded, counts: "postponement" }, now + decision.delayMs, now)
        return "retried" as const
      case "give-up":
        yield* windows.retry(leased, { ...recorded, counts: "postponement" }, now + 600_000, now)
        yield* planner.declareGap({ source, range: job.window, reason: "expired", detail: decision.detail }).pipe(
          // The window waits, and the next attempt declares it.
          Effect.catch((error) => Effect.logWarning("the gap is not declared yet", error))
        )
        return "retried" as const
      case "split":
        yield* windows.split(leased, decision.at, now)
        if (decision.lesson === "plan-shorter") {
          yield* afterwards(growth.shrink(source, WindowInterval.duration(job.window)))
        }
        return "split" as const
      case "block":
        yield* windows.retry(leased, { ...recorded, counts: "postponement" }, now, now)
        yield* customers.block(source.customer, source.id, {
          reason: decision.reason,
          remedy: decision.remedy
        })
        yield* Effect.logError(`source blocked: ${failure.detail}`)
        return "blocked" as const
    }
  })

  /** Renews the lease until interrupted; ends with `LeaseLost` when somebody took the job over. */
  const keepLease = (leased: LeasedJob) =>
    Effect.forever(Effect.gen(function*() {
      yield* Effect.sleep(options.leaseMs / 3)
      const now = yield* Clock.currentTimeMillis
      yield* windows.renew(leased, now + options.leaseMs).pipe(
        // The database is away for a moment: the lease still holds until it runs out.
        Effect.catchTag("DatabaseError", (error) => Effect.logWarning("lease not renewed", error))
      )
    }))

  const leaveToPlanner = Effect.fnUntraced(function*(leased: LeasedJob) {
    const now = yield* Clock.currentTimeMillis
    yield* windows.retry(leased, GivenBack.expired(leased.job), now + 600_000, now)
    return "retried" as const
  })

  const leaveToSettle = Effect.fnUntraced(function*(leased: LeasedJob, waitMs: number) {
    const now = yield* Clock.currentTimeMillis
    yield* windows.retry(leased, GivenBack.unsettled(leased.job), now + waitMs, now)
    return "retried" as const
  })

  const attempt = Effect.fnUntraced(function*(leased: LeasedJob, strategy: Strategy) {
    const waitMs = yield* untilSettled(leased, strategy)
    if (waitMs > 0) return yield* leaveToSettle(leased, waitMs)
    const object = yield* Effect.scoped(obtain(leased, strategy))
    if (Option.isNone(object)) return yield* leaveToPlanner(leased)
    const now = yield* Clock.currentTimeMillis
    yield* whileDatabaseRestarts(windows.stored(leased, object.value, now))
    yield* whileDatabaseRestarts(windows.commit(leased, object.value, yield* Clock.currentTimeMillis))
    yield* publisher.notify(leased.source.customer)
    yield* afterwards(growth.succeeded(leased.source, leased.job.window, object.value))
    return "committed" as const
  })

  /** This process has no strategy for the source: another one may. */
  const leaveToOthers = Effect.fnUntraced(function*(leased: LeasedJob) {
    const now = yield* Clock.currentTimeMillis
    yield* windows.retry(leased, GivenBack.notHere(leased.job), now + 5000, now).pipe(
      Effect.catchTag("LeaseLost", () => Effect.void)
    )
    return "retried" as const
  })

  /** A stop in the middle gives the job back at once, so that the next start does not wait for the lease. */
  const giveBack = (leased: LeasedJob) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      yield* windows.retry(leased, GivenBack.stopped(leased.job), now, now)
    }).pipe(Effect.interruptible, Effect.timeout(longestGiveBack), Effect.ignore)

  const archive = Effect.fn("Archiver.archive")(function*(queued: QueuedJob) {
    const now = yield* Clock.currentTimeMillis
    const found = yield* windows.lease(queued, options.owner, now, now + options.leaseMs)
    if (Option.isNone(found)) return "unavailable" as const
    const leased = found.value
    const strategy = strategies.of(leased.source.name)
    if (strategy === undefined) return yield* leaveToOthers(leased)
    const work = attempt(leased, strategy).pipe(
      Effect.catchIf(
        (error): error is AttemptError => error._tag !== "LeaseLost",
        (error) => settle(leased, strategy, failureOf(error))
      ),
      Effect.catchDefect((defect) =>
        Effect.andThen(
          Effect.logError("an attempt ended in a defect; please report it", defect),
          settle(leased, strategy, defectFailure(defect))
        )
      )
    )
    // The lease is kept while the outcome is written too, and nothing is written without it.
    return yield* Effect.raceFirst(work, keepLease(leased)).pipe(
      Effect.catchTag("LeaseLost", () => Effect.as(Effect.logWarning("lease lost to another worker"), "lost" as const)),
      Effect.tap((outcome) => Metric.update(Metric.withAttributes(attempts, { outcome }), 1)),
      Effect.onInterrupt(() => giveBack(leased)),
      Effect.annotateLogs({
        job: leased.job.id,
        zone: leased.source.zone,
        window: WindowInterval.format(leased.job.window)
      })
    )
  })

  return Archiver.of({ archive })
})
