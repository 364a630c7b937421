/**
 * The real ports: PostgreSQL, file-system store, ledger, sealer and opener; and windows to put into them.
 */
import { assert } from "@effect/vitest"
import { AnchorLoop } from "@rainlogs/core/anchor/AnchorLoop"
import { JobQueue } from "@rainlogs/core/archive/JobQueue"
import { Opener } from "@rainlogs/core/archive/Opener"
import { Planner } from "@rainlogs/core/archive/Planner"
import { Sealer } from "@rainlogs/core/archive/Sealer"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { BundleFiles } from "@rainlogs/core/bundle/BundleFiles"
import { CollectionStrategies } from "@rainlogs/core/collect/CollectionStrategies"
import { CollectionStrategy } from "@rainlogs/core/collect/CollectionStrategy"
import { CustomerId, JobId } from "@rainlogs/core/domain/Identifier"
import * as LedgerEvents from "@rainlogs/core/ledger/LedgerEvents"
import * as Publisher from "@rainlogs/core/ledger/Publisher"
import * as SignerLocal from "@rainlogs/core/ledger/SignerLocal"
import * as Lifecycle from "@rainlogs/core/lifecycle/Lifecycle"
import { BatchSpool } from "@rainlogs/core/receiver/BatchSpool"
import { Senders } from "@rainlogs/core/receiver/Senders"
import { CircuitBreaker } from "@rainlogs/core/resilience/CircuitBreaker"
import { RateBudget } from "@rainlogs/core/resilience/RateBudget"
import { AdminToken } from "@rainlogs/core/secrets/AdminToken"
import { Kms } from "@rainlogs/core/secrets/Kms"
import * as KmsLocal from "@rainlogs/core/secrets/KmsLocal"
import * as ObjectStoreFileSystem from "@rainlogs/core/storage/ObjectStoreFileSystem"
import * as BundleStoreSql from "@rainlogs/server/sql/BundleStoreSql"
import * as CoverageSql from "@rainlogs/server/sql/CoverageSql"
import * as CustomerStoreSql from "@rainlogs/server/sql/CustomerStoreSql"
import * as ErasureStoreSql from "@rainlogs/server/sql/ErasureStoreSql"
import * as HoldStoreSql from "@rainlogs/server/sql/HoldStoreSql"
import * as LedgerStoreSql from "@rainlogs/server/sql/LedgerStoreSql"
import * as PipelineStoreSql from "@rainlogs/server/sql/PipelineStoreSql"
import * as PseudonymKeysSql from "@rainlogs/server/sql/PseudonymKeysSql"
import * as PushSourcesSql from "@rainlogs/server/sql/PushSourcesSql"
import * as QuotaStoreSql from "@rainlogs/server/sql/QuotaStoreSql"
import * as WindowLedgerSql from "@rainlogs/server/sql/WindowLedgerSql"
import { Context, Effect, Layer, Option, Redacted, type Stream } from "effect"
import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as TestDatabase from "../TestDatabase.ts"
import { cloudflareToken, cloudflareZone } from "./Fixtures.ts"
import { adminToken } from "./MemoryPorts.ts"
import * as Server from "./TestServer.ts"
import { newCustomer, TestServer } from "./TestServer.ts"

/** The directory of the files. */
export class Directory extends Context.Service<Directory, string>()("test/Directory") {
  static readonly layer = Layer.effect(
    Directory,
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "rainlogs-api-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
  )
}

const source = CollectionStrategies.layerOne.pipe(Layer.provideMerge(Layer.mock(CollectionStrategy, {
  limits: {
    source: "cloudflare/logpull/http_requests",
    settleMs: 300_000,
    horizonMs: 604_800_000,
    longestWindowMs: 3_600_000,
    shortestWindowMs: 60_000
  }
})))

const files = Layer.unwrap(Effect.map(Directory, (directory) =>
  Layer.mergeAll(
    BundleFiles.layer(join(directory, "bundles")),
    ObjectStoreFileSystem.layer(join(directory, "archive")),
    SignerLocal.layer({ directory: join(directory, "signer") })
  )))

const receiver = Layer.unwrap(
  Effect.map(Directory, (directory) =>
    Senders.layer({ directory: join(directory, "receiver") }).pipe(
      Layer.provideMerge(BatchSpool.layer({ directory: join(directory, "receiver") }))
    ))
)

const sealer = Layer.unwrap(Effect.map(Directory, (directory) => Sealer.layer({ spool: join(directory, "spool") })))

/** Stores on PostgreSQL, keys of a run, and what nobody looks at here. */
export const stores = Layer.mergeAll(
  BundleStoreSql.layer,
  CoverageSql.layer,
  CustomerStoreSql.layer,
  ErasureStoreSql.layer,
  HoldStoreSql.layer,
  LedgerStoreSql.layer,
  PushSourcesSql.layer,
  PipelineStoreSql.layer,
  QuotaStoreSql.layer,
  WindowLedgerSql.layer,
  source,
  JobQueue.layerMemory,
  Layer.mock(AnchorLoop, {
    status: Effect.succeed({ anchors: [], overdueLedgers: 0, trustedDebtMs: null }),
    gauges: Effect.void
  }),
  CircuitBreaker.layer,
  RateBudget.layer,
  PseudonymKeysSql.layer.pipe(
    Layer.provideMerge(Layer.sync(Kms, () => KmsLocal.make(Redacted.make(new Uint8Array(randomBytes(32))))))
  ),
  AdminToken.layer(Redacted.make(adminToken))
)

/** The ports without a server. */
export const Ports = Planner.layer().pipe(
  Layer.provideMerge(Lifecycle.layer),
  Layer.provideMerge(Layer.mergeAll(Publisher.layer, LedgerEvents.layer, Opener.layer(), sealer)),
  Layer.provideMerge(receiver),
  Layer.provideMerge(Layer.merge(stores, files)),
  Layer.provideMerge(Layer.merge(Directory.layer, TestDatabase.layer))
)

/** The API on them. */
export const Live = Server.layer.pipe(Layer.provideMerge(Ports))

/** A customer with a zone whose windows of the last two hours are planned; its jobs, newest first. */
export const newPulledZone = Effect.fnUntraced(function*() {
  const { request } = yield* TestServer
  const { id, key, origin } = yield* newCustomer("Alice")
  const created = yield* request("POST", "/api/v1/zones", {
    key,
    body: { name: "example.eu", cloudflareZoneId: cloudflareZone(1), token: cloudflareToken, backfillHours: 2 }
  })
  const zone: { id: string } = JSON.parse(created.text)
  const pulled = yield* request("POST", `/api/v1/zones/${zone.id}/pull`, { key })
  assert.strictEqual(pulled.status, 202)
  const { jobs }: { jobs: ReadonlyArray<string> } = JSON.parse(pulled.text)
  return { customer: CustomerId.make(id), origin, key, zone: zone.id, jobs: jobs.map((job) => JobId.make(job)) }
})

/** Leases a job and commits its window with the object that `make` makes. */
export const commit = Effect.fnUntraced(function*(
  customer: CustomerId,
  job: JobId,
  lines: Stream.Stream<Uint8Array>
) {
  const windows = yield* WindowLedger
  const sealer = yield* Sealer
  const now = Date.now()
  const leased = yield* windows.lease({ customer, job }, "worker", now, now + 60_000)
  if (Option.isNone(leased)) return yield* Effect.die("the job could not be leased")
  const { job: { window }, source: { origin, zone } } = leased.value
  return yield* Effect.scoped(Effect.gen(function*() {
    const sealed = yield* sealer.seal({
      origin,
      customer,
      chain: zone,
      job,
      window,
      params: null,
      fidelity: "complete",
      bytes: lines
    })
    yield* sealer.store(sealed)
    yield* windows.stored(leased.value, sealed.object, now)
    yield* windows.commit(leased.value, sealed.object, now)
    return sealed.object
  }))
})
