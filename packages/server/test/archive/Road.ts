/**
 * The whole road of one zone, wired as the appliance wires it, on PostgreSQL, a file-system store and the Cloudflare
 * simulator, under a clock that can be moved on. Any number of processes can be started on the same database.
 */
import type { ZoneOptions } from "@rainlogs/cloudflare-simulator/SimulatedZone"
import { type Simulator, type SimulatorOptions, startSimulator } from "@rainlogs/cloudflare-simulator/Simulator"
import * as Archiver from "@rainlogs/core/archive/Archiver"
import { BlockedSources } from "@rainlogs/core/archive/BlockedSources"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { JobQueue } from "@rainlogs/core/archive/JobQueue"
import { ObjectAdoption } from "@rainlogs/core/archive/ObjectAdoption"
import { Opener } from "@rainlogs/core/archive/Opener"
import { Planner } from "@rainlogs/core/archive/Planner"
import { defaultPlanning, type PlanningOptions } from "@rainlogs/core/archive/PlanWindows"
import { Sealer, type SealerOptions } from "@rainlogs/core/archive/Sealer"
import { WindowGrowth } from "@rainlogs/core/archive/WindowGrowth"
import * as Worker from "@rainlogs/core/archive/Worker"
import * as AuditLogs from "@rainlogs/core/collect/AuditLogs"
import { CloudflareClient } from "@rainlogs/core/collect/CloudflareClient"
import { type CloudflareOptions, defaultCloudflareOptions } from "@rainlogs/core/collect/CloudflareOptions"
import { CollectionStrategies } from "@rainlogs/core/collect/CollectionStrategies"
import * as FirewallEvents from "@rainlogs/core/collect/FirewallEvents"
import { defaultGraphqlOptions } from "@rainlogs/core/collect/GraphqlStrategy"
import * as Logpull from "@rainlogs/core/collect/Logpull"
import * as SampledRequests from "@rainlogs/core/collect/SampledRequests"
import { makeOrigin } from "@rainlogs/core/domain/Customer"
import { CloudflareZoneId, CustomerId, ZoneId } from "@rainlogs/core/domain/Identifier"
import type { SourceName } from "@rainlogs/core/domain/Source"
import * as LedgerEvents from "@rainlogs/core/ledger/LedgerEvents"
import * as Publisher from "@rainlogs/core/ledger/Publisher"
import * as PublishLoop from "@rainlogs/core/ledger/PublishLoop"
import * as SignerLocal from "@rainlogs/core/ledger/SignerLocal"
import { PipelineRun } from "@rainlogs/core/pipeline/PipelineRun"
import { type BreakerOptions, CircuitBreaker } from "@rainlogs/core/resilience/CircuitBreaker"
import { RateBudget } from "@rainlogs/core/resilience/RateBudget"
import { wrapCloudflareToken } from "@rainlogs/core/secrets/CloudflareToken"
import { Kms } from "@rainlogs/core/secrets/Kms"
import * as KmsLocal from "@rainlogs/core/secrets/KmsLocal"
import * as ObjectStoreFileSystem from "@rainlogs/core/storage/ObjectStoreFileSystem"
import { Clock, Context, Effect, Layer, Logger, Redacted, Scope } from "effect"
import { randomBytes, randomUUID } from "node:crypto"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as CloudflareHttpClient from "../../src/http/CloudflareHttpClient.ts"
import * as CustomerStoreSql from "../../src/sql/CustomerStoreSql.ts"
import * as LedgerStoreSql from "../../src/sql/LedgerStoreSql.ts"
import * as PipelineStoreSql from "../../src/sql/PipelineStoreSql.ts"
import * as PseudonymKeysSql from "../../src/sql/PseudonymKeysSql.ts"
import * as WindowLedgerSql from "../../src/sql/WindowLedgerSql.ts"
import * as TestDatabase from "../TestDatabase.ts"
import { windowsOf } from "./Comparison.ts"
import * as Interference from "./Interference.ts"
import * as JumpingClock from "./JumpingClock.ts"

/** Units in ms. */
export const second = 1000
/** A minute in ms. */
export const minute = 60 * second
/** An hour in ms. */
export const hour = 60 * minute
/** A day in ms. */
export const day = 24 * hour

/** Where the simulated time begins: two minutes after noon. */
export const noon = Date.UTC(2026, 10, 20, 12)
const epoch = noon + 2 * minute

const cloudflareZone = CloudflareZoneId.make("023e105f4ecef8ad9ca31a8372d0c353")

/** The token every process uses. */
export const token = "cfut_road-0123456789abcdef"

/** The zone and its simulator. */
export interface RoadOptions {
  /** How far before now the timeline starts, ms; an hour when left out. */
  readonly backfillMs?: number
  /** The zone's source; Logpull when left out. */
  readonly source?: SourceName
  /** How far our clock is ahead of Cloudflare's, ms. */
  readonly aheadMs?: number
  readonly zone?: Partial<ZoneOptions>
  readonly simulator?: Partial<SimulatorOptions>
}

/** One process of the fleet. */
export interface ProcessOptions {
  readonly owner?: string
  readonly leaseMs?: number
  readonly planning?: Partial<PlanningOptions>
  readonly mostQueued?: number
  readonly sealer?: Partial<SealerOptions>
  readonly cloudflare?: Partial<CloudflareOptions>
  readonly breaker?: BreakerOptions
  readonly retentionTtlMs?: number
  /** Runs the worker's own loops; left out, the test drives. */
  readonly worker?: Worker.WorkerOptions
}

/** A breaker that never opens: tests of one window at a time. */
const closedBreaker: BreakerOptions = { threshold: 10_000, coolDownMs: 100, coolDownCapMs: 1000 }

const manyRequests = {
  perZonePerMinute: 1e6,
  perUserPerMinute: 1e6,
  perUserPerFiveMinutes: 1e6,
  timeoutsPerHour: 1e6,
  graphqlPerFiveMinutes: 1e6
}

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "rainlogs-road-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const startSimulated = (options: RoadOptions, clock: () => number) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      startSimulator({
        clock: () => clock() - (options.aheadMs ?? 0),
        limits: manyRequests,
        tokens: [{
          token,
          status: "active",
          zones: "all",
          permissions: ["Zone Read", "Logs Read", "Analytics Read", "Account Settings Read"]
        }],
        ...options.simulator,
        zones: [{
          id: cloudflareZone,
          name: "shop.example",
          plan: "enterprise",
          retention: true,
          recordsPerSecond: 0.05,
          seed: 7,
          ...options.zone
        }]
      })
    ),
    (running: Simulator) => Effect.promise(() => running.stop())
  )

const sharedPorts = (directory: string) =>
  Layer.mergeAll(
    CustomerStoreSql.layer,
    LedgerStoreSql.layer,
    WindowLedgerSql.layer,
    ObjectStoreFileSystem.layer(join(directory, "archive")),
    SignerLocal.layer({ directory: join(directory, "signer") }),
    PipelineStoreSql.layer,
    PseudonymKeysSql.layer.pipe(
      Layer.provideMerge(Layer.sync(Kms, () => KmsLocal.make(Redacted.make(new Uint8Array(randomBytes(32))))))
    )
  ).pipe(Layer.provideMerge(TestDatabase.layer))

const strategyOf = (road: Road, { retentionTtlMs }: ProcessOptions) => {
  switch (road.source) {
    case "cloudflare/graphql/firewall_events":
      return FirewallEvents.layerOptions(defaultGraphqlOptions)
    case "cloudflare/audit_logs/v2":
      return AuditLogs.layerOptions(AuditLogs.defaultAuditLogsOptions)
    case "cloudflare/graphql/http_requests":
      return SampledRequests.layerOptions(defaultGraphqlOptions)
    default:
      return Logpull.layerOptions({
        ...Logpull.defaultLogpullOptions,
        retentionTtlMs: retentionTtlMs ?? Logpull.defaultLogpullOptions.retentionTtlMs
      })
  }
}

const processLayer = (road: Road, hooks: Interference.Hooks, options: ProcessOptions) => {
  const planning = { ...defaultPlanning, ...options.planning }
  const strategy = strategyOf(road, options).pipe(
    Layer.provide(CloudflareClient.layerOptions({
      ...defaultCloudflareOptions,
      baseUrl: road.simulator.url,
      zoneRequestsPerMinute: 1e6,
      userRequestsPerMinute: 1e6,
      requestsPerFiveMinutes: 1e6,
      graphqlRequestsPerFiveMinutes: 1e6,
      silentThrottleMs: 200,
      idleTimeoutMs: 400,
      responseTimeoutMs: 1500,
      ...options.cloudflare
    })),
    Layer.provide(CloudflareHttpClient.layer),
    Layer.provide(Layer.merge(RateBudget.layer, CircuitBreaker.layerOptions(options.breaker ?? closedBreaker)))
  )
  const sealer = Sealer.layer({ spool: join(road.directory, `spool-${randomUUID()}`), ...options.sealer })
  const archiver = Archiver.Archiver.layer({
    owner: options.owner ?? "process",
    leaseMs: options.leaseMs ?? 60_000,
    planning,
    backoff: Archiver.defaultArchiver.backoff
  })
  const queue = options.mostQueued === undefined ? {} : { mostQueued: options.mostQueued }
  const pipeline = BlockedSources.layer.pipe(
    Layer.provideMerge(archiver),
    Layer.provideMerge(Layer.mergeAll(
      ObjectAdoption.layer,
      PipelineRun.layer,
      WindowGrowth.layer,
      PublishLoop.layer({ intervalMs: 50 }),
      Planner.layer({ planning, ...queue })
    )),
    Layer.provideMerge(CollectionStrategies.layerOne),
    Layer.provideMerge(Interference.layerPipeline(hooks)),
    Layer.provideMerge(Layer.mergeAll(
      sealer,
      strategy,
      Opener.layer(),
      Publisher.layer,
      LedgerEvents.layer,
      JobQueue.layerMemory
    )),
    Layer.provideMerge(Interference.layer(hooks))
  )
  return options.worker === undefined ? pipeline : Layer.provideMerge(Worker.layer(options.worker), pipeline)
}

/** A line of the log, for tests that look for the reason of a failure. */
export interface LogLine {
  readonly level: string
  readonly text: string
}

/** What the tests of one zone share. */
export class Road {
  readonly clock: JumpingClock.JumpingClock
  readonly simulator: Simulator
  readonly directory: string
  readonly customer: CustomerId
  readonly zone: ZoneId
  readonly source: SourceName
  readonly log: Array<LogLine>

  constructor(facts: Pick<Road, "clock" | "simulator" | "directory" | "customer" | "zone" | "source" | "log">) {
    this.clock = facts.clock
    this.simulator = facts.simulator
    this.directory = facts.directory
    this.customer = facts.customer
    this.zone = facts.zone
    this.source = facts.source
    this.log = facts.log
  }

  /** The zone at the simulator. */
  get cloudflare() {
    return this.simulator.zones.get(cloudflareZone)!
  }

  /** Requests for records so far, oldest first. */
  pulls() {
    return this.simulator.truth.served().filter(({ path }) => path.endsWith("/logs/received"))
  }

  /** Keys of the stored log objects. */
  objects(): ReadonlyArray<string> {
    return readdirSync(join(this.directory, "archive"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.startsWith("logs/") && path.endsWith(".zst"))
  }
}

/** Starts a process on the road; it ends with the scope. */
export const start = Effect.fnUntraced(function*(road: Road, options: ProcessOptions = {}) {
  const hooks: Interference.Hooks = {}
  const scope = yield* Scope.fork(yield* Scope.Scope)
  const context = yield* Layer.buildWithMemoMap(
    processLayer(road, hooks, options),
    Layer.makeMemoMapUnsafe(),
    scope
  )
  return {
    hooks,
    scope,
    context,
    archiver: Context.get(context, Archiver.Archiver),
    planner: Context.get(context, Planner),
    blocked: Context.get(context, BlockedSources),
    queue: Context.get(context, JobQueue),
    opener: Context.get(context, Opener),
    events: Context.get(context, LedgerEvents.LedgerEvents),
    publisher: Context.get(context, Publisher.Publisher)
  }
})

/** A started process. */
export type Process = Effect.Success<ReturnType<typeof start>>

/** Runs `test` on a new road. */
export const onRoad = <A, E, R>(
  options: RoadOptions,
  test: (road: Road) => Effect.Effect<A, E, R>
) => {
  const clock = JumpingClock.make(epoch)
  const log: Array<LogLine> = []
  const source = options.source ?? "cloudflare/logpull/http_requests"
  const keeper = Logger.make(({ cause, logLevel, message }) => {
    log.push({ level: logLevel, text: `${String(message)} ${JSON.stringify(cause)}` })
  })
  return Effect.scoped(Effect.gen(function*() {
    const directory = yield* temporaryDirectory
    const simulator = yield* startSimulated(options, clock.currentTimeMillisUnsafe)
    return yield* Effect.gen(function*() {
      const id = CustomerId.make(randomUUID())
      const zone = ZoneId.make(randomUUID())
      const customers = yield* CustomerStore
      yield* customers.create(
        { id, name: "Example GmbH", origin: makeOrigin("archive.example.eu", id), createdAt: epoch },
        { prefix: `rl_${randomBytes(6).toString("hex")}`, sha256: randomBytes(32).toString("hex") }
      )
      yield* customers.createZone(
        {
          id: zone,
          customer: id,
          name: "shop.example",
          cloudflareZone,
          createdAt: epoch
        },
        yield* wrapCloudflareToken(id, zone, Redacted.make(token)),
        [{
          name: source,
          startsAt: Math.floor((epoch - (options.backfillMs ?? hour)) / minute) * minute,
          windowMs: hour
        }]
      )
      return yield* test(new Road({ clock, simulator, directory, customer: id, zone, source, log }))
    }).pipe(Effect.orDie, Effect.provide(sharedPorts(directory), { local: true }))
  })).pipe(
    Effect.provideService(Clock.Clock, clock),
    Effect.provide(Logger.layer([keeper]))
  )
}

/** Takes jobs and archives them until the queue is empty; the outcomes in order. */
export const drain = Effect.fnUntraced(function*({ archiver, queue }: Process) {
  const outcomes: Array<Archiver.Outcome> = []
  while ((yield* queue.size) > 0) outcomes.push(yield* queue.take((job) => archiver.archive(job)))
  return outcomes
})

/** Rounds of planning and archiving, moving the clock on over every back-off, until nothing is open. */
export const archiveAll = Effect.fnUntraced(function*(road: Road, process: Process, longestBackoff = 6 * minute) {
  const outcomes: Array<Archiver.Outcome> = []
  for (let turn = 0; turn < 200; turn++) {
    yield* process.planner.round
    outcomes.push(...yield* drain(process))
    const open = (yield* windowsOf(road)).filter(({ job }) => !["committed", "gap"].includes(job.state))
    if (open.length === 0) return outcomes
    const now = road.clock.currentTimeMillisUnsafe()
    const next = Math.min(...open.map(({ job }) => job.notBefore))
    if (next > now) road.clock.jump(Math.min(next - now + 1, longestBackoff))
  }
  return yield* Effect.die(new Error("windows stay open after 200 rounds"))
})
