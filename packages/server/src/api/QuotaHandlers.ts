/**
 * Handlers: quotas.
 */
import { Api } from "@rainlogs/core/api/Api"
import { CurrentCustomer } from "@rainlogs/core/api/Authorization"
import { CustomerNotFound } from "@rainlogs/core/api/Problem"
import type { QuotaResource } from "@rainlogs/core/api/QuotaApi"
import type { CustomerId } from "@rainlogs/core/domain/Identifier"
import { type PauseReason, QuotaStore, type QuotaUsage } from "@rainlogs/core/quota/Quota"
import { Clock, DateTime, Effect, Layer, Option } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { onDatabaseError } from "./Failures.ts"

const dayMs = 86_400_000

const remedies: { readonly [reason in PauseReason]: string } = {
  day: "Wait for the next day (UTC), or ask the operator for more bytes per day.",
  stored: "Ask the operator for more stored bytes, shorten the retention, or have windows erased."
}

const resourceOf = ({ paused, quota, stored, today }: QuotaUsage, now: number): QuotaResource => ({
  state: paused === null ? "collecting" : "paused",
  reason: paused,
  resumesAt: paused === "day" ? DateTime.makeUnsafe((Math.floor(now / dayMs) + 1) * dayMs) : null,
  remedy: paused === null ? null : remedies[paused],
  limits: quota,
  used: { today, stored }
})

const noCustomer = new CustomerNotFound({
  detail: "There is no customer with this id.",
  remedy: "Use the id that `POST /customers` returned."
})

const makeShow = Effect.gen(function*() {
  const quotas = yield* QuotaStore
  return Effect.fnUntraced(function*(customer: CustomerId) {
    const now = yield* Clock.currentTimeMillis
    const usage = yield* quotas.usage(customer, now).pipe(Effect.catchTag("DatabaseError", onDatabaseError))
    return Option.map(usage, (found) => resourceOf(found, now))
  })
})

const own = HttpApiBuilder.group(
  Api,
  "quota",
  Effect.fn(function*(handlers) {
    const show = yield* makeShow
    return handlers.handle(
      "show",
      Effect.fn("QuotaHandlers.show")(function*() {
        const customer = yield* CurrentCustomer
        const found = yield* show(customer.id)
        return Option.isSome(found) ? found.value : yield* Effect.die(new Error(`customer ${customer.id} is gone`))
      })
    )
  })
)

const ofCustomers = HttpApiBuilder.group(
  Api,
  "customerQuotas",
  Effect.fn(function*(handlers) {
    const quotas = yield* QuotaStore
    const show = yield* makeShow
    const required = (customer: CustomerId) =>
      Effect.flatMap(
        show(customer),
        (found) => Option.isSome(found) ? Effect.succeed(found.value) : Effect.fail(noCustomer)
      )
    return handlers.handleAll({
      show: Effect.fn("CustomerQuotas.show")(function*({ params }) {
        return yield* required(params.id)
      }),
      set: Effect.fn("CustomerQuotas.set")(function*({ params, payload }) {
        const set = yield* quotas.set(params.id, payload).pipe(Effect.catchTag("DatabaseError", onDatabaseError))
        return set ? yield* required(params.id) : yield* noCustomer
      })
    })
  })
)

/** The `quota` and `customerQuotas` groups of the API. */
export const layer = Layer.merge(own, ofCustomers)
