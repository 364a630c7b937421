import { assert, describe, it } from "@effect/vitest"
import { CloudflareClient } from "@rainlogs/core/collect/CloudflareClient"
import { CircuitBreaker } from "@rainlogs/core/resilience/CircuitBreaker"
import { RateBudget } from "@rainlogs/core/resilience/RateBudget"
import { Cause, Effect, Exit, Logger, Redacted, References, Tracer } from "effect"
import type { IncomingMessage } from "node:http"
import { inspect } from "node:util"
import {
  type Answer,
  later,
  layers,
  now,
  received,
  record,
  secret,
  server,
  simulator,
  token,
  zoneId
} from "./Harness.ts"

describe("requests", () => {
  it.live("ask for gzip with a bearer token, and say nothing else about us", () =>
    Effect.gen(function*() {
      const seen: Array<IncomingMessage> = []
      const baseUrl = yield* server((request, response) => {
        seen.push(request)
        response.writeHead(200).end(record)
      })
      yield* received.pipe(
        Effect.withSpan("outer"),
        Effect.provide(layers({ baseUrl: `${baseUrl}/base` }), { local: true })
      )
      const [request] = seen
      const url = new URL(request?.url ?? "", baseUrl)
      assert.strictEqual(url.pathname, `/base/zones/${zoneId}/logs/received`)
      assert.deepStrictEqual(Object.fromEntries(url.searchParams), {
        start: "2026-11-20T10:00:00.000Z",
        end: "2026-11-20T10:01:00.000Z",
        timestamps: "rfc3339",
        fields: "RayID"
      })
      assert.deepStrictEqual(Object.keys(request?.headers ?? {}).sort(), [
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "host",
        "user-agent"
      ])
      assert.strictEqual(request?.headers["accept-encoding"], "gzip")
      assert.strictEqual(request?.headers.authorization, `Bearer ${secret}`)
    }))

  it.live("keep the connection for the next one", () =>
    Effect.gen(function*() {
      const ports = new Set<number | undefined>()
      const baseUrl = yield* server((request, response) => {
        ports.add(request.socket.remotePort)
        response.writeHead(200, { "content-length": record.length }).end(record)
      })
      yield* Effect.replicateEffect(received, 3).pipe(Effect.provide(layers({ baseUrl }), { local: true }))
      assert.strictEqual(ports.size, 1)
    }))

  it.live("a token with a line break is refused before anything is sent", () =>
    Effect.gen(function*() {
      let requests = 0
      const baseUrl = yield* server((_, response) => {
        requests++
        response.end()
      })
      const client = CloudflareClient.pipe(Effect.provide(layers({ baseUrl }), { local: true }))
      for (const bad of ["", "a\r\nX-Evil: 1", "a b", "ä"]) {
        const error = yield* Effect.flip(Effect.flatMap(client, (one) => one.verifyToken(Redacted.make(bad))))
        assert.deepStrictEqual([error.category, error.code], ["unauthorised", "token-malformed"])
      }
      assert.strictEqual(requests, 0)
    }))

  it.live("nobody listening is a typed failure", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(received).pipe(
        Effect.provide(layers({ baseUrl: "http://127.0.0.1:1" }), { local: true })
      )
      assert.deepStrictEqual([error.category, error.code], ["transient", "connection-failed"])
      assert.include(error.detail, "ECONNREFUSED")
    }))
})

describe("the token", () => {
  it.live("is in no failure, log or span, even when the server repeats it", () =>
    Effect.gen(function*() {
      const texts: Array<string> = []
      const spans: Array<Tracer.Span> = []
      const answers: ReadonlyArray<Answer> = [
        (response, request) => response.writeHead(400).end(`bad request: ${JSON.stringify(request.headers)}`),
        (response, request) => response.writeHead(500, { "x-echo": "1" }).end(request.headers.authorization),
        (response) => response.socket?.resetAndDestroy(),
        (response, request) => {
          response.writeHead(200).write(`{"a":"${request.headers.authorization}"}\n`)
          later(response, () => response.socket?.resetAndDestroy())
        },
        () => undefined
      ]
      let next = 0
      const baseUrl = yield* server((request, response) => answers[next++ % answers.length]?.(response, request))
      const logger = Logger.make((entry) => {
        texts.push(inspect(entry, { depth: 8 }))
      })
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      for (let i = 0; i < answers.length; i++) {
        const exit = yield* Effect.exit(received).pipe(
          Effect.tap((one) => Effect.logError("attempt failed", one)),
          Effect.provide(layers({ baseUrl }), { local: true }),
          Effect.provide(Logger.layer([logger])),
          Effect.provideService(References.MinimumLogLevel, "Trace"),
          Effect.withTracer(tracer)
        )
        assert.isTrue(Exit.isFailure(exit))
        texts.push(inspect(exit, { depth: 12, showHidden: true }), JSON.stringify(exit))
        if (Exit.isFailure(exit)) texts.push(Cause.pretty(exit.cause), String(exit.cause))
      }
      for (const span of spans) {
        texts.push(inspect(span.status, { depth: 8 }), inspect([...span.attributes], { depth: 8 }), span.name)
      }
      assert.isAbove(spans.length, answers.length)
      assert.isAbove(texts.length, 20)
      for (const text of texts) assert.notInclude(text, secret)
      assert.isTrue(texts.some((text) => text.includes("<token>")), "the echo was masked, not just absent")
    }))
})

describe("other calls", () => {
  it.live("read token, zone, zones by name, fields and retention from the simulator", () =>
    Effect.gen(function*() {
      const sim = yield* simulator()
      yield* Effect.gen(function*() {
        const client = yield* CloudflareClient
        assert.strictEqual((yield* client.verifyToken(token)).status, "active")
        const zone = yield* client.zone(token, zoneId)
        assert.deepStrictEqual([zone.id, zone.name, zone.plan?.legacy_id], [zoneId, "shop.example", "enterprise"])
        assert.deepStrictEqual((yield* client.zonesByName(token, "shop.example")).map((one) => one.id), [zoneId])
        assert.deepStrictEqual(yield* client.zonesByName(token, "other.example"), [])
        const fields = yield* client.logpullFields(token, zoneId)
        assert.deepStrictEqual(fields, [...(sim.zones.get(zoneId)?.fields ?? [])].sort())
        assert.isTrue(yield* client.logpullRetention(token, zoneId))
        sim.zones.get(zoneId)?.setRetention(false, now)
        assert.isFalse(yield* client.logpullRetention(token, zoneId))
        const refused = yield* Effect.flip(client.verifyToken(Redacted.make("not-a-token")))
        assert.deepStrictEqual([refused.category, refused.code], ["unauthorised", "authentication-error"])
      }).pipe(Effect.provide(layers({ baseUrl: sim.url }), { local: true }))
    }))

  it.live.each<readonly [string, string]>([
    ["{\"success\":true,\"errors\":[],\"messages\":[],\"result\":{\"flag\":\"yes\"}}", "malformed unexpected-answer"],
    [
      "{\"success\":false,\"errors\":[{\"code\":9109,\"message\":\"Unauthorized to access requested resource\"}]}",
      "unauthorised not-permitted"
    ],
    ["{\"success\":true,\"result\":{\"fl", "malformed unexpected-answer"],
    ["", "malformed unexpected-answer"]
  ])("an answer of another form is a typed failure: %s", ([body, expected]) =>
    Effect.gen(function*() {
      const baseUrl = yield* server((_, response) =>
        response.writeHead(200, { "content-type": "application/json" }).end(body)
      )
      const error = yield* Effect.flatMap(CloudflareClient, (client) => client.logpullRetention(token, zoneId)).pipe(
        Effect.flip,
        Effect.provide(layers({ baseUrl }), { local: true })
      )
      assert.strictEqual(`${error.category} ${error.code}`, expected)
    }))

  it.live.each([["{}"], ["{\"a,b\":\"string\"}"], ["{\"RayID\":1}"], ["[]"]])(
    "a field list like %s is refused",
    ([body]) =>
      Effect.gen(function*() {
        const baseUrl = yield* server((_, response) => response.writeHead(200).end(body))
        const error = yield* Effect.flatMap(CloudflareClient, (client) => client.logpullFields(token, zoneId)).pipe(
          Effect.flip,
          Effect.provide(layers({ baseUrl }), { local: true })
        )
        assert.strictEqual(error.category, "malformed")
      })
  )
})

describe("limits and failures of the other side", () => {
  it.live(
    "a 429 with Retry-After pauses the budgets of zone and user, without it the whole API for five minutes",
    () =>
      Effect.gen(function*() {
        const sim = yield* simulator()
        yield* Effect.gen(function*() {
          const paused = Effect.map(Effect.flatMap(RateBudget, (budgets) => budgets.snapshot), (all) =>
            all.flatMap(({ key, pausedUntil }) =>
              pausedUntil === null ? [] : [`${key.split(" ").length} ${Math.round((pausedUntil - Date.now()) / 1_000)}`]
            ))
          sim.faults.next({ kind: "too-many-requests", retryAfterSeconds: 2, body: "text" })
          assert.strictEqual((yield* Effect.flip(received)).retryAfterMs, 2_000)
          assert.deepStrictEqual(yield* paused, ["2 2", "3 2"])
          // The next request waits for the end of the pause by itself.
          const begun = performance.now()
          yield* received
          assert.isAtLeast(performance.now() - begun, 1_800)
          sim.faults.next({ kind: "too-many-requests", retryAfterSeconds: "absent" })
          assert.strictEqual((yield* Effect.flip(received)).retryAfterMs, 300_000)
          assert.deepStrictEqual(yield* paused, ["2 300"])
          const refused = yield* Effect.flip(received)
          assert.deepStrictEqual([refused.category, refused.code], ["throttled", "budget-exhausted"])
        }).pipe(Effect.provide(layers({ baseUrl: sim.url }), { local: true }))
      }),
    15_000
  )

  it.live("the breaker opens after failures of the other side, also those inside a body, and closes after a good probe", () =>
    Effect.gen(function*() {
      const sim = yield* simulator()
      yield* Effect.gen(function*() {
        const snapshot = Effect.flatMap(CircuitBreaker, (breaker) => breaker.snapshot)
        sim.faults.next("trailer")
        sim.faults.next("server-error")
        sim.faults.next("reset")
        yield* Effect.replicateEffect(Effect.flip(received), 3)
        const [open] = yield* snapshot
        assert.strictEqual(open?.state, "open")
        assert.notInclude(open?.key ?? "", secret)
        const before = sim.counters().requests
        const refused = yield* Effect.flip(received)
        assert.deepStrictEqual([refused.category, refused.code], ["throttled", "circuit-open"])
        assert.strictEqual(sim.counters().requests, before, "nothing was sent")
        yield* Effect.sleep(250)
        yield* received
        assert.deepStrictEqual(yield* snapshot, [])
      }).pipe(
        Effect.provide(layers({ baseUrl: sim.url }, { threshold: 3, coolDownMs: 200, coolDownCapMs: 200 }), {
          local: true
        })
      )
    }))

  it.live("clear answers do not open the breaker", () =>
    Effect.gen(function*() {
      const baseUrl = yield* server((_, response) =>
        response.writeHead(400).end(
          "bad query: error parsing time: invalid time range: too early: logs older than 168h0m0s are not available"
        )
      )
      yield* Effect.gen(function*() {
        yield* Effect.replicateEffect(Effect.flip(received), 5)
        assert.deepStrictEqual(yield* Effect.flatMap(CircuitBreaker, (breaker) => breaker.snapshot), [])
      }).pipe(
        Effect.provide(layers({ baseUrl }, { threshold: 2, coolDownMs: 1_000, coolDownCapMs: 1_000 }), { local: true })
      )
    }))
})
