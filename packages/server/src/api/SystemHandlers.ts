/**
 * Handlers: health. It needs no credentials, so what it reads is kept for a while, however often it is asked.
 */
import { Api } from "@rainlogs/core/api/Api"
import type { Health, LedgerHealth } from "@rainlogs/core/api/SystemApi"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { JobQueue } from "@rainlogs/core/archive/JobQueue"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { Publisher } from "@rainlogs/core/ledger/Publisher"
import { Clock, type Duration, Effect, Fiber } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { databaseUnavailable, onDatabaseError } from "./Failures.ts"
import { version } from "./Version.ts"

/** A database or an object store that takes longer than this to answer counts as down, in ms. */
export const deadlineMs = 2000

/** A ledger with an entry unpublished for longer than this needs attention, in ms. */
export const publicationLagMs = 600_000

export const layer = HttpApiBuilder.group(
  Api,
  "system",
  Effect.fn(function*(handlers) {
    const customers = yield* CustomerStore
    const windows = yield* WindowLedger
    const queue = yield* JobQueue
    const ledgerStore = yield* LedgerStore
    const publisher = yield* Publisher
    const startedAt = yield* Clock.currentTimeMillis

    const zones = yield* sharedFor(
      "1 second",
      Effect.gen(function*() {
        const before = yield* Clock.currentTimeMillis
        const blocked = yield* customers.blocked
        const latencyMs = (yield* Clock.currentTimeMillis) - before
        const active = new Set((yield* windows.timelines).map(({ source }) => source.zone))
        return { latencyMs, active: active.size, blocked: blocked.length }
      }).pipe(
        Effect.catchTag("DatabaseError", onDatabaseError),
        Effect.timeoutOrElse({
          duration: deadlineMs,
          orElse: () => Effect.fail(databaseUnavailable(`The database did not answer within ${deadlineMs} ms.`))
        })
      )
    )

    const ledgers = yield* sharedFor(
      "10 seconds",
      Effect.gen(function*() {
        const all = yield* ledgerStore.ledgers
        const statuses = yield* Effect.forEach(all, publisher.status, { concurrency: 8 })
        const health: LedgerHealth = {
          count: statuses.length,
          unpublishedEntries: statuses.reduce((sum, { publishedSize, sqlSize }) => sum + sqlSize - publishedSize, 0),
          longestLagMs: statuses.reduce((longest, { lagMs }) => Math.max(longest, lagMs), 0),
          halted: statuses.filter(({ halted }) => halted !== null).length
        }
        return health
      }).pipe(
        Effect.timeout(deadlineMs),
        Effect.catch((error) =>
          Effect.as(Effect.logWarning("the ledgers' status cannot be read").pipe(Effect.annotateLogs({ error })), null)
        )
      )
    )

    return handlers.handle(
      "health",
      Effect.fn("SystemHandlers.health")(function*() {
        const { active, blocked, latencyMs } = yield* zones
        const ledger = yield* ledgers
        const sound = blocked === 0 && ledger !== null && ledger.halted === 0 && ledger.longestLagMs <= publicationLagMs
        const health: Health = {
          status: sound ? "ok" : "attention",
          version,
          database: { latencyMs },
          ledgers: ledger,
          zones: { active, blocked },
          queue: { waiting: yield* queue.size },
          uptimeMs: (yield* Clock.currentTimeMillis) - startedAt
        }
        return health
      })
    )
  })
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
