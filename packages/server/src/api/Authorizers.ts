/**
 * Checks the bearer tokens of requests: API keys against the customer store, the admin token against the operator's.
 */
import { AdminAuthorization, CurrentCustomer, CustomerAuthorization } from "@rainlogs/core/api/Authorization"
import { AdministrationClosed, AdminUnauthorised, Unauthorised } from "@rainlogs/core/api/Problem"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import * as AdminToken from "@rainlogs/core/secrets/AdminToken"
import * as ApiKey from "@rainlogs/core/secrets/ApiKey"
import { Effect, Layer, Option } from "effect"
import { HttpEffect, HttpServerResponse } from "effect/http"
import { onDatabaseError } from "./Failures.ts"

/** RFC 6750 §3: a 401 names the scheme it wants. */
const challenge = HttpEffect.appendPreResponseHandler((_request, response) =>
  Effect.succeed(
    response.status === 401
      ? HttpServerResponse.setHeader(response, "www-authenticate", "Bearer realm=\"rainlogs\"")
      : response
  )
)

/** Accepts API keys. A malformed key, an unknown prefix and a wrong secret get the same answer. */
export const layerCustomer = Layer.effect(
  CustomerAuthorization,
  Effect.gen(function*() {
    const customers = yield* CustomerStore
    return CustomerAuthorization.of({
      apiKey: Effect.fnUntraced(function*(httpEffect, { credential }) {
        yield* challenge
        const key = ApiKey.parse(credential)
        if (Option.isNone(key)) return yield* unauthorised
        const found = yield* customers.authenticate(key.value.prefix).pipe(
          Effect.catchTag("DatabaseError", onDatabaseError)
        )
        const genuine = ApiKey.matches(key.value, Option.map(found, ({ sha256 }) => sha256))
        if (!genuine || Option.isNone(found)) return yield* unauthorised
        return yield* Effect.provideService(httpEffect, CurrentCustomer, found.value.customer)
      })
    })
  })
)

/** Accepts the admin token; refuses everybody if there is none. */
export const layerAdmin = Layer.effect(
  AdminAuthorization,
  Effect.gen(function*() {
    const { token } = yield* AdminToken.AdminToken
    return AdminAuthorization.of({
      adminToken: Effect.fnUntraced(function*(httpEffect, { credential }) {
        yield* challenge
        if (Option.isNone(token)) return yield* administrationClosed
        if (!AdminToken.matches(token.value, credential)) return yield* adminUnauthorised
        return yield* httpEffect
      })
    })
  })
)

const unauthorised = Effect.suspend(() =>
  Effect.fail(
    new Unauthorised({
      detail: "The request carries no API key, or one that is not valid.",
      remedy: "Send the key that POST /customers returned as: Authorization: Bearer rl_…"
    })
  )
)

const adminUnauthorised = Effect.suspend(() =>
  Effect.fail(
    new AdminUnauthorised({
      detail: "The request carries no admin token, or a wrong one.",
      remedy: "Send the operator's token as: Authorization: Bearer <RAINLOGS_ADMIN_TOKEN>"
    })
  )
)

const administrationClosed = Effect.suspend(() =>
  Effect.fail(
    new AdministrationClosed({
      detail: "This Rainlogs has no admin token, so nobody can use this endpoint.",
      remedy: "Set RAINLOGS_ADMIN_TOKEN (for example: openssl rand -hex 32) and restart."
    })
  )
)
