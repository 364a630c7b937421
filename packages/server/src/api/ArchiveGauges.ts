/**
 * The gauges of `GET /metrics` that describe the whole archive: over all customers and without their names. They are
 * set when somebody looks; a part that cannot be read is NaN, never an old number.
 */
import { AnchorLoop } from "@rainlogs/core/anchor/AnchorLoop"
import { JobQueue } from "@rainlogs/core/archive/JobQueue"
import type { SourceProgress } from "@rainlogs/core/archive/WindowLedger"
import { CollectionStrategies } from "@rainlogs/core/collect/CollectionStrategies"
import { JobState } from "@rainlogs/core/domain/LogJob"
import type { SourceName } from "@rainlogs/core/domain/Source"
import { Clock, Effect, Metric } from "effect"
import { SystemState } from "./SystemState.ts"
import { hoursToLoss } from "./WorkerHealth.ts"

const gauge = (name: string, description: string) => Metric.gauge(name, { description })

const windows = gauge("rainlogs_windows", "Windows by state")
const records = gauge("rainlogs_records", "Archived log lines")
const plainBytes = gauge("rainlogs_plain_bytes", "Archived bytes of NDJSON")
const storedBytes = gauge("rainlogs_stored_bytes", "Stored bytes: compressed and encrypted")
const lag = gauge(
  "rainlogs_collection_lag_ms",
  "Age of the start of the oldest window that is neither archived nor a gap, ms; 0 if there is none"
)
const toLoss = gauge(
  "rainlogs_hours_to_loss",
  "Hours until the first source forgets a record that is not collected; +Inf if none can"
)
const zones = gauge("rainlogs_zones", "Zones by status")
const waiting = gauge("rainlogs_queue_waiting", "Jobs waiting for a worker")
const unpublished = gauge("rainlogs_ledger_unpublished_entries", "Ledger entries not yet under a published checkpoint")
const ledgerLag = gauge("rainlogs_ledger_lag_ms", "How long the oldest unpublished ledger entry waits, ms")
const halted = gauge(
  "rainlogs_ledgers_halted",
  "Ledgers for which signing stopped because tiles, SQL and signer disagree"
)

const openBundles = gauge("rainlogs_bundles_open", "Evidence bundles that wait or are being made, by state")
const bundleAge = gauge(
  "rainlogs_bundle_oldest_open_ms",
  "How long the oldest open bundle was asked for ago, ms; 0 for none"
)

const sumOf = (progress: ReadonlyArray<SourceProgress> | null, part: (source: SourceProgress) => number): number =>
  progress === null ? Number.NaN : progress.reduce((sum, source) => sum + part(source), 0)

const lagOf = (progress: ReadonlyArray<SourceProgress> | null, now: number): number =>
  progress === null
    ? Number.NaN
    : progress.reduce((longest, { oldestUncommitted }) => Math.max(longest, now - (oldestUncommitted ?? now)), 0)

/** Makes the effect that brings all gauges up to date. */
export const make = Effect.gen(function*() {
  const state = yield* SystemState
  const queue = yield* JobQueue
  const anchoring = yield* AnchorLoop
  const strategies = yield* CollectionStrategies
  const horizonOf = (source: SourceName) => strategies.of(source)?.limits.horizonMs ?? Infinity

  return Effect.gen(function*() {
    const [progress, status, ledgers, bundles] = yield* Effect.all(
      [state.progress, state.zones, state.ledgers, state.bundles],
      { concurrency: 4 }
    )
    for (const name of JobState.literals) {
      yield* Metric.update(
        Metric.withAttributes(windows, { state: name }),
        sumOf(progress, (part) => part.windows[name])
      )
    }
    yield* Metric.update(records, sumOf(progress, (part) => part.records))
    yield* Metric.update(plainBytes, sumOf(progress, (part) => part.plainBytes))
    yield* Metric.update(storedBytes, sumOf(progress, (part) => part.storedBytes))
    yield* Metric.update(lag, lagOf(progress, yield* Clock.currentTimeMillis))
    yield* Metric.update(
      toLoss,
      progress === null ? Number.NaN : hoursToLoss(progress, horizonOf, yield* Clock.currentTimeMillis) ?? Infinity
    )
    for (const name of ["active", "degraded", "blocked"] as const) {
      yield* Metric.update(Metric.withAttributes(zones, { status: name }), status?.[name] ?? Number.NaN)
    }
    yield* Metric.update(waiting, yield* queue.size)
    yield* Metric.update(unpublished, ledgers?.unpublishedEntries ?? Number.NaN)
    yield* Metric.update(ledgerLag, ledgers?.longestLagMs ?? Number.NaN)
    yield* Metric.update(halted, ledgers?.halted ?? Number.NaN)
    for (const name of ["requested", "running"] as const) {
      yield* Metric.update(Metric.withAttributes(openBundles, { state: name }), bundles?.[name] ?? Number.NaN)
    }
    const now = yield* Clock.currentTimeMillis
    yield* Metric.update(bundleAge, bundles === null ? Number.NaN : Math.max(0, now - (bundles.oldest ?? now)))
    yield* anchoring.gauges
  })
})
