/**
 * Handlers: pipelines and the keys of pseudonyms. Every lookup is inside the customer of the API key.
 */
import { Api } from "@rainlogs/core/api/Api"
import { CurrentCustomer } from "@rainlogs/core/api/Authorization"
import type { SourcePipelineResource } from "@rainlogs/core/api/PipelinesApi"
import { PseudonymKeyInUse, PseudonymKeyNotFound, SourceNotFound } from "@rainlogs/core/api/Problem"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import type { CustomerId } from "@rainlogs/core/domain/Identifier"
import { hashOf } from "@rainlogs/core/pipeline/Pipeline"
import { PipelineStore, type SourcePipeline } from "@rainlogs/core/pipeline/PipelineStore"
import { isOpen, PseudonymKeys, type PseudonymPeriod } from "@rainlogs/core/pipeline/PseudonymKeys"
import { Clock, DateTime, Effect, Option } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { onDatabaseError, ownZone } from "./Failures.ts"

const instant = (at: number | null) => at === null ? null : DateTime.makeUnsafe(at)

const resourceOf = ({ pipeline, setAt, source, version }: SourcePipeline): SourcePipelineResource => ({
  source,
  version,
  setAt: instant(setAt),
  sha256: pipeline === null ? null : hashOf(pipeline),
  pipeline
})

const keyOf = ({ createdAt, destroyedAt, period }: PseudonymPeriod) => ({
  period,
  createdAt: DateTime.makeUnsafe(createdAt),
  destroyedAt: instant(destroyedAt)
})

const keyInUse = (period: string) =>
  new PseudonymKeyInUse({
    detail: `Windows of the period ${period} may still be archived, so its key is still needed.`,
    remedy: period === "never"
      ? "First set pipelines without pseudonyms that never rotate."
      : "Try again when the period ended more than eight days ago."
  })

/** The `pipelines` group of the API. */
export const layer = HttpApiBuilder.group(
  Api,
  "pipelines",
  Effect.fn(function*(handlers) {
    const customers = yield* CustomerStore
    const pipelines = yield* PipelineStore
    const keys = yield* PseudonymKeys

    const periods = (customer: CustomerId) =>
      keys.periods(customer).pipe(Effect.catchTag("DatabaseError", onDatabaseError))

    return handlers.handleAll({
      show: Effect.fn("PipelinesHandlers.show")(function*({ params }) {
        const customer = yield* CurrentCustomer
        const { zone } = yield* ownZone(customers, customer.id, params.id)
        const found = yield* pipelines.ofZone(customer.id, zone.id).pipe(
          Effect.catchTag("DatabaseError", onDatabaseError)
        )
        return { pipelines: found.map(resourceOf) }
      }),

      set: Effect.fn("PipelinesHandlers.set")(function*({ params, payload: { pipeline, source } }) {
        const customer = yield* CurrentCustomer
        const { zone } = yield* ownZone(customers, customer.id, params.id)
        const now = yield* Clock.currentTimeMillis
        const set = yield* pipelines.set(customer.id, zone.id, source, pipeline, now).pipe(
          Effect.catchTag("DatabaseError", onDatabaseError)
        )
        if (Option.isSome(set)) return resourceOf(set.value)
        return yield* new SourceNotFound({
          detail: `The zone has no source ${source}; nothing was changed.`,
          remedy: `GET /api/v1/zones/${zone.id} shows the sources of the zone.`
        })
      }),

      keys: Effect.fn("PipelinesHandlers.keys")(function*() {
        const customer = yield* CurrentCustomer
        return { keys: (yield* periods(customer.id)).map(keyOf) }
      }),

      destroyKey: Effect.fn("PipelinesHandlers.destroyKey")(function*({ params: { period } }) {
        const customer = yield* CurrentCustomer
        const now = yield* Clock.currentTimeMillis
        if (isOpen(period, now)) return yield* keyInUse(period)
        const outcome = yield* keys.destroy(customer.id, period, now).pipe(
          Effect.catchTag("DatabaseError", onDatabaseError)
        )
        if (outcome === "in-use") return yield* keyInUse(period)
        const found = (yield* periods(customer.id)).find((one) => one.period === period)
        if (found !== undefined) return keyOf(found)
        return yield* new PseudonymKeyNotFound({
          detail: `This customer has no key of pseudonyms of the period ${period}.`,
          remedy: "GET /api/v1/pseudonym-keys lists the periods."
        })
      })
    })
  })
)
