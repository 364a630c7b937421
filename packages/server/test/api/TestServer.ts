/**
 * The API on a real socket of this machine, its log, and plain HTTP requests to it.
 */
import * as Routes from "@rainlogs/server/api/Routes"
import * as HttpServerPlatform from "@rainlogs/server/http/HttpServerPlatform"
import { Context, Effect, Layer, Logger, References } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { inspect } from "node:util"
import { adminToken } from "./MemoryPorts.ts"

/** A response read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** The server under test. */
export class TestServer extends Context.Service<TestServer, {
  readonly url: string
  /** Everything logged so far, with every attached value printed to its depths. */
  readonly log: Array<string>
  /** Everything ever answered through `request`. */
  readonly answers: Array<string>
  readonly request: (method: string, path: string, options?: {
    readonly key?: string
    readonly body?: unknown
    readonly headers?: Record<string, string>
  }) => Effect.Effect<Answer>
}>()("test/TestServer") {}

/** Serves all routes on a free port of 127.0.0.1. */
export const layer = Layer.unwrap(Effect.sync(() => {
  const log: Array<string> = []
  const answers: Array<string> = []
  const logger = Logger.make(({ cause, fiber, message }) => {
    log.push(inspect({ message, cause, annotations: fiber.getRef(References.CurrentLogAnnotations) }, { depth: 8 }))
  })
  const server = Layer.effect(
    TestServer,
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const url = HttpServer.formatAddress(address)
      const request = Effect.fnUntraced(function*(
        method: string,
        path: string,
        options: { readonly key?: string; readonly body?: unknown; readonly headers?: Record<string, string> } = {}
      ) {
        const { body, headers, key } = options
        return yield* Effect.promise(async (): Promise<Answer> => {
          const response = await fetch(`${url}${path}`, {
            method,
            headers: {
              ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
              ...(body === undefined ? {} : { "content-type": "application/json" }),
              ...headers
            },
            ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
          })
          const text = await response.text()
          answers.push(`${[...response.headers].join("\n")}\n${text}`)
          return { status: response.status, headers: response.headers, text }
        })
      })
      return TestServer.of({ url, log, answers, request })
    })
  )
  return server.pipe(
    Layer.provideMerge(HttpRouter.serve(Routes.routes, { disableListenLog: true })),
    Layer.provide(HttpServerPlatform.layer({ hostname: "127.0.0.1", port: 0, gracefulTimeout: 100 })),
    Layer.provide(Logger.layer([logger]))
  )
}))

/** A customer made through the API; `key` is its API key. */
export const newCustomer = Effect.fnUntraced(function*(name: string) {
  const { request } = yield* TestServer
  const answer = yield* request("POST", "/customers", { key: adminToken, body: { name } })
  const customer: { readonly id: string; readonly origin: string; readonly apiKey: string } = JSON.parse(answer.text)
  return { ...customer, key: customer.apiKey, answer }
})
