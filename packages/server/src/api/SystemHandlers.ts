/**
 * Handlers: health. It needs no credentials, so it answers from a state that is read rarely, however often it is asked.
 */
import { publicationLagMs } from "@rainlogs/core/alert/Thresholds"
import { AnchorLoop } from "@rainlogs/core/anchor/AnchorLoop"
import type { AnchorsStatus } from "@rainlogs/core/anchor/AnchorStatus"
import { Api } from "@rainlogs/core/api/Api"
import type { AnchorsHealth, Health } from "@rainlogs/core/api/SystemApi"
import { attemptsSoFar } from "@rainlogs/core/archive/Archiver"
import { JobQueue } from "@rainlogs/core/archive/JobQueue"
import { CollectionStrategies } from "@rainlogs/core/collect/CollectionStrategies"
import { CircuitBreaker } from "@rainlogs/core/resilience/CircuitBreaker"
import { RateBudget } from "@rainlogs/core/resilience/RateBudget"
import { Clock, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { databaseUnavailable } from "./Failures.ts"
import { deadlineMs, SystemState } from "./SystemState.ts"
import { version } from "./Version.ts"
import { workerHealth } from "./WorkerHealth.ts"

/** The `system` group of the API. */
export const layer = HttpApiBuilder.group(
  Api,
  "system",
  Effect.fn(function*(handlers) {
    const state = yield* SystemState
    const queue = yield* JobQueue
    const breaker = yield* CircuitBreaker
    const anchoring = yield* AnchorLoop
    const startedAt = yield* Clock.currentTimeMillis

    const strategies = yield* CollectionStrategies
    const budgets = yield* RateBudget

    return handlers.handle(
      "worker",
      Effect.fn("SystemHandlers.worker")(function*() {
        return workerHealth({
          now: yield* Clock.currentTimeMillis,
          progress: yield* state.progress,
          horizonOf: (source) => strategies.of(source)?.limits.horizonMs ?? Infinity,
          waiting: yield* queue.size,
          circuits: yield* breaker.snapshot,
          budgets: yield* budgets.snapshot,
          attempts: {
            committed: yield* attemptsSoFar("committed"),
            retried: yield* attemptsSoFar("retried"),
            split: yield* attemptsSoFar("split"),
            blocked: yield* attemptsSoFar("blocked"),
            lost: yield* attemptsSoFar("lost")
          }
        })
      })
    ).handle(
      "health",
      Effect.fn("SystemHandlers.health")(function*() {
        const zones = yield* state.zones
        if (zones === null) {
          return yield* databaseUnavailable(`The database failed, or did not answer within ${deadlineMs} ms.`)
        }
        const { active, blocked, degraded, latencyMs } = zones
        const ledger = yield* state.ledgers
        const anchors = anchorsHealth(yield* anchoring.status)
        const published = ledger !== null && ledger.halted === 0 && ledger.longestLagMs <= publicationLagMs
        const sound = blocked + degraded === 0 && published && anchors.overdueLedgers === 0
        const circuits = yield* breaker.snapshot
        const health: Health = {
          status: sound ? "ok" : "attention",
          version,
          database: { latencyMs },
          ledgers: ledger,
          anchors,
          zones: { active, degraded, blocked },
          queue: { waiting: yield* queue.size },
          circuits: { open: circuits.filter((circuit) => circuit.state !== "closed").length },
          uptimeMs: (yield* Clock.currentTimeMillis) - startedAt
        }
        return health
      })
    )
  })
)

const anchorsHealth = ({ anchors, overdueLedgers, trustedDebtMs }: AnchorsStatus): AnchorsHealth => ({
  configured: anchors.length,
  failing: anchors.filter(({ lastFailure }) => lastFailure !== null).length,
  overdueLedgers,
  trustedDebtMs
})
