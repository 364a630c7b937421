/**
 * Adapter: Effect's `HttpServer` over `Bun.serve`, which answers about three times as many requests as Bun's emulation
 * of `node:http`. No WebSocket upgrades.
 */
import { Effect, Layer, Option, type Scope } from "effect"
import { HttpEffect, HttpServer, HttpServerError, HttpServerRequest } from "effect/http"
import { NetAddress } from "effect/net"
import { lookup } from "node:dns/promises"
import { isIP } from "node:net"
import type { HttpServerOptions } from "./HttpServerPlatform.ts"

/** Seconds without a byte after which an idle connection, or one that does not finish its request head, is closed. */
const idleSeconds = 60

/**
 * Listens until the scope closes. New connections are refused first; requests in flight have `gracefulTimeout` to
 * finish, then they are cut.
 */
export const make = Effect.fnUntraced(function*(options: HttpServerOptions) {
  const serveError = (cause: unknown) => new HttpServerError.ServeError({ cause })
  const hostname = isIP(options.hostname) === 0
    ? yield* Effect.tryPromise({ try: () => lookup(options.hostname), catch: serveError }).pipe(
      Effect.map(({ address }) => address)
    )
    : options.hostname
  const server = yield* Effect.try({
    try: () =>
      Bun.serve({
        hostname,
        port: options.port,
        idleTimeout: idleSeconds,
        // Endpoints declare their own limits; Bun's default of 128 MB would cut an upload without a word.
        maxRequestBodySize: Number.MAX_SAFE_INTEGER,
        fetch: () => new Response(null, { status: 503 })
      }),
    catch: serveError
  })
  const stop = Effect.promise(() => server.stop()).pipe(
    Effect.timeoutOrElse({
      duration: options.gracefulTimeout,
      orElse: () => Effect.promise(() => server.stop(true))
    })
  )
  yield* Effect.addFinalizer(() => stop)
  const address = yield* Effect.fromResult(
    NetAddress.inetAddressFromIpString(hostname, server.port ?? options.port)
  ).pipe(Effect.mapError(serveError))

  return HttpServer.make({
    address,
    serve: Effect.fnUntraced(function*(httpEffect, middleware) {
      const context = yield* Effect.context<never>()
      const handler = HttpEffect.toWebHandlerWith<never, HttpServerRequest.HttpServerRequest | Scope.Scope>(context)(
        Effect.updateService(httpEffect, HttpServerRequest.HttpServerRequest, (request) =>
          request.modify({
            remoteAddress: request.source instanceof Request
              ? Option.fromNullishOr(server.requestIP(request.source)?.address)
              : Option.none()
          })),
        middleware
      )
      // The application's own services close after this scope, so it must not be called any more by then.
      yield* Effect.addFinalizer(() => stop)
      server.reload({
        fetch: (request) => {
          // Once a request is read, a quiet response (an export that is being prepared) must not be cut.
          server.timeout(request, 0)
          return handler(request)
        }
      })
    })
  })
})

/** The HTTP server of the Bun runtime and of the compiled executable. */
export const layer = (options: HttpServerOptions): Layer.Layer<HttpServer.HttpServer, HttpServerError.ServeError> =>
  Layer.effect(HttpServer.HttpServer, make(options))
