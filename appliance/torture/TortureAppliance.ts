/**
 * The process that torture kills: a real appliance on a data directory, under a clock it shares with the simulator.
 * Options come as one JSON argument; it prints one JSON line when its API answers, and runs until it is stopped.
 */
import * as NodeRuntime from "@effect/platform-node-shared/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import type { SimulatedTime } from "@rainlogs/cloudflare-simulator/SimulatedClock"
import { defaultPlanning } from "@rainlogs/core/archive/PlanWindows"
import { Clock, Effect, Layer, Redacted } from "effect"
import { join } from "node:path"
import * as Appliance from "../src/Appliance.ts"
import { DataDirectory, readKept, writeKept } from "../src/DataDirectory.ts"
import * as DemoClient from "../src/demo/DemoClient.ts"
import * as Logging from "../src/Logging.ts"
import * as MemoryLimit from "../src/MemoryLimit.ts"
import * as ScaledClock from "./ScaledClock.ts"

/** What the harness tells the process. */
export interface TortureOptions {
  readonly data: string
  readonly time: SimulatedTime
  readonly cloudflareBaseUrl: string
  readonly cloudflareZoneId: string
  readonly token: string
  readonly backfillHours: number
  readonly windowMs: number
  readonly workers: number
}

MemoryLimit.apply()

const options: TortureOptions = JSON.parse(process.argv[2] ?? "{}")

/** Makes the customer and the zone once, over the API, remembering each step before the next. */
const prepare = Effect.gen(function*() {
  const { url } = yield* Appliance.ApiAddress
  const directory = yield* DataDirectory
  const file = join(directory.secrets, "torture.json")
  const kept: { readonly [name: string]: string } = JSON.parse((yield* readKept(file)) ?? "{}")
  let state = kept
  const remember = (fields: { readonly [name: string]: string }) => {
    state = { ...state, ...fields }
    return writeKept(file, JSON.stringify(state))
  }
  if (state["apiKey"] === undefined) {
    const customer = yield* DemoClient.createCustomer(url, yield* Appliance.adminToken)
    yield* remember({
      customer: customer.id,
      origin: customer.origin,
      vkey: customer.vkey,
      apiKey: Redacted.value(customer.apiKey)
    })
  }
  if (state["zone"] === undefined) {
    const zone = yield* DemoClient.createZone(url, Redacted.make(state["apiKey"]!), {
      name: "example.com",
      cloudflareZoneId: options.cloudflareZoneId,
      token: options.token,
      backfillHours: options.backfillHours
    })
    yield* remember({ zone: zone.id })
  }
  yield* Effect.sync(() => process.stdout.write(`${JSON.stringify({ ...state, apiUrl: url })}\n`))
  return yield* Effect.never
})

prepare.pipe(
  Effect.provide(
    Appliance.layer({
      host: "127.0.0.1",
      port: 0,
      concurrency: options.workers,
      settleMs: 90_000,
      // Shorter windows than an hour: more steps to be killed between.
      planning: { ...defaultPlanning, longestWindowMs: options.windowMs },
      cloudflareBaseUrl: options.cloudflareBaseUrl
    }).pipe(
      Layer.provideMerge(DataDirectory.layer(options.data)),
      Layer.provideMerge(Layer.merge(NodeServices.layer, Logging.layer("Info")))
    )
  ),
  Effect.provideService(Clock.Clock, ScaledClock.make(options.time)),
  NodeRuntime.runMain
)
