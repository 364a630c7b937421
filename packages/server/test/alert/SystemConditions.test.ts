import { assert, layer } from "@effect/vitest"
import { AlertConditions } from "@rainlogs/core/alert/AlertConditions"
import * as CollectionStrategies from "@rainlogs/core/collect/CollectionStrategies"
import { logpullLimits } from "@rainlogs/core/collect/Logpull"
import { CircuitBreaker, defaultBreakerOptions } from "@rainlogs/core/resilience/CircuitBreaker"
import { Effect, Layer, Redacted } from "effect"
import { HttpServer } from "effect/http"
import { TestClock } from "effect/testing"
import * as SystemConditions from "../../src/alert/SystemConditions.ts"
import * as Routes from "../../src/api/Routes.ts"
import * as SystemState from "../../src/api/SystemState.ts"
import { newCustomer } from "../api/Clients.ts"
import { cloudflareToken, cloudflareZone } from "../api/Fixtures.ts"
import * as MemoryPorts from "../api/MemoryPorts.ts"
import { MemoryState } from "../api/MemoryPorts.ts"

const hour = 3_600_000

const strategy = {
  limits: logpullLimits(300_000),
  check: () => Effect.die("not used"),
  collect: () => Effect.die("not used")
}

const Live = SystemConditions.layer.pipe(
  Layer.provide(SystemState.layer),
  Layer.provideMerge(Routes.handlers),
  Layer.provideMerge(Layer.succeed(CollectionStrategies.CollectionStrategies, CollectionStrategies.of([strategy]))),
  Layer.provideMerge(MemoryPorts.layer),
  Layer.provideMerge(HttpServer.layerServices)
)

layer(Live)("what is wrong", (it) => {
  it.effect("is read from sources, ledgers, anchors and circuit breakers", () =>
    Effect.gen(function*() {
      const state = yield* MemoryState
      const { look } = yield* AlertConditions
      const breaker = yield* CircuitBreaker
      yield* TestClock.setTime(Date.UTC(2026, 10, 20))
      const { client } = yield* newCustomer("Alice")
      const zone = yield* client.zones.create({
        payload: {
          name: "example.eu",
          cloudflareZoneId: cloudflareZone(1) as never,
          token: Redacted.make(cloudflareToken)
        }
      })
      const kinds = Effect.map(
        Effect.andThen(TestClock.adjust("11 seconds"), look),
        ({ conditions }) => conditions.map(({ kind, severity, subject }) => `${severity} ${kind} ${subject}`)
      )
      const subject = `${zone.id} cloudflare/logpull/http_requests`
      assert.deepStrictEqual(yield* kinds, [])

      const now = Date.UTC(2026, 10, 20)
      state.oldestUncommitted = now - 130 * hour
      assert.deepStrictEqual(yield* kinds, [`warning hours-to-loss ${subject}`])
      state.oldestUncommitted = now - 150 * hour
      assert.deepStrictEqual(yield* kinds, [`critical hours-to-loss ${subject}`])
      state.oldestUncommitted = null

      const held = state.zones.get(zone.id)!
      const source = {
        ...held.source,
        status: { state: "blocked", reason: "unauthorised", since: 0, remedy: "Make a new token." } as const
      }
      state.zones.set(zone.id, { ...held, source })
      assert.deepStrictEqual(yield* kinds, [`critical source-blocked ${subject}`])
      state.zones.set(zone.id, held)

      state.publication = { publishedSize: 2, sqlSize: 5, halted: "tiles differ", lagMs: 900_000 }
      assert.deepStrictEqual(yield* kinds, ["critical ledger-halted ledgers", "warning ledger-late ledgers"])
      state.publication = { publishedSize: 2, sqlSize: 2, halted: null, lagMs: 0 }

      const failing = Effect.scoped(
        Effect.flatMap(breaker.admit("logs/received zone token"), (permit) => permit.settle("failure"))
      )
      for (let failure = 0; failure < defaultBreakerOptions.threshold; failure++) yield* failing
      assert.deepStrictEqual(yield* kinds, ["warning circuit-open logs/received"])
    }))

  it.effect("includes that the database cannot be read, and then nothing is said of what it would say", () =>
    Effect.gen(function*() {
      const state = yield* MemoryState
      const { look } = yield* AlertConditions
      state.database = "down"
      yield* TestClock.adjust("11 seconds")
      const { conditions, events, unseen } = yield* look
      state.database = "up"
      assert.include(conditions.map(({ kind, subject }) => `${kind} ${subject}`), "archive-unreadable database")
      assert.deepStrictEqual(events, [])
      for (const kind of ["source-blocked", "hours-to-loss", "gap"] as const) assert.isTrue(unseen.has(kind))
    }))
})
