import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, it } from "@effect/vitest"
import { defaultPlanning } from "@rainlogs/core/archive/PlanWindows"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { ConfigProvider, Effect, Fiber, Layer } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { redisServer } from "../../packages/server/test/queue/RedisServer.ts"
import * as Appliance from "../src/Appliance.ts"
import { DataDirectory } from "../src/DataDirectory.ts"
import * as DemoClient from "../src/demo/DemoClient.ts"
import * as DemoZone from "../src/demo/DemoZone.ts"
import { awaitRound } from "../src/demo/FirstRound.ts"

const data = mkdtempSync(join(tmpdir(), "rainlogs-redis-queue-"))
afterAll(() => rmSync(data, { recursive: true, force: true }))

it.live(
  "an appliance archives every window once over a Redis that is flushed and killed meanwhile",
  () =>
    Effect.gen(function*() {
      const server = yield* redisServer()
      const token = "cfut_redis-0123456789abcdef"
      const simulator = yield* DemoZone.simulate(token, "redis")
      const appliance = Appliance.layer({
        host: "127.0.0.1",
        port: 0,
        settleMs: 90_000,
        cloudflareBaseUrl: simulator.url
      }).pipe(
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({
          RAINLOGS_QUEUE: "bullmq",
          RAINLOGS_REDIS_URL: server.url
        }))),
        Layer.provideMerge(Layer.provideMerge(DataDirectory.layer(data), NodeServices.layer))
      )
      yield* Effect.gen(function*() {
        const { url } = yield* Appliance.ApiAddress
        const customer = yield* DemoClient.createCustomer(url, yield* Appliance.adminToken)
        yield* DemoClient.createZone(url, customer.apiKey, {
          name: DemoZone.zoneName,
          cloudflareZoneId: DemoZone.cloudflareZoneId,
          token,
          backfillHours: 12
        })
        const trouble = yield* Effect.forkChild(Effect.promise(async () => {
          for (let turn = 0; turn < 4; turn++) {
            await new Promise((resolve) => setTimeout(resolve, 400))
            await server.command("FLUSHALL").catch(() => undefined)
          }
          await server.kill()
          await new Promise((resolve) => setTimeout(resolve, 1500))
          await server.start()
        }))
        const ledger = { customer: CustomerId.make(customer.id), origin: Origin.make(customer.origin) }
        const totals = yield* awaitRound(ledger, defaultPlanning, { show: () => {}, clear: () => {} })
        yield* Fiber.join(trouble)
        assert.isAtLeast(totals.windows, 12)
        assert.strictEqual(totals.gaps, 0)
        // Each window was pulled until it was committed, and never again.
        const pulls = simulator.truth.served().filter(({ path }) => path.endsWith("/logs/received"))
        assert.isAtMost(pulls.length, totals.windows + 4)
      }).pipe(Effect.provide(appliance))
    }).pipe(Effect.scoped),
  180_000
)
