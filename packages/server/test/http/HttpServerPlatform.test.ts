import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Option, Scope } from "effect"
import { HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { createServer } from "node:net"
import * as HttpServerPlatform from "../../src/http/HttpServerPlatform.ts"

const serve = <R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, never, R>,
  options: { readonly gracefulTimeout?: number } = {}
) =>
  // Interruptible like every route of an HttpRouter; a bare app is not.
  HttpServer.serve(Effect.interruptible(app)).pipe(
    Layer.provideMerge(HttpServerPlatform.layer({ hostname: "localhost", port: 0, ...options }))
  )

const urlOf = (server: HttpServer.HttpServer["Service"]) => HttpServer.formatAddress(server.address)

const get = (url: string) => Effect.promise(() => fetch(url).then((response) => response.text()))

describe(`the HTTP server of ${"Bun" in globalThis ? "Bun" : "Node"}`, () => {
  it.live("listens on a free port of a host name and tells the client's address", () =>
    Effect.gen(function*() {
      const url = urlOf(yield* HttpServer.HttpServer)
      assert.match(yield* get(url), /^(::ffff:)?127\.0\.0\.1$|^::1$/)
    }).pipe(Effect.provide(serve(Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      return HttpServerResponse.text(Option.getOrElse(request.remoteAddress, () => "unknown"))
    })))))

  it.live("lets a request in flight finish at shutdown and refuses new ones", () =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        serve(Effect.gen(function*() {
          yield* Deferred.succeed(begun, undefined)
          yield* Effect.sleep(300)
          return HttpServerResponse.text("finished")
        })),
        scope
      )
      const url = yield* Effect.provideContext(Effect.map(HttpServer.HttpServer, urlOf), context)
      const response = yield* Effect.forkChild(get(url))
      yield* Deferred.await(begun)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* Fiber.join(response), "finished")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.tryPromise(() => fetch(url)))))
    }))

  it.live("interrupts a request that outlasts the graceful timeout", () =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        serve(Effect.andThen(Deferred.succeed(begun, undefined), Effect.never), { gracefulTimeout: 200 }),
        scope
      )
      const url = yield* Effect.provideContext(Effect.map(HttpServer.HttpServer, urlOf), context)
      const response = yield* Effect.forkChild(Effect.exit(Effect.tryPromise(() => fetch(url))))
      yield* Deferred.await(begun)
      const started = performance.now()
      yield* Scope.close(scope, Exit.void)
      assert.isBelow(performance.now() - started, 2_000)
      const exit = yield* Fiber.join(response)
      // Either it was still answered 503, or the connection was cut.
      if (Exit.isSuccess(exit)) assert.strictEqual(exit.value.status, 503)
    }), 10_000)

  it.live("interrupts the handler of a client that goes away", () =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      const context = yield* Layer.build(serve(
        Deferred.succeed(begun, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
        ),
        { gracefulTimeout: 200 }
      ))
      const url = yield* Effect.provideContext(Effect.map(HttpServer.HttpServer, urlOf), context)
      const abort = new AbortController()
      yield* Effect.forkChild(Effect.exit(Effect.tryPromise(() => fetch(url, { signal: abort.signal }))))
      yield* Deferred.await(begun)
      abort.abort()
      yield* Deferred.await(interrupted).pipe(Effect.timeout(3_000))
    }), 10_000)

  it.live("fails with ServeError when the port is taken", () =>
    Effect.gen(function*() {
      const blocker = createServer()
      const port = yield* Effect.callback<number>((resume) => {
        blocker.listen(0, "127.0.0.1", () => {
          const address = blocker.address()
          resume(Effect.succeed(address !== null && typeof address === "object" ? address.port : 0))
        })
      })
      const exit = yield* Layer.build(HttpServerPlatform.layer({ hostname: "127.0.0.1", port })).pipe(
        Effect.scoped,
        Effect.flip
      )
      assert.strictEqual(exit._tag, "ServeError")
      blocker.close()
    }))
})
