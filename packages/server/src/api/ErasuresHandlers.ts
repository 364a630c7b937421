/**
 * Handlers: erasures. Every lookup is inside the customer of the API key.
 */
import { Api } from "@rainlogs/core/api/Api"
import { CurrentCustomer } from "@rainlogs/core/api/Authorization"
import type { ErasureResource } from "@rainlogs/core/api/ErasuresApi"
import { cutPage, parseCursor, printCursor } from "@rainlogs/core/api/Page"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { JobId } from "@rainlogs/core/domain/Identifier"
import type { Erasure } from "@rainlogs/core/lifecycle/Erasure"
import { Erasures } from "@rainlogs/core/lifecycle/Erasures"
import { ErasureStore } from "@rainlogs/core/lifecycle/ErasureStore"
import { Retention } from "@rainlogs/core/lifecycle/Retention"
import { Clock, DateTime, Effect, Option } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { onDatabaseError, ownZone } from "./Failures.ts"
import { erasureNotFound, onErasure, onExecution, onSigner, onUnavailable } from "./LifecycleFailures.ts"

const time = DateTime.makeUnsafe
const orNull = (ms: number | null) => ms === null ? null : time(ms)

const erasureResource = (erasure: Erasure): ErasureResource => {
  const { basis, done, executed, id, intent, lastError, method, notBefore, policy, reason, requested, state, targets } =
    erasure
  return {
    id,
    state,
    reason,
    method,
    basis,
    targets,
    policy,
    requestedAt: time(requested),
    notBefore: time(notBefore),
    executedAt: orNull(executed),
    intent: intent.document,
    report: done,
    lastError
  }
}

/** The `erasures` group of the API. */
export const layer = HttpApiBuilder.group(
  Api,
  "erasures",
  Effect.fn(function*(handlers) {
    const customers = yield* CustomerStore
    const erasures = yield* Erasures
    const store = yield* ErasureStore
    const retention = yield* Retention

    const ledger = Effect.map(CurrentCustomer, ({ id, origin }) => ({ customer: id, origin }))

    return handlers.handleAll({
      draft: Effect.fn("ErasuresHandlers.draft")(function*({ payload }) {
        const own = yield* ledger
        const { after, basis, from, method, reason, to, zone } = payload
        if (zone !== null) yield* ownZone(customers, own.customer, zone)
        const cursor = after === undefined ? null : parseCursor(after)
        const draft = yield* erasures.draft(
          own,
          {
            zone,
            from: from === null ? 0 : DateTime.toEpochMillis(from),
            to: to === null ? Number.MAX_SAFE_INTEGER : DateTime.toEpochMillis(to),
            reason,
            method,
            basis
          },
          cursor === null ? null : { to: cursor.time, job: JobId.make(cursor.id) },
          yield* Clock.currentTimeMillis
        ).pipe(Effect.catchTags({ ...onUnavailable, ...onErasure }))
        if (Option.isNone(draft)) return { draft: null }
        const { document, id, next, quorum, targets } = draft.value
        return { draft: { document, id, quorum, targets, next: next === null ? null : printCursor(next.to, next.job) } }
      }),

      request: Effect.fn("ErasuresHandlers.request")(function*({ payload }) {
        const bytes = new TextEncoder().encode(payload.document)
        return erasureResource(
          yield* erasures.announce(yield* ledger, bytes, yield* Clock.currentTimeMillis).pipe(
            Effect.catchTags({ ...onUnavailable, ...onSigner, ...onErasure })
          )
        )
      }),

      list: Effect.fn("ErasuresHandlers.list")(function*({ query }) {
        const { customer } = yield* ledger
        const limit = query.limit ?? 100
        const cursor = query.before === undefined ? null : parseCursor(query.before)
        const page = yield* store.erasures(customer, {
          limit: limit + 1,
          before: cursor === null ? null : { requested: cursor.time, id: cursor.id }
        }).pipe(Effect.catchTag("DatabaseError", onDatabaseError))
        const { next, shown } = cutPage(page, limit, ({ id, requested }) => printCursor(requested, id))
        return { erasures: shown.map(erasureResource), next }
      }),

      get: Effect.fn("ErasuresHandlers.get")(function*({ params }) {
        const { customer } = yield* ledger
        const found = yield* store.erasure(customer, params.id).pipe(Effect.catchTag("DatabaseError", onDatabaseError))
        return Option.isNone(found) ? yield* erasureNotFound : erasureResource(found.value)
      }),

      execute: Effect.fn("ErasuresHandlers.execute")(function*({ params }) {
        return erasureResource(
          yield* erasures.execute(yield* ledger, params.id).pipe(
            Effect.catchTags({ ...onUnavailable, ...onSigner, ...onExecution })
          )
        )
      }),

      retentionDue: Effect.fn("ErasuresHandlers.retentionDue")(function*() {
        const { days, due, held } = yield* retention.due(yield* ledger, yield* Clock.currentTimeMillis).pipe(
          Effect.catchTags(onUnavailable)
        )
        const { newest, oldest, storedBytes, windows } = due
        return { days, windows, storedBytes, oldest: orNull(oldest), newest: orNull(newest), held }
      }),

      retentionRun: Effect.fn("ErasuresHandlers.retentionRun")(function*() {
        const erasure = yield* retention.step(yield* ledger).pipe(
          Effect.catchTag("ErasureMissing", Effect.die),
          Effect.catchTags({
            ...onUnavailable,
            ...onSigner,
            ErasureRefused: onExecution.ErasureRefused,
            ErasureIncomplete: onExecution.ErasureIncomplete
          })
        )
        return { erasure: Option.getOrNull(Option.map(erasure, erasureResource)) }
      })
    })
  })
)
