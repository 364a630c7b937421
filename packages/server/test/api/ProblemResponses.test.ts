import { assert, describe, it } from "@effect/vitest"
import * as ProblemResponses from "@rainlogs/server/api/ProblemResponses"
import * as HttpServerPlatform from "@rainlogs/server/http/HttpServerPlatform"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { connect } from "node:net"

/** Echoes bodies that arrive within 200 ms. */
const Echo = HttpRouter.serve(
  Layer.merge(
    HttpRouter.add("POST", "/echo", (request) => Effect.map(request.text, (text) => HttpServerResponse.text(text))),
    ProblemResponses.make({ bodyDeadlineMs: 200 })
  ),
  { disableListenLog: true, disableLogger: true }
).pipe(Layer.provideMerge(HttpServerPlatform.layer({ hostname: "127.0.0.1", port: 0, gracefulTimeout: 100 })))

/** Sends `parts` 100 ms apart and reads the answer until it holds `until`. */
const send = (parts: ReadonlyArray<string>, until: string) =>
  Effect.gen(function*() {
    const { address } = yield* HttpServer.HttpServer
    const { hostname, port } = new URL(HttpServer.formatAddress(address))
    return yield* Effect.callback<string>((resume) => {
      let answer = ""
      const socket = connect(Number(port), hostname)
      parts.forEach((part, index) => setTimeout(() => socket.write(part), 100 * index))
      socket.on("data", (data) => {
        answer += data.toString()
        if (answer.includes(until)) {
          socket.destroy()
          resume(Effect.succeed(answer))
        }
      })
      socket.on("error", () => resume(Effect.succeed(answer)))
      socket.on("close", () => resume(Effect.succeed(answer)))
    }).pipe(Effect.timeout("4 seconds"))
  })

const head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n"

describe("ProblemResponses", () => {
  it.live("a body that arrives in parts reaches its handler whole", () =>
    Effect.gen(function*() {
      assert.match(yield* send([head, "01234", "56789"], "0123456789"), /^HTTP\/1\.1 200 /)
    }).pipe(Effect.provide(Echo)))

  it.live("a body that does not end is given up at its deadline", () =>
    Effect.gen(function*() {
      const answer = yield* send([`${head}01234`], "request-timeout")
      assert.match(answer, /^HTTP\/1\.1 408 /)
    }).pipe(Effect.provide(Echo)))

  it.live("a request that is none gets no answer from a route", () =>
    Effect.gen(function*() {
      assert.notMatch(yield* send(["NONSENSE\r\n\r\n"], "\r\n\r\n"), /^HTTP\/1\.1 200 /)
    }).pipe(Effect.provide(Echo)))
})
