import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, it } from "@effect/vitest"
import { ConfigProvider, Effect, Exit, Layer, Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Appliance from "../src/Appliance.ts"
import { DataDirectory } from "../src/DataDirectory.ts"
import * as DemoClient from "../src/demo/DemoClient.ts"
import * as DemoZone from "../src/demo/DemoZone.ts"

const data = mkdtempSync(join(tmpdir(), "rainlogs-alerting-"))
afterAll(() => rmSync(data, { recursive: true, force: true }))

interface Told {
  readonly type: string
  readonly data: { readonly condition: { readonly kind: string; readonly subject: string; readonly remedy: string } }
}

const chat = Effect.acquireRelease(
  Effect.promise(async () => {
    const told: Array<Told> = []
    const server = createServer((request, response) => {
      let body = ""
      request.on("data", (piece) => body += String(piece))
      request.on("end", () => {
        told.push(JSON.parse(body))
        response.writeHead(204).end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    return { told, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts` }
  }),
  ({ server }) => Effect.sync(() => (server.closeAllConnections(), server.close()))
)

const until = (what: string, done: () => boolean) =>
  Effect.gen(function*() {
    for (let tries = 0; tries < 300; tries++) {
      if (done()) return
      yield* Effect.sleep("100 millis")
    }
    return yield* Effect.die(new Error(`${what} did not come within 30 s`))
  })

it.live(
  "an appliance tells its operator of a blocked source once, also when it is started again",
  () =>
    Effect.gen(function*() {
      const { told, url: webhook } = yield* chat
      const token = "cfut_alerts-0123456789abcdef"
      const simulator = yield* DemoZone.simulate(token, "alerts")
      simulator.zones.get(DemoZone.cloudflareZoneId)!.setRetention(false, Date.now())
      const start = Effect.gen(function*() {
        const scope = yield* Scope.make()
        const appliance = Appliance.layer({
          host: "127.0.0.1",
          port: 0,
          settleMs: 90_000,
          cloudflareBaseUrl: simulator.url,
          alertLookMs: 300
        }).pipe(
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({
            RAINLOGS_ALERT_WEBHOOK_URL: webhook,
            RAINLOGS_ALERT_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString("base64")}`
          }))),
          Layer.provideMerge(Layer.provideMerge(DataDirectory.layer(data), NodeServices.layer))
        )
        return { scope, context: yield* Layer.buildWithScope(appliance, scope) }
      })
      const first = yield* start
      const zone = yield* Effect.gen(function*() {
        const { url } = yield* Appliance.ApiAddress
        const customer = yield* DemoClient.createCustomer(url, yield* Appliance.adminToken)
        return yield* DemoClient.createZone(url, customer.apiKey, {
          name: DemoZone.zoneName,
          cloudflareZoneId: DemoZone.cloudflareZoneId,
          token,
          backfillHours: 1
        })
      }).pipe(Effect.provide(first.context))
      yield* until("the alert", () => told.length > 0)
      assert.strictEqual(told[0]?.type, "alert.firing")
      assert.deepInclude(told[0]?.data.condition, {
        kind: "source-blocked",
        subject: `${zone.id} cloudflare/logpull/http_requests`
      })
      assert.include(told[0]?.data.condition.remedy, "Turn on log retention")
      yield* Scope.close(first.scope, Exit.void)

      const second = yield* start
      yield* Effect.sleep("3 seconds")
      yield* Scope.close(second.scope, Exit.void)
      assert.deepStrictEqual(told.map(({ data, type }) => `${type} ${data.condition.kind}`), [
        "alert.firing source-blocked"
      ])
    }).pipe(Effect.scoped),
  120_000
)
