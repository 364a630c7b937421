/**
 * The measured process of the archive benchmark: `ArchiveProcess.ts <input file> <directory>` archives the file as
 * windows of about 64 MiB through the real road: planner, leases in the embedded PostgreSQL, sealer, fsynced
 * file-system store, ledger and published checkpoints. Only the collection is a file instead of Cloudflare.
 */
import * as NodeRuntime from "@effect/platform-node-shared/NodeRuntime"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { defaultPlanning } from "@rainlogs/core/archive/PlanWindows"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import * as Worker from "@rainlogs/core/archive/Worker"
import { CollectionError } from "@rainlogs/core/collect/CollectionError"
import * as CollectionStrategies from "@rainlogs/core/collect/CollectionStrategies"
import { CollectionStrategy } from "@rainlogs/core/collect/CollectionStrategy"
import { logpullLimits, parametersOf } from "@rainlogs/core/collect/Logpull"
import { makeOrigin } from "@rainlogs/core/domain/Customer"
import { CloudflareZoneId, CustomerId, ZoneId } from "@rainlogs/core/domain/Identifier"
import { LedgerEvents } from "@rainlogs/core/ledger/LedgerEvents"
import { Publisher } from "@rainlogs/core/ledger/Publisher"
import { wrapCloudflareToken } from "@rainlogs/core/secrets/CloudflareToken"
import { Effect, Layer, Redacted, Stream } from "effect"
import { closeSync, createReadStream, openSync, readSync, statSync } from "node:fs"
import { join } from "node:path"
import * as Appliance from "../../appliance/src/Appliance.ts"
import { DataDirectory } from "../../appliance/src/DataDirectory.ts"
import * as Logging from "../../appliance/src/Logging.ts"
import * as MemoryLimit from "../../appliance/src/MemoryLimit.ts"
import { peakRssBytes } from "./Measure.ts"
import type { FileReport } from "./MeasuredProcess.ts"
import { descendantCpuSeconds } from "./ProcessTree.ts"

/** What the process prints. CPU seconds are of this process and its database. */
export interface ArchiveReport extends FileReport {
  readonly databaseCpuSeconds: number
  readonly windows: number
}

MemoryLimit.apply()

const [input = "", directory = ""] = process.argv.slice(2)
const minute = 60_000
const windowBytes = 64 * 1024 * 1024

/** Offsets that cut the file into windows of whole lines. */
const cuts = (): ReadonlyArray<number> => {
  const { size } = statSync(input)
  const handle = openSync(input, "r")
  const offsets = [0]
  const block = Buffer.alloc(1_048_576)
  for (let at = windowBytes; at < size; at += windowBytes) {
    const read = readSync(handle, block, 0, block.length, at)
    const newline = block.subarray(0, read).indexOf(10)
    if (newline === -1) break
    offsets.push(at + newline + 1)
  }
  closeSync(handle)
  return [...offsets, size]
}

const offsets = cuts()
const windows = offsets.length - 1

const lastEnd = Math.floor(Date.now() / minute) * minute - 10 * minute
const startsAt = lastEnd - windows * minute

/** The file as a source: window number n of the timeline is its slice number n. */
const fromFile = Layer.succeed(CollectionStrategy, {
  limits: logpullLimits(9 * minute),
  check: () => Effect.succeed(lastEnd),
  collect: (_target, window) =>
    Effect.sync(() => {
      const index = (window.from - startsAt) / minute
      const [from, to] = [offsets[index], offsets[index + 1]]
      const bytes = from === undefined || to === undefined
        ? Stream.empty
        : Stream.fromAsyncIterable(
          createReadStream(input, { start: from, end: to - 1, highWaterMark: 262_144 }),
          // The bench's own input file broke: there is nothing to bring to anybody but the person at the screen.
          (cause) =>
            new CollectionError({
              category: "rejected",
              code: "bench-input",
              detail: String(cause),
              remedy: null,
              retryAfterMs: null
            })
        )
      return { parameters: parametersOf(["EdgeStartTimestamp", "RayID"]), fidelity: "complete" as const, bytes }
    })
})

/** A customer with one zone whose timeline has exactly as many windows as the file has slices. */
const prepare = Effect.gen(function*() {
  const customers = yield* CustomerStore
  const customer = CustomerId.make("01980000-0000-7000-8000-000000000001")
  const zone = ZoneId.make("01980000-0000-7000-8000-000000000002")
  const origin = makeOrigin("bench.example.eu", customer)
  yield* customers.create({ id: customer, name: "bench", origin, createdAt: startsAt }, {
    prefix: "0123456789abcdef",
    sha256: "0".repeat(64)
  })
  yield* (yield* LedgerEvents).open({ customer, origin })
  yield* customers.createZone(
    {
      id: zone,
      customer,
      name: "bench.example",
      cloudflareZone: CloudflareZoneId.make("0".repeat(32)),
      createdAt: startsAt
    },
    yield* wrapCloudflareToken(customer, zone, Redacted.make("a token nobody asks for")),
    [{ name: "cloudflare/logpull/http_requests", startsAt, windowMs: minute }]
  )
  return { customer, origin }
})

/** Archives everything and publishes the checkpoint over it. */
const archiveAll = Effect.fnUntraced(function*(of: Effect.Success<typeof prepare>) {
  const ledger = yield* WindowLedger
  const publisher = yield* Publisher
  for (;;) {
    const [source] = yield* ledger.progress(of.customer)
    const open = source?.oldestUncommitted ?? Infinity
    if (source !== undefined && source.plannedTo >= lastEnd && open >= lastEnd) {
      const published = yield* publisher.publish(of)
      if (published.outcome === "published" || published.outcome === "unchanged") return source
    }
    yield* Effect.sleep("20 millis")
  }
})

const program = Effect.gen(function*() {
  const of = yield* prepare
  const cpu = process.cpuUsage()
  const database = descendantCpuSeconds()
  const began = performance.now()
  const source = yield* Effect.provide(
    archiveAll(of),
    Worker.layer({ ...Worker.defaultWorker, planEveryMs: 20 })
  )
  const { system, user } = process.cpuUsage(cpu)
  const databaseCpuSeconds = descendantCpuSeconds() - database
  const report: ArchiveReport = {
    cpuSeconds: (user + system) / 1e6 + databaseCpuSeconds,
    databaseCpuSeconds,
    wallSeconds: (performance.now() - began) / 1000,
    peakRssMb: peakRssBytes() / 1e6,
    windows: source.windows.committed,
    records: source.records,
    plainBytes: source.plainBytes,
    storedBytes: source.storedBytes
  }
  yield* Effect.sync(() => process.stdout.write(`${JSON.stringify(report)}\n`))
})

const planning = { ...defaultPlanning, liveWindowMs: minute, longestWindowMs: minute }

program.pipe(
  Effect.provide(
    Appliance.pipeline({ planning }, CollectionStrategies.layer([fromFile])).pipe(
      Layer.provideMerge(DataDirectory.layer(join(directory, "data"))),
      Layer.provideMerge(Logging.layer("Warn"))
    )
  ),
  NodeRuntime.runMain
)
