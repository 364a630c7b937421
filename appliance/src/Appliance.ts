/**
 * The whole of Rainlogs in one process: the only place where layers meet. The embedded default is PostgreSQL beside
 * us, the file-system store and the in-process queue; `DATABASE_URL` replaces the database.
 */
import * as AnchorLoop from "@rainlogs/core/anchor/AnchorLoop"
import * as Archiver from "@rainlogs/core/archive/Archiver"
import { BlockedSources } from "@rainlogs/core/archive/BlockedSources"
import { ObjectAdoption } from "@rainlogs/core/archive/ObjectAdoption"
import { Opener } from "@rainlogs/core/archive/Opener"
import { Planner } from "@rainlogs/core/archive/Planner"
import type { PlanningOptions } from "@rainlogs/core/archive/PlanWindows"
import { Sealer } from "@rainlogs/core/archive/Sealer"
import { WindowGrowth } from "@rainlogs/core/archive/WindowGrowth"
import * as Worker from "@rainlogs/core/archive/Worker"
import { BundleFiles } from "@rainlogs/core/bundle/BundleFiles"
import * as BundleLoop from "@rainlogs/core/bundle/BundleLoop"
import { bundleRetentionMs } from "@rainlogs/core/bundle/BundleOptions"
import { BundleWorker, defaultBundleWorker } from "@rainlogs/core/bundle/BundleWorker"
import * as AuditLogs from "@rainlogs/core/collect/AuditLogs"
import { CloudflareClient } from "@rainlogs/core/collect/CloudflareClient"
import { cloudflareOptions } from "@rainlogs/core/collect/CloudflareOptions"
import * as CollectionStrategies from "@rainlogs/core/collect/CollectionStrategies"
import { CollectionStrategy } from "@rainlogs/core/collect/CollectionStrategy"
import * as FirewallEvents from "@rainlogs/core/collect/FirewallEvents"
import * as Logpull from "@rainlogs/core/collect/Logpull"
import * as SampledRequests from "@rainlogs/core/collect/SampledRequests"
import * as LedgerEvents from "@rainlogs/core/ledger/LedgerEvents"
import * as PolicyChanges from "@rainlogs/core/ledger/PolicyChanges"
import * as Publisher from "@rainlogs/core/ledger/Publisher"
import * as PublishLoop from "@rainlogs/core/ledger/PublishLoop"
import * as ErasureLoop from "@rainlogs/core/lifecycle/ErasureLoop"
import * as Lifecycle from "@rainlogs/core/lifecycle/Lifecycle"
import { PipelineRun } from "@rainlogs/core/pipeline/PipelineRun"
import { BatchSpool } from "@rainlogs/core/receiver/BatchSpool"
import { Senders } from "@rainlogs/core/receiver/Senders"
import * as SpooledCollection from "@rainlogs/core/receiver/SpooledCollection"
import * as SpoolLoop from "@rainlogs/core/receiver/SpoolLoop"
import * as Catalog from "@rainlogs/core/recovery/Catalog"
import * as CatalogedCustomers from "@rainlogs/core/recovery/CatalogedCustomers"
import * as CatalogedPipelines from "@rainlogs/core/recovery/CatalogedPipelines"
import { CircuitBreaker } from "@rainlogs/core/resilience/CircuitBreaker"
import { RateBudget } from "@rainlogs/core/resilience/RateBudget"
import { AdminToken } from "@rainlogs/core/secrets/AdminToken"
import * as KmsLocal from "@rainlogs/core/secrets/KmsLocal"
import * as ObjectStoreFileSystem from "@rainlogs/core/storage/ObjectStoreFileSystem"
import * as Routes from "@rainlogs/server/api/Routes"
import * as Database from "@rainlogs/server/database/Database"
import type { PostgresError } from "@rainlogs/server/database/PostgresError"
import * as CloudflareHttpClient from "@rainlogs/server/http/CloudflareHttpClient"
import * as HttpServerPlatform from "@rainlogs/server/http/HttpServerPlatform"
import * as BundleStoreSql from "@rainlogs/server/sql/BundleStoreSql"
import * as CoverageSql from "@rainlogs/server/sql/CoverageSql"
import * as CustomerRecordsSql from "@rainlogs/server/sql/CustomerRecordsSql"
import * as CustomerStoreSql from "@rainlogs/server/sql/CustomerStoreSql"
import * as ErasureStoreSql from "@rainlogs/server/sql/ErasureStoreSql"
import * as HoldStoreSql from "@rainlogs/server/sql/HoldStoreSql"
import * as LedgerStoreSql from "@rainlogs/server/sql/LedgerStoreSql"
import * as PipelineStoreSql from "@rainlogs/server/sql/PipelineStoreSql"
import * as PseudonymKeysSql from "@rainlogs/server/sql/PseudonymKeysSql"
import * as PushSourcesSql from "@rainlogs/server/sql/PushSourcesSql"
import * as QuotaStoreSql from "@rainlogs/server/sql/QuotaStoreSql"
import * as WindowLedgerSql from "@rainlogs/server/sql/WindowLedgerSql"
import { Config, Context, Effect, Layer, Option } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import type { SqlClient } from "effect/sql"
import { hostname } from "node:os"
import { join } from "node:path"
import { ApiCannotListen } from "./ApiCannotListen.ts"
import * as ConfiguredAlerts from "./ConfiguredAlerts.ts"
import * as ConfiguredAnchors from "./ConfiguredAnchors.ts"
import * as ConfiguredQueue from "./ConfiguredQueue.ts"
import * as ConfiguredSigner from "./ConfiguredSigner.ts"
import { DataDirectory, keptSecret } from "./DataDirectory.ts"
import { PostgresArchive } from "./PostgresArchive.ts"
import { masterKeyFile, refuseLostKeys } from "./recovery/LostKeys.ts"

/** How the road is planned. */
export interface PipelineOptions {
  readonly planning?: PlanningOptions
  /** How long a worker holds a window without renewing, ms. */
  readonly leaseMs?: number
}

/** What the command line decides; everything else is configuration (`RAINLOGS_*`). */
export interface ApplianceOptions extends PipelineOptions {
  readonly host: string
  /** 0 chooses a free port. */
  readonly port: number
  /** Windows archived at once. */
  readonly concurrency?: number
  /** Windows end at least this long before now, ms; from the configuration when left out. */
  readonly settleMs?: number
  /** The same for what is pushed, ms. */
  readonly receiverSettleMs?: number
  /** Where Cloudflare's API is; from the configuration when left out. */
  readonly cloudflareBaseUrl?: string
  /** Time between two looks at what must be anchored, ms. */
  readonly anchorSweepMs?: number
  /** Time between two looks at what is wrong, ms. */
  readonly alertLookMs?: number
}

/** Where the API listens: `http://host:port`. */
export class ApiAddress
  extends Context.Service<ApiAddress, { readonly url: string }>()("@rainlogs/appliance/ApiAddress")
{}

/** The operator's token: `RAINLOGS_ADMIN_TOKEN`, or one made at the first start and kept in the data directory. */
export const adminToken = Effect.gen(function*() {
  const configured = yield* Config.option(Config.Redacted("RAINLOGS_ADMIN_TOKEN"))
  if (Option.isSome(configured)) return configured.value
  const { secrets } = yield* DataDirectory
  return yield* keptSecret(join(secrets, "admin.token"))
})

type DatabaseLayer = Layer.Layer<
  SqlClient.SqlClient,
  Database.DatabaseError | Database.DatabaseUnreachable | PostgresError | Config.ConfigError
>

const database = Layer.unwrap(Effect.gen(function*() {
  const { root } = yield* DataDirectory
  const url = yield* Config.option(Config.Redacted("DATABASE_URL"))
  const chosen: DatabaseLayer = Option.isSome(url)
    ? Database.layerUrl()
    : Database.layerEmbedded({ dataDirectory: root, archive: yield* PostgresArchive })
  return chosen
}))

const stores = Layer.unwrap(Effect.gen(function*() {
  const directory = yield* DataDirectory
  yield* refuseLostKeys
  return Layer.mergeAll(
    BundleFiles.layer(directory.bundles),
    BundleStoreSql.layer,
    CoverageSql.layer,
    CustomerRecordsSql.layer,
    CustomerStoreSql.layer,
    ErasureStoreSql.layer,
    HoldStoreSql.layer,
    LedgerStoreSql.layer,
    PushSourcesSql.layer,
    PipelineStoreSql.layer,
    QuotaStoreSql.layer,
    WindowLedgerSql.layer,
    ObjectStoreFileSystem.layer(directory.archive),
    PseudonymKeysSql.layer.pipe(Layer.provideMerge(KmsLocal.layer({ file: masterKeyFile(directory) }))),
    ConfiguredSigner.layer,
    Layer.unwrap(Effect.map(adminToken, AdminToken.layer))
  )
}))

/** Ledgers and objects of the data directory, without its keys: for commands that only look. */
export const records = Layer.unwrap(
  Effect.map(DataDirectory, ({ archive }) => Layer.mergeAll(LedgerStoreSql.layer, ObjectStoreFileSystem.layer(archive)))
).pipe(Layer.provide(database))

/** Database, object store, key service and signer of the data directory; nothing runs. For commands that look at them. */
export const foundations = stores.pipe(Layer.provideMerge(database))

/** What a lost database is rebuilt with: {@link foundations}, the policies of the ledgers and the catalog. */
export const recovery = Layer.merge(PolicyChanges.layer, Catalog.Catalog.layer).pipe(Layer.provideMerge(foundations))

/** The spool of pushed batches and who may send them. */
const receiver = Layer.unwrap(
  Effect.map(
    DataDirectory,
    ({ receiver: directory }) => Senders.layer({ directory }).pipe(Layer.provideMerge(BatchSpool.layer({ directory })))
  )
)

/** The sources that are pushed to. */
const pushed = ["cloudflare/logpush/http_requests", "cloudflare/logpush/firewall_events"] as const

const pushedStrategies = (settleMs?: number) =>
  pushed.map((name) => Layer.effect(CollectionStrategy, SpooledCollection.make(name, settleMs)))

const cloudflare = (options: ApplianceOptions) =>
  Layer.unwrap(Effect.gen(function*() {
    const configured = yield* cloudflareOptions
    const client = CloudflareClient.layerOptions(
      options.cloudflareBaseUrl === undefined ? configured : { ...configured, baseUrl: options.cloudflareBaseUrl }
    )
    const strategy = options.settleMs === undefined
      ? Logpull.layer
      : Logpull.layerOptions({ ...Logpull.defaultLogpullOptions, settleMs: options.settleMs })
    const reachable = client.pipe(Layer.provide(CloudflareHttpClient.layer))
    const pulled = [
      strategy.pipe(Layer.provide(reachable)),
      FirewallEvents.layer.pipe(Layer.provide(reachable)),
      SampledRequests.layer.pipe(Layer.provide(reachable)),
      AuditLogs.layer.pipe(Layer.provide(reachable))
    ]
    const all: ReadonlyArray<
      Layer.Layer<CollectionStrategy, Config.ConfigError, Layer.Services<typeof pulled[number]> | BatchSpool | Senders>
    > = [...pulled, ...pushedStrategies(options.receiverSettleMs)]
    return CollectionStrategies.layer(all)
  }))

const recordsRoot = Config.Literals(["on", "off"], "RAINLOGS_RECORDS_ROOT").pipe(Config.withDefault("on" as const))

/** Database, stores and the road from `strategies` to the ledger; nothing runs yet. For embedding and measuring. */
export const pipeline = <E, R>(
  options: PipelineOptions,
  strategies: Layer.Layer<CollectionStrategies.CollectionStrategies, E, R>
) =>
  Layer.unwrap(Effect.gen(function*() {
    const { spool } = yield* DataDirectory
    const planning = options.planning ?? Archiver.defaultArchiver.planning
    const archiver = Archiver.Archiver.layer({
      ...Archiver.defaultArchiver,
      planning,
      leaseMs: options.leaseMs ?? Archiver.defaultArchiver.leaseMs,
      owner: `${hostname()}:${process.pid}`
    })
    return BlockedSources.layer.pipe(
      Layer.provideMerge(archiver),
      Layer.provideMerge(Layer.mergeAll(
        Sealer.layer({ spool, recordsRoot: yield* recordsRoot }),
        ObjectAdoption.layer,
        PipelineRun.layer,
        WindowGrowth.layer,
        PublishLoop.layer(),
        Planner.layer({ planning })
      )),
      Layer.provideMerge(Layer.mergeAll(
        Opener.layer(),
        Lifecycle.layer.pipe(Layer.provideMerge(Publisher.layer)),
        LedgerEvents.layer,
        ConfiguredQueue.layer
      )),
      Layer.provideMerge(strategies),
      Layer.provideMerge(receiver),
      Layer.provideMerge(stores),
      Layer.provideMerge(database)
    )
  }))

const retentionRun = Config.Literals(["on", "off"], "RAINLOGS_RETENTION_RUN").pipe(
  Config.withDefault(ErasureLoop.defaultErasureLoop.retention)
)

const erasureLoop = Layer.unwrap(
  Effect.map(retentionRun, (retention) => ErasureLoop.layer({ ...ErasureLoop.defaultErasureLoop, retention }))
)

const anchorLoop = ({ anchorSweepMs }: ApplianceOptions) =>
  AnchorLoop.layer(anchorSweepMs === undefined ? {} : { sweepMs: anchorSweepMs }).pipe(
    Layer.provide(ConfiguredAnchors.layer),
    Layer.provide(CloudflareHttpClient.layer)
  )

const bundles = Layer.unwrap(Effect.gen(function*() {
  const retentionMs = yield* bundleRetentionMs
  return BundleLoop.layer().pipe(
    Layer.provide(BundleWorker.layer({ ...defaultBundleWorker, retentionMs, owner: `${hostname()}:${process.pid}` }))
  )
}))

const listener = ({ host, port }: ApplianceOptions) =>
  HttpServerPlatform.layer({ hostname: host, port }).pipe(
    Layer.catchTag("ServeError", ({ cause }) =>
      Layer.effect(HttpServer.HttpServer, Effect.fail(ApiCannotListen.from(host, port, cause))))
  )

const api = (options: ApplianceOptions) => {
  const address = Layer.effect(
    ApiAddress,
    Effect.gen(function*() {
      const server = yield* HttpServer.HttpServer
      return ApiAddress.of({ url: HttpServer.formatAddress(server.address) })
    })
  )
  return Layer.merge(HttpRouter.serve(Routes.routes, { disableLogger: true }), address).pipe(
    Layer.provide(HttpServer.layerServices),
    Layer.provide(listener(options))
  )
}

/** A running appliance: database, worker, maker of bundles and API, for as long as the layer's scope. */
export const layer = (options: ApplianceOptions) =>
  Layer.mergeAll(
    api(options),
    Worker.layer({ ...Worker.defaultWorker, concurrency: options.concurrency ?? Worker.defaultWorker.concurrency })
  ).pipe(
    Layer.provideMerge(
      ConfiguredAlerts.layer(options.alertLookMs).pipe(Layer.provide(CloudflareHttpClient.layer))
    ),
    Layer.provideMerge(erasureLoop),
    Layer.provideMerge(anchorLoop(options)),
    Layer.provideMerge(bundles),
    Layer.provideMerge(SpoolLoop.layer()),
    Layer.provideMerge(Layer.merge(CatalogedCustomers.layer, CatalogedPipelines.layer)),
    Layer.provideMerge(Catalog.saveLoop),
    Layer.provideMerge(Catalog.Catalog.layer),
    Layer.provideMerge(pipeline(options, cloudflare(options))),
    // The API shows the very breakers that the client asks.
    Layer.provideMerge(Layer.merge(RateBudget.layer, CircuitBreaker.layer))
  )
