/**
 * `GET /docs`: the API reference, readable without a network. The 3 MB page is loaded when it is first asked for.
 */
import { Api } from "@rainlogs/core/api/Api"
import { Effect, Layer, Scope } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApiScalar } from "effect/http-api"

/** The page is one inline script that may talk to this server only. */
const contentSecurityPolicy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; " +
  "img-src 'self' data:; font-src data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

/** Adds the route. */
export const layer = Layer.unwrap(Effect.gen(function*() {
  const scope = yield* Effect.scope
  const page = yield* Effect.cached(
    HttpRouter.toHttpEffect(HttpApiScalar.layer(Api, { path: "/docs", scalar: { withDefaultFonts: false } })).pipe(
      Effect.provideService(Scope.Scope, scope)
    )
  )
  return HttpRouter.add(
    "GET",
    "/docs",
    Effect.flatten(page).pipe(
      Effect.map(HttpServerResponse.setHeader("content-security-policy", contentSecurityPolicy))
    )
  )
}))
