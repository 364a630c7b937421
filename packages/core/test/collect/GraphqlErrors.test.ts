import { assert, describe, it } from "@effect/vitest"
import { CloudflareClient } from "@rainlogs/core/collect/CloudflareClient"
import { Effect } from "effect"
import { layers, secret, server, simulator, token, zoneId } from "./Harness.ts"

const api = "graphql/firewallEventsAdaptive"

const ask = Effect.flatMap(CloudflareClient, (client) => client.graphql(token, zoneId, api, "{viewer{zones{x}}}"))

const against = (baseUrl: string, options: Partial<Parameters<typeof layers>[0]> = {}) =>
  Effect.provide(layers({ baseUrl, silentThrottleMs: 200, ...options }), { local: true })

const error = (message: string, code?: string): string =>
  JSON.stringify({
    data: null,
    errors: [{ message, path: null, extensions: { timestamp: "2026-11-20T12:00:00Z", code } }]
  })

// Texts of the Cloudflare page «GraphQL API errors» and of public issues.
const refusals: ReadonlyArray<readonly [number, string, string]> = [
  [200, error("cannot request data older than 2678400s"), "expired beyond-reach"],
  [400, error("cannot request data older than 2678400s"), "expired beyond-reach"],
  [200, error("query time range is too large. Time range can't be wider than 86400s"), "oversize query-too-large"],
  [200, error("query consumed excessive resources"), "oversize query-too-large"],
  [200, error("limit must be positive number and not greater than 10000"), "rejected settings-changed"],
  [200, error("number of fields can't be more than 30"), "rejected settings-changed"],
  [200, error("unknown field \"x\""), "rejected unknown-field"],
  [200, error("zone 'z' does not have access to the field 'x' from the path", "authz"), "rejected unknown-field"],
  [200, error("zone 'z' does not have access to the path", "authz"), "blocked not-entitled"],
  [200, error("zones [z] are not authorized", "authz"), "unauthorised not-permitted"],
  [403, error("not authorized for that account", "authz"), "unauthorised not-permitted"],
  [429, error("rate limiter budget depleted, try again after 5 minutes"), "throttled rate-limited"],
  [
    200,
    error("Account a has exceeded its rate limit. Please try again after 5 minutes", "budget"),
    "throttled rate-limited"
  ],
  [200, error("unable to execute query, please try again later"), "transient server-error"],
  [503, error("too many queries in progress, please try again later"), "transient server-error"],
  [500, error("Internal server error"), "transient server-error"],
  [200, error("error parsing args: x"), "rejected bad-query"],
  [200, error("something new"), "malformed unexpected-answer"]
]

describe("a GraphQL error", () => {
  for (const [status, body, expected] of refusals) {
    it.live(`${status} ${body.slice(32, 90)} is ${expected}`, () =>
      Effect.gen(function*() {
        const url = yield* server((_request, response) =>
          response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
            .end(body)
        )
        const failed = yield* Effect.flip(ask).pipe(against(url))
        assert.strictEqual(`${failed.category} ${failed.code}`, expected)
        assert.isFalse(JSON.stringify(failed).includes(secret))
      }))
  }

  it.live("of the budget pauses the token's next query, and the answer is posted once", () =>
    Effect.gen(function*() {
      const times: Array<number> = []
      const url = yield* server((request, response) => {
        times.push(performance.now())
        assert.strictEqual(request.method, "POST")
        const body = times.length === 1 ? error("x", "budget") : "{\"data\":{},\"errors\":null}"
        response.writeHead(200, { "content-length": body.length }).end(body)
      })
      yield* Effect.gen(function*() {
        assert.strictEqual((yield* Effect.flip(ask)).retryAfterMs, 400)
        yield* ask
      }).pipe(against(url, { silentThrottleMs: 400 }))
      assert.strictEqual(times.length, 2)
      assert.isAtLeast(times[1]! - times[0]!, 380)
    }))

  it.live("is not seen in rows that quote one", () =>
    Effect.gen(function*() {
      const body = `{"data":{"viewer":{"zones":[{"x":[{"path":${
        JSON.stringify("\"errors\":[{\"message\"")
      }}]}]}},"errors":null}`
      const url = yield* server((_request, response) =>
        response.writeHead(200, { "content-length": body.length }).end(body)
      )
      assert.strictEqual(yield* ask.pipe(against(url)), body)
    }))

  it.live("an answer above 32 MiB is not held", () =>
    Effect.gen(function*() {
      const size = 40 * 1024 * 1024
      const url = yield* server((_request, response) =>
        response.writeHead(200, { "content-length": size }).end(Buffer.alloc(size, 0x20))
      )
      const failed = yield* Effect.flip(ask).pipe(against(url))
      assert.strictEqual(`${failed.category} ${failed.code}`, "oversize answer-too-large")
    }))
})

describe("account-based rate limits", () => {
  it.live("are asked for by header, and each zone has a budget of its own", () =>
    Effect.gen(function*() {
      const sim = yield* simulator({
        limits: { graphqlPerFiveMinutes: 1 },
        tokens: [{ token: secret, status: "active", zones: "all", permissions: ["Analytics Read"] }]
      })
      const settings = `{viewer{zones(filter:{zoneTag:"${zoneId}"}){settings{firewallEventsAdaptive{enabled}}}}}`
      const query = Effect.flatMap(CloudflareClient, (client) => client.graphql(token, zoneId, api, settings))
      assert.match(yield* query.pipe(against(sim.url, { graphqlRateLimit: "account" })), /"enabled":true/)
      const refused = yield* Effect.flip(query).pipe(against(sim.url, { graphqlRateLimit: "account" }))
      assert.match(refused.detail, /Account has exceeded/)
      assert.match(yield* query.pipe(against(sim.url)), /"enabled":true/)
    }))
})
