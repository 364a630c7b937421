import { assert, describe, it } from "@effect/vitest"
import type { Fault } from "@rainlogs/cloudflare-simulator/Faults"
import { type MultisetDigest, MultisetDigester } from "@rainlogs/cloudflare-simulator/MultisetDigest"
import type { Simulator } from "@rainlogs/cloudflare-simulator/Simulator"
import { CollectionStrategy } from "@rainlogs/core/collect/CollectionStrategy"
import * as Logpull from "@rainlogs/core/collect/Logpull"
import { CloudflareZoneId } from "@rainlogs/core/domain/Identifier"
import type { Window } from "@rainlogs/core/domain/Window"
import { Clock, ConfigProvider, Effect, Fiber, Layer, Redacted, Stream } from "effect"
import { TestClock } from "effect/testing"
import { createHash } from "node:crypto"
import { layers, now, secret, server, simulator, target, token, zoneId } from "./Harness.ts"

const hour: Window = { from: now - 5 * 3_600_000, to: now - 4 * 3_600_000 }
const short: Window = { from: now - 7_200_000, to: now - 7_140_000 }

/** Digests a stream of NDJSON whose pieces end anywhere. */
const digestOf = (bytes: Uint8Array): MultisetDigest => {
  const digester = new MultisetDigester()
  digester.addLines(bytes)
  return digester.finish()
}

/** Collects a window to its end. */
const collect = (window: Window, from = target) =>
  Effect.scoped(Effect.gen(function*() {
    const strategy = yield* CollectionStrategy
    const collection = yield* strategy.collect(from, window)
    const bytes = new Uint8Array(Buffer.concat(yield* Stream.runCollect(collection.bytes)))
    return { ...collection, bytes }
  }))

const truthOf = (sim: Simulator, window: Window) =>
  Effect.promise(() =>
    sim.truth.multisetDigest(zoneId, window.from, window.to, {
      fields: [...(sim.zones.get(zoneId)?.fields ?? [])].sort(),
      timestamps: "rfc3339"
    })
  )

const against = (sim: Simulator, options: Partial<Parameters<typeof layers>[0]> = {}) =>
  Effect.provide(layers({ baseUrl: sim.url, ...options }), { local: true })

describe("a good window", () => {
  it.live("of an hour is byte for byte the truth, as a multiset of lines", () =>
    Effect.gen(function*() {
      const sim = yield* simulator()
      const { bytes, fidelity } = yield* collect(hour).pipe(against(sim))
      const truth = yield* truthOf(sim, hour)
      assert.isAbove(truth.count, 1_000)
      assert.deepStrictEqual(digestOf(bytes), truth)
      assert.strictEqual(fidelity, "complete")
    }), 30_000)

  it.live("with bounds on odd milliseconds gets exactly its records", () =>
    Effect.gen(function*() {
      const sim = yield* simulator()
      // Two fifths of a second each, none on a whole second.
      const bounds = Array.from({ length: 13 }, (_, index) => short.from + 123 + index * 397)
      const windows = bounds.slice(1).map((to, index): Window => ({ from: bounds[index] ?? to, to }))
      const parts = yield* Effect.forEach(windows, (part) =>
        Effect.gen(function*() {
          const { bytes } = yield* collect(part)
          assert.deepStrictEqual(digestOf(bytes), yield* truthOf(sim, part))
          return bytes
        })).pipe(against(sim))
      const whole = { from: bounds[0] ?? 0, to: bounds.at(-1) ?? 0 }
      assert.isAbove((yield* truthOf(sim, whole)).count, 5)
      assert.deepStrictEqual(digestOf(new Uint8Array(Buffer.concat(parts))), yield* truthOf(sim, whole))
    }))

  it.live("says what was asked for in canonical JSON", () =>
    Effect.gen(function*() {
      const sim = yield* simulator()
      const { parameters } = yield* collect(short).pipe(against(sim))
      const fields = [...(sim.zones.get(zoneId)?.fields ?? [])].sort()
      assert.strictEqual(
        parameters.json,
        `{"dataset":"http_requests","fields":["${
          fields.join("\",\"")
        }"],"horizon":604800000,"sample":1,"timestamps":"rfc3339"}`
      )
      assert.match(parameters.json, /^[\x21-\x7e]+$/)
      assert.strictEqual(parameters.sha256, createHash("sha256").update(parameters.json).digest("hex"))
      const asked = sim.truth.served().find((one) => one.path.endsWith("/logs/received"))
      assert.deepStrictEqual([asked?.fromMs, asked?.toMs], [short.from, short.to])
    }))

  it("has the shape of the ledger's golden parameters document", () => {
    assert.strictEqual(
      Logpull.parametersOf(["EdgeStartTimestamp", "RayID"]).json.replace("\"horizon\":604800000,", ""),
      "{\"dataset\":\"http_requests\",\"fields\":[\"EdgeStartTimestamp\",\"RayID\"],\"sample\":1,\"timestamps\":\"rfc3339\"}"
    )
  })
})

describe("every fault", () => {
  const faults: ReadonlyArray<readonly [string, Fault, string]> = [
    ["the trailer", { kind: "trailer", afterBytes: 5_000, lineEnd: "newline" }, "malformed truncated-stream"],
    [
      "the trailer without line end",
      { kind: "trailer", afterBytes: 5_000, lineEnd: "none" },
      "malformed truncated-stream"
    ],
    ["only the trailer", { kind: "trailer", afterBytes: 0 }, "malformed truncated-stream"],
    ["a reset", { kind: "reset", afterBytes: 5_000 }, "transient connection-lost"],
    ["a cut of chunks", { kind: "cut", afterBytes: 5_000, framing: "chunked" }, "transient connection-lost"],
    [
      "a cut below the length",
      { kind: "cut", afterBytes: 5_000, framing: "content-length" },
      "transient connection-lost"
    ],
    ["half a line", { kind: "partial-line", afterBytes: 5_000 }, "malformed truncated-stream"],
    ["silence", { kind: "stall", holdMs: 10_000 }, "transient idle-timeout"],
    ["silence after some records", { kind: "stall", afterBytes: 5_000, holdMs: 10_000 }, "transient idle-timeout"],
    ["a drip", { kind: "drip", bytesPerSecond: 500 }, "transient response-timeout"],
    ["429", { kind: "too-many-requests", retryAfterSeconds: 1, body: "json" }, "throttled rate-limited"],
    [
      "429 without Retry-After",
      { kind: "too-many-requests", retryAfterSeconds: "absent", body: "text" },
      "throttled rate-limited"
    ],
    ["500", { kind: "server-error", status: 500 }, "transient server-error"],
    ["522", { kind: "server-error", status: 522 }, "transient server-error"],
    ["408", { kind: "timeout" }, "transient request-timeout"],
    ["a web page", { kind: "html" }, "malformed html-page"]
  ]

  it.live.each(faults)(
    "%s fails typed and in time, and the next attempt has the truth",
    ([, fault, expected]) =>
      Effect.gen(function*() {
        const sim = yield* simulator()
        yield* Effect.gen(function*() {
          sim.faults.next(fault)
          const begun = performance.now()
          const error = yield* Effect.flip(collect(short))
          assert.strictEqual(`${error.category} ${error.code}`, expected)
          assert.isBelow(performance.now() - begun, 4_000)
          assert.notInclude(JSON.stringify(error) + error.message, secret)
          const { bytes } = yield* collect(short)
          assert.deepStrictEqual(digestOf(bytes), yield* truthOf(sim, short))
        }).pipe(against(sim, { responseTimeoutMs: 2_500, silentThrottleMs: 200 }))
        assert.strictEqual([...sim.faults.injected.values()].reduce((sum, times) => sum + times, 0), 1)
      }),
    15_000
  )

  it.live("a legal oddity is none: another content type", () =>
    Effect.gen(function*() {
      const sim = yield* simulator()
      sim.faults.next("odd-content-type")
      const { bytes } = yield* collect(short).pipe(against(sim))
      assert.deepStrictEqual(digestOf(bytes), yield* truthOf(sim, short))
    }))

  it.live("at random over many attempts: either the whole truth or a typed failure", () =>
    Effect.gen(function*() {
      const sim = yield* simulator({ limits: { perZonePerMinute: 1_000, timeoutsPerHour: 1_000 } })
      sim.faults.random({
        seed: "logpull",
        probability: 0.8,
        stallMs: 1_500,
        dripBytesPerSecond: 300_000,
        weights: {
          trailer: 3,
          reset: 3,
          cut: 3,
          "partial-line": 3,
          stall: 1,
          drip: 1,
          "server-error": 1,
          timeout: 1,
          html: 1
        }
      })
      const truth = yield* truthOf(sim, short)
      let whole = 0
      yield* Effect.forEach(Array.from({ length: 60 }), () =>
        Effect.result(collect(short)).pipe(Effect.map((result) => {
          if (result._tag === "Failure") return
          const { bytes } = result.success
          // Half a line may end in the brace of an inner object; the sealer finds it by parsing.
          if (bytes.at(-1) !== 10) {
            return assert.throws(() => JSON.parse(Buffer.from(bytes).toString().split("\n").pop() ?? ""))
          }
          assert.deepStrictEqual(digestOf(bytes), truth)
          whole++
        })), { concurrency: 4 }).pipe(against(sim))
      assert.isTrue(whole > 3 && whole < 40, `${whole} of 60 came through`)
    }), 30_000)
})

describe("retention", () => {
  it.live("off is blocked with what to do, and is seen to be on again at once", () =>
    Effect.gen(function*() {
      const sim = yield* simulator()
      const zone = sim.zones.get(zoneId)
      zone?.setRetention(false, now)
      yield* Effect.gen(function*() {
        const strategy = yield* CollectionStrategy
        for (const attempt of [Effect.asVoid(strategy.check(target)), Effect.asVoid(collect(short))]) {
          const error = yield* Effect.flip(attempt)
          assert.deepStrictEqual([error.category, error.code], ["blocked", "retention-off"])
          assert.include(error.remedy ?? "", "retention")
        }
        zone?.setRetention(true, now)
        yield* strategy.check(target)
        assert.isFalse(sim.truth.served().some((one) => one.path.endsWith("/logs/received")))
      }).pipe(against(sim))
    }))

  it.live("turned off while believed on is noticed by the answer, and asked again from then on", () =>
    Effect.gen(function*() {
      const sim = yield* simulator()
      yield* Effect.gen(function*() {
        const strategy = yield* CollectionStrategy
        const asked = () => sim.truth.served().filter((one) => one.path.endsWith("/retention/flag")).length
        yield* strategy.check(target)
        yield* strategy.check(target)
        yield* collect(short)
        assert.strictEqual(asked(), 1, "cached")
        sim.zones.get(zoneId)?.setRetention(false, now)
        assert.strictEqual((yield* Effect.flip(collect(short))).code, "retention-off")
        assert.strictEqual((yield* Effect.flip(strategy.check(target))).code, "retention-off")
        assert.strictEqual(asked(), 2)
      }).pipe(against(sim))
    }))

  it.live("one token's answer is never used for another's", () =>
    Effect.gen(function*() {
      const sim = yield* simulator()
      yield* Effect.gen(function*() {
        const strategy = yield* CollectionStrategy
        yield* strategy.check(target)
        yield* strategy.check({ ...target, token: Redacted.make(secret) })
        assert.strictEqual(sim.counters().requests, 1, "the same token in another wrapper is the same")
        const error = yield* Effect.flip(strategy.check({ ...target, token: Redacted.make("somebody-elses-token") }))
        assert.strictEqual(error.category, "unauthorised")
      }).pipe(against(sim))
    }))
})

describe("fields", () => {
  it.live("are read again, once, when one of them is gone", () =>
    Effect.gen(function*() {
      let offered = ["RayID", "OldField"]
      const requests: Array<string> = []
      const baseUrl = yield* server((request, response) => {
        const url = new URL(request.url ?? "", "http://x")
        requests.push(url.pathname.split("/").pop() ?? "")
        const names = url.searchParams.get("fields")?.split(",") ?? []
        const unknown = names.find((name) => !offered.includes(name))
        if (url.pathname.endsWith("/flag")) {
          response.writeHead(200).end("{\"success\":true,\"errors\":[],\"messages\":[],\"result\":{\"flag\":true}}")
        } else if (url.pathname.endsWith("/fields")) {
          response.writeHead(200).end(JSON.stringify(Object.fromEntries(offered.map((name) => [name, "string; …"]))))
        } else if (unknown !== undefined) {
          response.writeHead(400).end(`bad query: error parsing fields: unknown field: ${unknown}`)
        } else response.writeHead(200).end("{\"RayID\":\"1\"}\n")
      })
      yield* Effect.gen(function*() {
        const first = yield* collect(short)
        offered = ["RayID", "NewField"]
        const second = yield* collect(short)
        assert.include(first.parameters.json, "[\"OldField\",\"RayID\"]")
        assert.include(second.parameters.json, "[\"NewField\",\"RayID\"]")
        assert.deepStrictEqual(requests, ["flag", "fields", "received", "received", "fields", "received"])
      }).pipe(Effect.provide(layers({ baseUrl }), { local: true }))
    }))
})

describe("windows", () => {
  it.live("that cannot be asked for are rejected before anything is sent", () =>
    Effect.gen(function*() {
      const sim = yield* simulator()
      yield* Effect.gen(function*() {
        for (
          const window of [
            { from: short.from, to: short.from },
            { from: short.to, to: short.from },
            { from: short.from + 0.5, to: short.to },
            { from: short.from, to: short.from + 3_600_001 }
          ]
        ) {
          const error = yield* Effect.flip(collect(window))
          assert.deepStrictEqual([error.category, error.code], ["rejected", "bad-window"])
        }
        assert.strictEqual(sim.counters().requests, 0)
      }).pipe(against(sim))
    }))

  it.live("too old are expired, too young not ready", () =>
    Effect.gen(function*() {
      const sim = yield* simulator()
      yield* Effect.gen(function*() {
        const old = yield* Effect.flip(
          collect({ from: now - Logpull.horizonMs - 1, to: now - Logpull.horizonMs + 1_000 })
        )
        assert.deepStrictEqual([old.category, old.code], ["expired", "too-early"])
        const young = yield* Effect.flip(collect({ from: now - 120_000, to: now - 59_999 }))
        assert.deepStrictEqual([young.category, young.code], ["not-ready", "too-recent"])
      }).pipe(against(sim))
    }))

  it.effect("the settle time comes from the configuration, never below a minute", () =>
    Effect.gen(function*() {
      const limits = (values: Record<string, string>) =>
        Effect.map(CollectionStrategy, (strategy) => strategy.limits).pipe(
          Effect.provide(
            Logpull.layer.pipe(
              Layer.provide(layers({ baseUrl: "http://127.0.0.1:1" })),
              Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(values)))
            ),
            { local: true }
          )
        )
      assert.deepStrictEqual(yield* limits({}), {
        source: "cloudflare/logpull/http_requests",
        settleMs: 300_000,
        horizonMs: 604_800_000,
        longestWindowMs: 3_600_000,
        shortestWindowMs: 1_000
      })
      assert.strictEqual((yield* limits({ RAINLOGS_LOGPULL_SETTLE_MS: "60000" })).settleMs, 60_000)
      assert.strictEqual((yield* Effect.flip(limits({ RAINLOGS_LOGPULL_SETTLE_MS: "59999" })))._tag, "ConfigError")
    }))
})

describe("budgets", () => {
  /** The most of `times` in any minute, as a server that counts would see it. */
  const mostInAMinute = (times: ReadonlyArray<number>): number =>
    Math.max(...times.map((start) => times.filter((time) => time >= start && time <= start + 60_000).length))

  it.effect(
    "of zone and user are never exceeded as the server counts, under many callers",
    () =>
      Effect.gen(function*() {
        const zones = Array.from(
          { length: 14 },
          (_, index) => CloudflareZoneId.make(index.toString(16).padStart(32, "0"))
        )
        const clock = yield* TestClock.testClockWith((one) => Effect.succeed(one))
        yield* TestClock.setTime(now)
        const sim = yield* simulator({
          clock: () => clock.currentTimeMillisUnsafe(),
          zones: zones.map((id) => ({
            id,
            name: `${id}.example`,
            plan: "enterprise",
            retention: true,
            recordsPerSecond: 0.2,
            seed: id
          }))
        })
        const calls = zones.flatMap((cloudflareZone) =>
          Array.from({ length: 22 }, (_, index) => {
            const from = now - 7_200_000 + index * 1_000
            return collect({ from, to: from + 1_000 }, { ...target, cloudflareZone, token })
          })
        )
        const work = yield* Effect.all(calls, { concurrency: "unbounded", discard: true }).pipe(
          Effect.provide(
            layers(
              { baseUrl: sim.url, idleTimeoutMs: 3_600_000, responseTimeoutMs: 3_600_000, zoneRequestsPerMinute: 15 },
              undefined,
              { longestWaitMs: 3_600_000, longestQueue: 10_000 }
            ),
            { local: true }
          ),
          Effect.forkChild
        )
        let virtualMinutes = 0
        while (work.pollUnsafe() === undefined && virtualMinutes < 30) {
          // Real requests need real time; the clock of client and server moves only between them.
          yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
          yield* TestClock.adjust(1_000)
          virtualMinutes += 1 / 60
        }
        yield* Fiber.join(work)
        const served = sim.truth.served()
        const byZone = Map.groupBy(served, (one) => one.zone)
        assert.strictEqual(served.filter((one) => one.path.endsWith("/received")).length, calls.length)
        for (const [, ofZone] of byZone) assert.isAtMost(mostInAMinute(ofZone.map((one) => one.atMs)), 15)
        const most = mostInAMinute(served.map((one) => one.atMs))
        assert.isTrue(most <= 180 && most > 150, `${most} in a minute`)
        assert.strictEqual(sim.counters().rateLimited, 0)
        assert.isAbove((yield* Clock.currentTimeMillis) - now, 60_000)
      }),
    60_000
  )
})
