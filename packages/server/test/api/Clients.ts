/**
 * Typed in-memory clients: the operator, and customers with their own keys.
 */
import { Api } from "@rainlogs/core/api/Api"
import { AdminAuthorization, CustomerAuthorization } from "@rainlogs/core/api/Authorization"
import { Effect, Layer, Redacted } from "effect"
import { HttpClientRequest } from "effect/http"
import { HttpApiMiddleware, HttpApiTest } from "effect/http-api"
import { adminToken } from "./MemoryPorts.ts"

/** A client that presents `credential` to every endpoint. */
export const client = (credential: string) =>
  HttpApiTest.groups(Api, ["system", "customers", "zones", "logs", "bundles"]).pipe(
    Effect.provide(Layer.mergeAll(
      HttpApiMiddleware.layerClient(
        CustomerAuthorization,
        ({ next, request }) => next(HttpClientRequest.bearerToken(request, credential))
      ),
      HttpApiMiddleware.layerClient(
        AdminAuthorization,
        ({ next, request }) => next(HttpClientRequest.bearerToken(request, credential))
      )
    ))
  )

/** A new customer, its API key, and a client that holds it. */
export const newCustomer = Effect.fnUntraced(function*(name: string) {
  const operator = yield* client(adminToken)
  const customer = yield* operator.customers.create({ payload: { name } })
  const apiKey = Redacted.value(customer.apiKey)
  return { customer, apiKey, client: yield* client(apiKey) }
})
