import { assert, layer } from "@effect/vitest"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { makeOrigin } from "@rainlogs/core/domain/Customer"
import { CloudflareZoneId, CustomerId, ZoneId } from "@rainlogs/core/domain/Identifier"
import * as ArchiveGauges from "@rainlogs/server/api/ArchiveGauges"
import * as SystemState from "@rainlogs/server/api/SystemState"
import { Effect, Layer, Metric } from "effect"
import { TestClock } from "effect/testing"
import { randomUUID } from "node:crypto"
import { cloudflareZone } from "./Fixtures.ts"
import * as MemoryPorts from "./MemoryPorts.ts"
import { MemoryState } from "./MemoryPorts.ts"

const valueOf = Effect.fnUntraced(function*(name: string) {
  const found = (yield* Metric.snapshot).find(({ id }) => id === name)
  return found?.type === "Gauge" ? found.state.value : assert.fail(`no gauge ${name}`)
})

const newZone = Effect.gen(function*() {
  const customers = yield* CustomerStore
  const id = CustomerId.make(randomUUID())
  const origin = makeOrigin("archive.example.eu", id)
  yield* customers.create({ id, name: "Alice", origin, createdAt: 0 }, { prefix: "rl_1", sha256: "" })
  yield* customers.createZone(
    {
      id: ZoneId.make(randomUUID()),
      customer: id,
      name: "example.eu",
      cloudflareZone: CloudflareZoneId.make(cloudflareZone(1)),
      createdAt: 0
    },
    { kek: "kek", bytes: new Uint8Array() },
    [{ name: "cloudflare/logpull/http_requests", startsAt: 0, windowMs: 300_000 }]
  )
})

layer(SystemState.layer.pipe(Layer.provideMerge(MemoryPorts.layer)))("the gauges of the archive", (it) => {
  it.effect("are the ports' numbers, and NaN while a port cannot be read", () =>
    Effect.gen(function*() {
      const state = yield* MemoryState
      const refresh = yield* ArchiveGauges.make
      const now = Date.UTC(2026, 0, 1)
      yield* TestClock.setTime(now)
      yield* newZone
      state.publication = { publishedSize: 1, sqlSize: 4, halted: null, lagMs: 1234 }
      yield* refresh
      assert.strictEqual(yield* valueOf("rainlogs_collection_lag_ms"), 0, "everything is archived")
      assert.strictEqual(yield* valueOf("rainlogs_ledger_unpublished_entries"), 3 * state.customers.size)

      state.database = "down"
      yield* TestClock.adjust("10 seconds")
      yield* refresh
      for (
        const name of [
          "rainlogs_collection_lag_ms",
          "rainlogs_ledger_lag_ms",
          "rainlogs_records",
          "rainlogs_bundle_oldest_open_ms"
        ]
      ) {
        assert.isNaN(yield* valueOf(name), name)
      }

      state.database = "up"
      state.oldestUncommitted = now
      yield* TestClock.adjust("10 seconds")
      yield* refresh
      assert.strictEqual(yield* valueOf("rainlogs_collection_lag_ms"), 20_000)
      assert.strictEqual(yield* valueOf("rainlogs_bundle_oldest_open_ms"), 20_000)
    }))
})
