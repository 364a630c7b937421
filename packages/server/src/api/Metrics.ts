/**
 * `GET /metrics` in the Prometheus text format: for a scraper on this machine, or with the admin token.
 */
import { AdminUnauthorised } from "@rainlogs/core/api/Problem"
import * as AdminToken from "@rainlogs/core/secrets/AdminToken"
import { Effect, Layer, Option } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiSecurity } from "effect/http-api"
import { PrometheusMetrics } from "effect/observability"
import * as ArchiveGauges from "./ArchiveGauges.ts"

/** Headers a reverse proxy adds: behind one, every request seems to come from this machine. */
const forwardingHeaders = ["forwarded", "x-forwarded-for", "x-real-ip", "via"]

/** Whether the request was made on this machine, and not passed on by a proxy on it. */
export const isLocal = (request: HttpServerRequest.HttpServerRequest): boolean =>
  Option.exists(request.peerAddress, (address) => /^(?:127\.|::1$|::ffff:127\.)/.test(address)) &&
  forwardingHeaders.every((name) => request.headers[name] === undefined)

/** Adds the route. */
export const layer = Layer.unwrap(Effect.gen(function*() {
  const { token } = yield* AdminToken.AdminToken
  const refresh = yield* ArchiveGauges.make
  const credential = HttpApiBuilder.securityDecode(HttpApiSecurity.bearer)
  return HttpRouter.add(
    "GET",
    "/metrics",
    Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      const presented = yield* credential
      if (!isLocal(request) && !Option.exists(token, (expected) => AdminToken.matches(expected, presented))) {
        const refused = yield* HttpServerRespondable.toResponse(
          new AdminUnauthorised({
            detail: "Metrics are read from this machine, or with the admin token.",
            remedy: "Send the operator's token as: Authorization: Bearer <RAINLOGS_ADMIN_TOKEN>"
          })
        )
        return HttpServerResponse.setHeader(refused, "www-authenticate", "Bearer realm=\"rainlogs\"")
      }
      yield* refresh
      return HttpServerResponse.text(yield* PrometheusMetrics.format(), {
        contentType: "text/plain; version=0.0.4; charset=utf-8"
      })
    })
  )
}))
