/**
 * The API on the real ports with archived windows to hold and erase: PostgreSQL, file-system store, signer, sealer and
 * opener, under a clock that can be moved on and a store that can be made to fail or to lie.
 */
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { Opener } from "@rainlogs/core/archive/Opener"
import { Planner } from "@rainlogs/core/archive/Planner"
import { Sealer } from "@rainlogs/core/archive/Sealer"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { BundleFiles } from "@rainlogs/core/bundle/BundleFiles"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CloudflareZoneId, CustomerId, ZoneId } from "@rainlogs/core/domain/Identifier"
import { jobIdOf } from "@rainlogs/core/domain/LogJob"
import { Fsck } from "@rainlogs/core/ledger/Fsck"
import * as LedgerEvents from "@rainlogs/core/ledger/LedgerEvents"
import * as Publisher from "@rainlogs/core/ledger/Publisher"
import * as SignerLocal from "@rainlogs/core/ledger/SignerLocal"
import * as Lifecycle from "@rainlogs/core/lifecycle/Lifecycle"
import { Catalog } from "@rainlogs/core/recovery/Catalog"
import { Rebuild } from "@rainlogs/core/recovery/Rebuild"
import * as KmsLocal from "@rainlogs/core/secrets/KmsLocal"
import { ObjectStore, type StorageError } from "@rainlogs/core/storage/ObjectStore"
import * as ObjectStoreFileSystem from "@rainlogs/core/storage/ObjectStoreFileSystem"
import { publicKey } from "@rainlogs/verify/Ed25519"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import type { NoteSigner } from "@rainlogs/verify/Note"
import { makeVerifierKey, parseVerifierKey, printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { Clock, Context, Effect, Layer, Option, type Scope, Stream } from "effect"
import { randomBytes, randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as CustomerRecordsSql from "../../src/sql/CustomerRecordsSql.ts"
import { adminToken } from "../api/MemoryPorts.ts"
import { idleReceiver } from "../api/MemoryPorts.ts"
import { stores } from "../api/RealArchive.ts"
import * as Server from "../api/TestServer.ts"
import { TestServer } from "../api/TestServer.ts"
import * as JumpingClock from "../archive/JumpingClock.ts"
import * as TestDatabase from "../TestDatabase.ts"

/** A day in ms. */
export const day = 86_400_000

const hour = 3_600_000

type Calls = Pick<ObjectStore["Service"], "remove" | "head">

/** The directory of the archive, the clock, and what a test does to the store. */
export class World extends Context.Service<World, {
  readonly directory: string
  readonly clock: JumpingClock.JumpingClock
  /** Called instead of the store's own method, which it gets. */
  readonly store: {
    remove?: (key: string, real: Calls) => Effect.Effect<void, StorageError>
    beforePut?: (key: string) => Effect.Effect<void, StorageError>
  }
}>()("test/LifecycleWorld") {}

const faultyStore = Layer.effect(
  ObjectStore,
  Effect.gen(function*() {
    const { directory, store } = yield* World
    const real = yield* ObjectStoreFileSystem.make(join(directory, "archive"))
    return ObjectStore.of({
      ...real,
      putBytes: (key, bytes) => Effect.andThen(store.beforePut?.(key) ?? Effect.void, real.putBytes(key, bytes)),
      remove: (key) => store.remove?.(key, real) ?? real.remove(key)
    })
  })
)

const files = Layer.unwrap(Effect.map(World, ({ directory }) =>
  Layer.mergeAll(
    BundleFiles.layer(join(directory, "bundles")),
    SignerLocal.layer({ directory: join(directory, "signer") }),
    Sealer.layer({ spool: join(directory, "spool") })
  ))).pipe(
    Layer.provideMerge(
      Layer.unwrap(Effect.map(World, ({ directory }) => KmsLocal.layer({ file: join(directory, "master.key") })))
    )
  )

const ports = Planner.layer().pipe(
  Layer.provideMerge(Lifecycle.layer),
  Layer.provideMerge(Layer.mergeAll(Publisher.layer, LedgerEvents.layer, Opener.layer())),
  Layer.provideMerge(files),
  Layer.provideMerge(idleReceiver),
  Layer.provideMerge(Layer.merge(stores, faultyStore))
)

/** A clock at a fixed moment that can be moved on. */
export const makeClock = (): JumpingClock.JumpingClock => JumpingClock.make(Date.UTC(2026, 10, 20, 12))

/** The files of a world, its clock, and a store that does what it is told, for as long as the scope. */
export const makeWorld = (clock: JumpingClock.JumpingClock): Effect.Effect<World["Service"], never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => ({ directory: mkdtempSync(join(tmpdir(), "rainlogs-lifecycle-")), clock, store: {} })),
    ({ directory }) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )

/** All of it, and the API on a socket. */
export const Live = Layer.unwrap(Effect.sync(() => {
  const clock = makeClock()
  return Server.layer.pipe(
    Layer.provideMerge(ports),
    Layer.provideMerge(Layer.effect(World, makeWorld(clock))),
    Layer.provideMerge(Layer.merge(TestDatabase.layer, Layer.succeed(Clock.Clock, clock)))
  )
}))

/** The same on the files of a world and an empty database, with what rebuilds it: as after the database was lost. */
export const onEmptyDatabase = (world: World["Service"]) =>
  Layer.unwrap(Effect.map(
    Effect.promise(() => openDirectory(join(world.directory, "archive"))),
    (reader) => Layer.mergeAll(Server.layer, Rebuild.layer(reader), Fsck.layer)
  )).pipe(
    Layer.provideMerge(Catalog.layer),
    Layer.provideMerge(CustomerRecordsSql.layer),
    Layer.provideMerge(ports),
    Layer.provideMerge(Layer.succeed(World, world)),
    Layer.provideMerge(Layer.merge(Layer.fresh(TestDatabase.layer), Layer.succeed(Clock.Clock, world.clock)))
  )

/** An approver with a fixed key. */
export const approver = (name: string, seed: number): NoteSigner => {
  const bytes = new Uint8Array(32).fill(seed)
  return { key: makeVerifierKey(`approver.example.eu/${name}`, 1, publicKey(bytes)), seed: bytes }
}

/** An archived window: its job and its place in the zone's chain. */
export interface Archived {
  readonly job: string
  readonly key: string
  readonly dek: string
  readonly from: number
  readonly to: number
}

const line = Buffer.from(`{"ClientIP":"192.0.2.1","r":"${randomBytes(300).toString("base64")}"}\n`)

/** Creates a zone of the customer and archives `count` windows of an hour, the last of which ended ten days ago. */
export const archive = Effect.fnUntraced(function*(
  customer: { readonly id: string; readonly origin: string },
  count: number
) {
  const customers = yield* CustomerStore
  const windows = yield* WindowLedger
  const sealer = yield* Sealer
  const now = yield* Clock.currentTimeMillis
  const id = CustomerId.make(customer.id)
  const zone = ZoneId.make(randomUUID())
  const first = Math.floor((now - 10 * day) / hour) * hour - count * hour
  yield* customers.createZone(
    {
      id: zone,
      customer: id,
      name: "shop.example",
      cloudflareZone: CloudflareZoneId.make(randomBytes(16).toString("hex")),
      createdAt: now
    },
    { kek: "kek-1", bytes: new Uint8Array(40) },
    [{ name: "cloudflare/logpull/http_requests", startsAt: first, windowMs: hour }]
  )
  const [timeline] = yield* windows.timelinesOf(id, zone)
  if (timeline === undefined) return yield* Effect.die("the new zone has no timeline")
  const planned = Array.from({ length: count }, (_, index) => {
    return { from: first + index * hour, to: first + (index + 1) * hour }
  })
  yield* windows.plan(timeline, planned, now)
  const archived: Array<Archived> = []
  for (const window of planned) {
    const job = jobIdOf(Origin.make(customer.origin), zone, timeline.source.name, window)
    const leased = yield* windows.lease({ customer: id, job }, "worker", now, now + 60_000)
    if (Option.isNone(leased)) return yield* Effect.die("the job could not be leased")
    yield* Effect.scoped(Effect.gen(function*() {
      const sealed = yield* sealer.seal({
        origin: Origin.make(customer.origin),
        customer: id,
        chain: zone,
        job,
        window,
        params: null,
        fidelity: "complete",
        bytes: Stream.succeed(line)
      })
      yield* sealer.store(sealed)
      yield* windows.commit(leased.value, sealed.object, now)
      const { dek, key } = sealed.object
      if (key === null || dek === null) return yield* Effect.die("the window is empty or not encrypted")
      archived.push({ job, key, dek, ...window })
    }))
  }
  return { zone, archived }
})

/** What the archive's verifier says after everything was published. */
export const verdict = Effect.fnUntraced(
  function*(customer: { readonly id: string; readonly origin: string; readonly vkey: string }) {
    const { directory } = yield* World
    const publisher = yield* Publisher.Publisher
    yield* publisher.publish({ customer: CustomerId.make(customer.id), origin: Origin.make(customer.origin) })
    return yield* Effect.promise(async () =>
      verifyArchive(await openDirectory(join(directory, "archive")), { keys: [parseVerifierKey(customer.vkey)] })
    )
  }
)

/** A JSON request of a customer; the status and the body. */
export const call = Effect.fnUntraced(function*(key: string, method: string, path: string, body?: unknown) {
  const { request } = yield* TestServer
  const answer = yield* request(method, path, { key, ...(body === undefined ? {} : { body }) })
  return { status: answer.status, body: JSON.parse(answer.text) }
})

/** A customer with `count` archived windows whose policy names the approvers. */
export const customerWith = Effect.fnUntraced(function*(
  count: number,
  approvers: ReadonlyArray<NoteSigner>,
  quorum = approvers.length
) {
  const { request } = yield* TestServer
  const made = yield* request("POST", "/customers", { key: adminToken, body: { name: "Alice" } })
  const customer: { readonly id: string; readonly origin: string; readonly vkey: string; readonly apiKey: string } =
    JSON
      .parse(made.text)
  if (approvers.length > 0) {
    const draft = yield* call(customer.apiKey, "POST", "/api/v1/policy/drafts", {
      approvers: approvers.map(({ key }) => printVerifierKey(key)),
      eraseQuorum: quorum
    })
    const applied = yield* call(customer.apiKey, "POST", "/api/v1/policy", draft.body)
    if (applied.status !== 200) return yield* Effect.die(new Error(JSON.stringify(applied)))
  }
  return { ...customer, ...(yield* archive(customer, count)) }
})
