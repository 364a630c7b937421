/**
 * What the tests of the client and the strategy share: a simulator on a real port, a scripted server for answers the
 * simulator does not give, and the layers around them.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { type Simulator, type SimulatorOptions, startSimulator } from "@rainlogs/cloudflare-simulator/Simulator"
import { CloudflareClient } from "@rainlogs/core/collect/CloudflareClient"
import { type CloudflareOptions, defaultCloudflareOptions } from "@rainlogs/core/collect/CloudflareOptions"
import type { CollectionTarget } from "@rainlogs/core/collect/CollectionStrategy"
import * as Logpull from "@rainlogs/core/collect/Logpull"
import { CloudflareZoneId, ZoneId } from "@rainlogs/core/domain/Identifier"
import { type BreakerOptions, CircuitBreaker } from "@rainlogs/core/resilience/CircuitBreaker"
import { RateBudget, type RateBudgetOptions } from "@rainlogs/core/resilience/RateBudget"
import { Effect, Layer, Redacted, Stream } from "effect"
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http"

/** A token whose text must appear nowhere. */
export const secret = "cfut_S3CRETdoNotPrint-0123456789abcdef"
/** The token of the requests. */
export const token = Redacted.make(secret)

/** The simulated time, Unix ms. */
export const now = Date.UTC(2026, 10, 20, 12, 0, 0)

/** The Cloudflare zone of the requests. */
export const zoneId = CloudflareZoneId.make("023e105f4ecef8ad9ca31a8372d0c353")

/** The zone as a strategy sees it. */
export const target: CollectionTarget = {
  zone: ZoneId.make("9d2a6c1e-58a7-8f2f-9b0e-6d7f4c8b1a22"),
  cloudflareZone: zoneId,
  token
}

/** A simulator with one Enterprise zone, for the length of a scope. */
export const simulator = (options: Partial<SimulatorOptions> = {}) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      startSimulator({
        clock: () => now,
        zones: [{
          id: zoneId,
          name: "shop.example",
          plan: "enterprise",
          retention: true,
          recordsPerSecond: 3,
          seed: 7
        }],
        tokens: [{ token: secret, status: "active", zones: "all", permissions: ["Zone Read", "Logs Read"] }],
        ...options
      })
    ),
    (running: Simulator) => Effect.promise(() => running.stop())
  )

/** A server that answers every request by `listener`, for the length of a scope; succeeds with its base URL. */
export const server = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly stop: () => void }>((resume) => {
      const http = createServer(listener)
      http.listen(0, "127.0.0.1", () => {
        const address = http.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({
          url: `http://127.0.0.1:${port}`,
          stop: () => {
            http.close()
            http.closeAllConnections()
          }
        }))
      })
    }),
    ({ stop }) => Effect.sync(stop)
  ).pipe(Effect.map(({ url }) => url))

/** Everything the strategy needs, with short times; a breaker that opens only after a hundred failures unless told. */
export const layers = (
  options: Partial<CloudflareOptions> & { readonly baseUrl: string },
  breaker: BreakerOptions = { threshold: 100, coolDownMs: 100, coolDownCapMs: 1_000 },
  budget: RateBudgetOptions = { longestWaitMs: 5_000, longestQueue: 100 }
) =>
  Logpull.layerOptions(Logpull.defaultLogpullOptions).pipe(
    Layer.provideMerge(CloudflareClient.layerOptions({
      ...defaultCloudflareOptions,
      idleTimeoutMs: 1_000,
      responseTimeoutMs: 5_000,
      zoneRequestsPerMinute: 1_000,
      ...options
    })),
    Layer.provideMerge(Layer.mergeAll(
      RateBudget.layerOptions(budget),
      CircuitBreaker.layerOptions(breaker),
      NodeHttpClient.layerNodeHttpOptions({ keepAlive: true })
    ))
  )

/** The window of {@link received}. */
export const window = { from: now - 7_200_000, to: now - 7_140_000 }

/** One line of NDJSON. */
export const record = "{\"RayID\":\"0123456789abcdef\"}\n"

/** The whole body of `/logs/received`, as text. */
export const received = Effect.scoped(Effect.gen(function*() {
  const client = yield* CloudflareClient
  const stream = yield* client.logpullReceived(token, zoneId, window, ["RayID"])
  return Buffer.concat(yield* Stream.runCollect(stream)).toString()
}))

/** How a scripted server answers. */
export type Answer = (response: ServerResponse, request: IncomingMessage) => void

/** Does something to a response after the client has read what came so far. */
export const later = (response: ServerResponse, then: () => void) => {
  setTimeout(() => response.destroyed || then(), 30)
}
