/**
 * What `GET /health` and `GET /metrics` say of the whole archive. Both may be polled by anybody or often, so each part
 * is read at most once in its time, however often it is asked for.
 */
import type { LedgerHealth } from "@rainlogs/core/api/SystemApi"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { type SourceProgress, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { BundleStore, type OpenBundles } from "@rainlogs/core/bundle/BundleStore"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { Publisher } from "@rainlogs/core/ledger/Publisher"
import { QuotaStore } from "@rainlogs/core/quota/Quota"
import { Clock, Context, type Duration, Effect, Fiber, Layer } from "effect"

/** A database or an object store that takes longer than this to answer counts as down, in ms. */
export const deadlineMs = 2000

/**
 * Zones by status, and how long the database took to say so, ms. `degraded`: some of the sources are blocked;
 * `blocked`: all are.
 */
export interface ZoneCounts {
  readonly latencyMs: number
  readonly active: number
  readonly degraded: number
  readonly blocked: number
}

/** The state of the archive over all customers. A part that cannot be read is null, and the log says why. */
export class SystemState extends Context.Service<SystemState, {
  /** Read at most once a second. */
  readonly zones: Effect.Effect<ZoneCounts | null>
  /** Read at most every ten seconds. */
  readonly ledgers: Effect.Effect<LedgerHealth | null>
  /** How far every source is; read at most every ten seconds. */
  readonly progress: Effect.Effect<ReadonlyArray<SourceProgress> | null>
  /** Customers at a limit of their quota; read at most every ten seconds. */
  readonly paused: Effect.Effect<Effect.Success<ReturnType<QuotaStore["Service"]["paused"]>> | null>
  /** Bundles that wait or are being made; read at most every ten seconds. */
  readonly bundles: Effect.Effect<OpenBundles | null>
}>()("@rainlogs/server/SystemState") {}

/** Runs `work` within the deadline; null if it fails, with a line in the log that names `what` cannot be read. */
const orNull = <A, E extends object>(what: string, work: Effect.Effect<A, E>): Effect.Effect<A | null> =>
  work.pipe(
    Effect.timeout(deadlineMs),
    Effect.catch((error) =>
      Effect.as(Effect.logWarning(`${what} cannot be read`).pipe(Effect.annotateLogs({ error })), null)
    )
  )

/**
 * Runs `work` at most once per `ttl` for everybody who asks. It runs in the server's own scope: a client that goes away
 * while it waits must not leave its interruption as the answer for the others.
 */
const sharedFor = Effect.fnUntraced(function*<A, E>(ttl: Duration.Input, work: Effect.Effect<A, E>) {
  const scope = yield* Effect.scope
  const run = Effect.forkIn(work, scope).pipe(Effect.flatMap(Fiber.join), Effect.uninterruptible)
  return yield* Effect.cachedWithTTL(run, ttl)
})

const make = Effect.gen(function*() {
  const customers = yield* CustomerStore
  const windows = yield* WindowLedger
  const ledgerStore = yield* LedgerStore
  const publisher = yield* Publisher
  const bundles = yield* BundleStore
  const quotas = yield* QuotaStore

  const readZones = Effect.gen(function*() {
    const before = yield* Clock.currentTimeMillis
    const blocked = yield* customers.blocked
    const latencyMs = (yield* Clock.currentTimeMillis) - before
    const collected = new Set((yield* windows.timelines).map(({ source }) => source.zone))
    const impaired = new Set(blocked.map(({ zone }) => zone))
    const degraded = [...impaired].filter((zone) => collected.has(zone)).length
    return { latencyMs, active: collected.size - degraded, degraded, blocked: impaired.size - degraded }
  })

  const readLedgers = Effect.gen(function*() {
    const all = yield* ledgerStore.ledgers
    const statuses = yield* Effect.forEach(all, publisher.status, { concurrency: 8 })
    return {
      count: statuses.length,
      unpublishedEntries: statuses.reduce((sum, { publishedSize, sqlSize }) => sum + sqlSize - publishedSize, 0),
      longestLagMs: statuses.reduce((longest, { lagMs }) => Math.max(longest, lagMs), 0),
      halted: statuses.filter(({ halted }) => halted !== null).length
    }
  })

  return SystemState.of({
    zones: yield* sharedFor("1 second", orNull("the zones' status", readZones)),
    ledgers: yield* sharedFor("10 seconds", orNull("the ledgers' status", readLedgers)),
    progress: yield* sharedFor("10 seconds", orNull("the sources' progress", windows.progress(null))),
    paused: yield* sharedFor(
      "10 seconds",
      orNull("the quotas", Effect.flatMap(Clock.currentTimeMillis, quotas.paused))
    ),
    bundles: yield* sharedFor("10 seconds", orNull("the bundles", bundles.open))
  })
})

/** Reads the ports of the archive. */
export const layer = Layer.effect(SystemState, make)
