/**
 * Adapter: Effect's `HttpServer` over `node:http`.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer } from "effect"
import { HttpServer, type HttpServerError } from "effect/http"
import { createServer, type Server } from "node:http"
import type { HttpServerOptions } from "./HttpServerPlatform.ts"

/** Milliseconds between two looks for connections that have become idle during shutdown. */
const idleCheckInterval = 50

/** Milliseconds the answers to interrupted requests have to leave before their connections are cut. */
const lastAnswerTimeout = 1_000

/**
 * Refuses new connections and waits for requests in flight. `close` alone would also wait for each connection that
 * stays open for a next request.
 */
const closeWhenIdle = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    if (!server.listening) return resolve()
    const timer = setInterval(() => server.closeIdleConnections(), idleCheckInterval)
    server.close(() => {
      clearInterval(timer)
      resolve()
    })
  })

/**
 * Listens until the scope closes. Node's limit of five minutes for receiving a request is off, because an upload may
 * rightly take longer; the head of a request must still arrive within one.
 */
export const make = Effect.fnUntraced(function*(options: HttpServerOptions) {
  const server = createServer({ requestTimeout: 0, headersTimeout: 60_000 })
  const inner = yield* NodeHttpServer.make(() => server, {
    host: options.hostname,
    port: options.port,
    disablePreemptiveShutdown: true
  })
  let closing: Promise<void> | undefined
  const closed = Effect.promise(() => closing ??= closeWhenIdle(server))
  // Third: whoever did not take the answer is cut off.
  yield* Effect.addFinalizer(() =>
    closed.pipe(Effect.timeoutOrElse({
      duration: lastAnswerTimeout,
      orElse: () => Effect.sync(() => server.closeAllConnections())
    }))
  )
  return HttpServer.make({
    address: inner.address,
    serve: (httpEffect, middleware) =>
      // Second: the adapter interrupts the handlers that are left, which answers 503.
      (middleware === undefined ? inner.serve(httpEffect) : inner.serve(httpEffect, middleware)).pipe(
        // First: requests in flight finish.
        Effect.andThen(Effect.addFinalizer(() => Effect.timeoutOption(closed, options.gracefulTimeout)))
      )
  })
})

/** The HTTP server of the Node runtime. */
export const layer = (options: HttpServerOptions): Layer.Layer<HttpServer.HttpServer, HttpServerError.ServeError> =>
  Layer.effect(HttpServer.HttpServer, make(options))
