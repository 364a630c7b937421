/**
 * How collection is doing, as `GET /health/worker` says it: a pure function of what the parts say.
 */
import { riskyPart, timeToLoss } from "@rainlogs/core/alert/Thresholds"
import type { WorkerHealth } from "@rainlogs/core/api/SystemApi"
import type { SourceProgress } from "@rainlogs/core/archive/WindowLedger"
import type { SourceName } from "@rainlogs/core/domain/Source"
import type { BreakerSnapshot } from "@rainlogs/core/resilience/CircuitBreaker"
import type { RateBudgetSnapshot } from "@rainlogs/core/resilience/RateBudget"
import { DateTime } from "effect"

const hourMs = 3_600_000

type HorizonOf = (source: SourceName) => number

/** What is known; `progress` is null if the database did not say, times in Unix ms. */
export interface WorkerFacts {
  readonly now: number
  readonly progress: ReadonlyArray<SourceProgress> | null
  /** How long a source keeps its records, ms; Infinity where nothing is lost by waiting. */
  readonly horizonOf: HorizonOf
  readonly waiting: number
  readonly circuits: ReadonlyArray<BreakerSnapshot>
  readonly budgets: ReadonlyArray<RateBudgetSnapshot>
  readonly attempts: WorkerHealth["attempts"]
}

/** Hours until the first source forgets a record that is not collected, never below 0; null if none can. */
export const hoursToLoss = (
  progress: ReadonlyArray<SourceProgress>,
  horizonOf: HorizonOf,
  now: number
): number | null => {
  const left = progress.flatMap(({ oldestUncommitted, source }) =>
    timeToLoss(oldestUncommitted, horizonOf(source.name), now) ?? []
  )
  return left.length === 0 ? null : Math.max(0, Math.round(Math.min(...left) / hourMs * 100) / 100)
}

/** The first word of a key: what it counts, without token and zone. */
const familyOf = (key: string): string => key.split(" ")[0] ?? key

const windowsOf = (progress: ReadonlyArray<SourceProgress>): NonNullable<WorkerHealth["windows"]> =>
  progress.reduce((sum, { windows }) => ({
    planned: sum.planned + windows.planned,
    leased: sum.leased + windows.leased,
    stored: sum.stored + windows.stored,
    committed: sum.committed + windows.committed,
    gap: sum.gap + windows.gap,
    split: sum.split + windows.split
  }), { planned: 0, leased: 0, stored: 0, committed: 0, gap: 0, split: 0 })

const atRisk = ({ oldestUncommitted, source }: SourceProgress, horizonOf: HorizonOf, now: number): boolean => {
  const horizonMs = horizonOf(source.name)
  const left = timeToLoss(oldestUncommitted, horizonMs, now)
  return left !== null && left <= horizonMs * riskyPart
}

const budgetsOf = (all: ReadonlyArray<RateBudgetSnapshot>): WorkerHealth["budgets"] =>
  [...Map.groupBy(all, ({ key }) => familyOf(key))].map(([family, budgets]) => ({
    family,
    budgets: budgets.length,
    exhausted: budgets.filter(({ limit, used }) => used >= limit).length,
    paused: budgets.filter(({ pausedUntil }) => pausedUntil !== null).length,
    waiting: budgets.reduce((sum, { waiting }) => sum + waiting, 0)
  }))

/** The answer. */
export const workerHealth = (facts: WorkerFacts): WorkerHealth => {
  const { attempts, budgets, circuits, horizonOf, now, progress, waiting } = facts
  const open = [...Map.groupBy(circuits.filter(({ state }) => state !== "closed"), ({ key }) => familyOf(key))]
  const oldest = (progress ?? []).reduce<{ readonly source: SourceName; readonly start: number } | null>(
    (first, { oldestUncommitted: start, source }) =>
      start === null || (first !== null && first.start <= start) ? first : { source: source.name, start },
    null
  )
  const blocked = progress?.filter(({ source }) => source.status.state === "blocked").length ?? 0
  const sound = progress !== null && blocked === 0 && open.length === 0 &&
    !progress.some((one) => atRisk(one, horizonOf, now))
  return {
    status: sound ? "ok" : "attention",
    lagMs: progress === null ? null : oldest === null ? 0 : Math.max(0, now - oldest.start),
    oldestUncommitted: oldest === null ? null : { source: oldest.source, start: DateTime.makeUnsafe(oldest.start) },
    hoursToLoss: progress === null ? null : hoursToLoss(progress, horizonOf, now),
    sources: progress === null ? null : { active: progress.length - blocked, blocked },
    windows: progress === null ? null : windowsOf(progress),
    attempts,
    queue: { waiting },
    circuits: open.map(([api, breakers]) => ({ api, open: breakers.length })),
    budgets: budgetsOf(budgets)
  }
}
