/**
 * In-memory implementations of the ports the API uses, and their state for a test to set and look at.
 */
import { AnchorLoop } from "@rainlogs/core/anchor/AnchorLoop"
import type { AnchorsStatus } from "@rainlogs/core/anchor/AnchorStatus"
import { CustomerStore, ZoneExists } from "@rainlogs/core/archive/CustomerStore"
import { JobQueue } from "@rainlogs/core/archive/JobQueue"
import { Opener } from "@rainlogs/core/archive/Opener"
import { OpenError } from "@rainlogs/core/archive/OpenError"
import { Planner } from "@rainlogs/core/archive/Planner"
import { DatabaseError, type JobView, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { BundleFiles } from "@rainlogs/core/bundle/BundleFiles"
import { BundleStore } from "@rainlogs/core/bundle/BundleStore"
import * as CollectionStrategies from "@rainlogs/core/collect/CollectionStrategies"
import { CoverageStore } from "@rainlogs/core/coverage/CoverageStore"
import type { Customer } from "@rainlogs/core/domain/Customer"
import type { CustomerId, JobId, ZoneId } from "@rainlogs/core/domain/Identifier"
import { SourceId } from "@rainlogs/core/domain/Identifier"
import { active, type Source } from "@rainlogs/core/domain/Source"
import { statusOf, type Zone } from "@rainlogs/core/domain/Zone"
import { LedgerEvents } from "@rainlogs/core/ledger/LedgerEvents"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { PolicyChanges } from "@rainlogs/core/ledger/PolicyChanges"
import { type LedgerStatus, Publisher } from "@rainlogs/core/ledger/Publisher"
import { Signer } from "@rainlogs/core/ledger/Signer"
import { Erasures } from "@rainlogs/core/lifecycle/Erasures"
import { ErasureStore } from "@rainlogs/core/lifecycle/ErasureStore"
import { HoldStore } from "@rainlogs/core/lifecycle/HoldStore"
import { LegalHolds } from "@rainlogs/core/lifecycle/LegalHolds"
import { Retention } from "@rainlogs/core/lifecycle/Retention"
import { PipelineStore } from "@rainlogs/core/pipeline/PipelineStore"
import { PseudonymKeys } from "@rainlogs/core/pipeline/PseudonymKeys"
import { QuotaStore } from "@rainlogs/core/quota/Quota"
import { BatchSpool } from "@rainlogs/core/receiver/BatchSpool"
import { PushSources } from "@rainlogs/core/receiver/PushSources"
import { Senders } from "@rainlogs/core/receiver/Senders"
import { CircuitBreaker } from "@rainlogs/core/resilience/CircuitBreaker"
import { RateBudget } from "@rainlogs/core/resilience/RateBudget"
import { AdminToken } from "@rainlogs/core/secrets/AdminToken"
import { Kms, type Wrapped } from "@rainlogs/core/secrets/Kms"
import * as KmsLocal from "@rainlogs/core/secrets/KmsLocal"
import { ObjectStore } from "@rainlogs/core/storage/ObjectStore"
import { Context, Effect, Layer, Option, Redacted, Stream } from "effect"
import { randomBytes, randomUUID } from "node:crypto"

/** What the ports hold. */
export class MemoryState extends Context.Service<MemoryState, {
  readonly customers: Map<CustomerId, Customer>
  readonly keys: Map<string, { readonly customer: CustomerId; readonly sha256: string }>
  readonly zones: Map<ZoneId, { zone: Zone; readonly token: Wrapped; readonly source: Source }>
  readonly jobs: Map<JobId, JobView>
  /** What `Opener` yields for a job; a chunk that is an error fails the stream there. */
  readonly lines: Map<JobId, ReadonlyArray<Uint8Array | OpenError>>
  /** Objects opened and not yet closed. */
  readonly handles: { open: number; everOpened: number }
  readonly opened: Array<string>
  /** Set to make the database fail or hang. */
  database: "up" | "down" | "hangs"
  /** Bytes pulled from objects. */
  pulled: number
  /** Start of every source's oldest window that is not archived, Unix ms. */
  oldestUncommitted: number | null
  /** How far every ledger is published. */
  publication: LedgerStatus
  anchoring: AnchorsStatus
}>()("test/MemoryState") {
  static readonly layer = Layer.sync(MemoryState, (): typeof MemoryState.Service => ({
    customers: new Map(),
    keys: new Map(),
    zones: new Map(),
    jobs: new Map(),
    lines: new Map(),
    handles: { open: 0, everOpened: 0 },
    opened: [],
    database: "up",
    pulled: 0,
    oldestUncommitted: null,
    publication: { publishedSize: 2, sqlSize: 2, halted: null, lagMs: 0 },
    anchoring: { anchors: [], overdueLedgers: 0, trustedDebtMs: null }
  }))
}

type State = typeof MemoryState.Service

const query = <A>(state: State, operation: string, work: () => A): Effect.Effect<A, DatabaseError> =>
  Effect.suspend(() => {
    if (state.database === "hangs") return Effect.never
    if (state.database === "down") return Effect.fail(new DatabaseError({ operation, detail: "connection refused" }))
    // One turn of the event loop, so that concurrent requests interleave.
    return Effect.andThen(Effect.yieldNow, Effect.sync(work))
  })

const customerStore = Layer.effect(
  CustomerStore,
  Effect.gen(function*() {
    const state = yield* MemoryState
    return CustomerStore.of({
      create: (customer, apiKey) =>
        query(state, "create", () => {
          state.customers.set(customer.id, customer)
          state.keys.set(apiKey.prefix, { customer: customer.id, sha256: apiKey.sha256 })
        }),
      authenticate: (prefix) =>
        query(state, "authenticate", () =>
          Option.map(Option.fromNullishOr(state.keys.get(prefix)), (found) => ({
            customer: state.customers.get(found.customer)!,
            sha256: found.sha256
          }))),
      customer: (id) => query(state, "customer", () => Option.fromNullishOr(state.customers.get(id))),
      createZone: (zone, token, [source]) =>
        Effect.flatten(query(state, "createZone", () => {
          const taken = [...state.zones.values()].some(({ zone: other }) =>
            other.customer === zone.customer && other.cloudflareZone === zone.cloudflareZone
          )
          if (taken) return Effect.fail(new ZoneExists({ cloudflareZone: zone.cloudflareZone }))
          if (source === undefined) return Effect.die("a zone without a source")
          state.zones.set(zone.id, {
            zone: { ...zone, status: statusOf([active]) },
            token,
            source: {
              id: SourceId.make(randomUUID()),
              customer: zone.customer,
              origin: state.customers.get(zone.customer)!.origin,
              zone: zone.id,
              name: source.name,
              status: active,
              startsAt: source.startsAt,
              windowMs: source.windowMs
            }
          })
          return Effect.void
        })),
      zones: (customer) =>
        query(
          state,
          "zones",
          () => [...state.zones.values()].flatMap(({ zone }) => zone.customer === customer ? [zone] : [])
        ),
      zone: (customer, id) =>
        query(
          state,
          "zone",
          () => Option.filter(Option.fromNullishOr(state.zones.get(id)), ({ zone }) => zone.customer === customer)
        ),
      addSource: () => Effect.die("not used"),
      checked: () => Effect.die("not used"),
      block: () => Effect.die("not used"),
      unblock: () => Effect.die("not used"),
      blocked: query(
        state,
        "blocked",
        () =>
          [...state.zones.values()].flatMap(({ source, zone }) =>
            zone.status.state === "blocked" ? [{ customer: zone.customer, zone: zone.id, source: source.id }] : []
          )
      )
    })
  })
)

const windowLedger = Layer.unwrap(Effect.gen(function*() {
  const state = yield* MemoryState
  return Layer.mock(WindowLedger, {
    timelines: query(
      state,
      "timelines",
      () =>
        [...state.zones.values()].flatMap(({ source, zone }) =>
          zone.status.state === "active" ? [{ source, plannedTo: source.startsAt }] : []
        )
    ),
    jobs: (customer, zone, page) =>
      query(state, "jobs", () =>
        [...state.jobs.values()]
          .filter(({ job }) =>
            job.customer === customer && job.zone === zone && (page.before === null || job.window.from < page.before)
          )
          .sort((left, right) => right.job.window.from - left.job.window.from)
          .slice(0, page.limit)),
    job: (customer, id) =>
      query(
        state,
        "job",
        () => Option.filter(Option.fromNullishOr(state.jobs.get(id)), ({ job }) => job.customer === customer)
      ),
    progress: (customer) =>
      query(
        state,
        "progress",
        () =>
          [...state.zones.values()].flatMap(({ source }) =>
            customer === null || source.customer === customer
              ? [{
                source,
                plannedTo: source.startsAt,
                windows: { planned: 0, leased: 0, stored: 0, committed: 0, gap: 0, split: 0 },
                records: 0,
                plainBytes: 0,
                storedBytes: 0,
                oldestUncommitted: state.oldestUncommitted
              }]
              : []
          )
      )
  })
}))

const planner = Layer.unwrap(Effect.gen(function*() {
  const state = yield* MemoryState
  return Layer.mock(Planner, {
    pullNow: (customer, zone) =>
      query(
        state,
        "pullNow",
        () =>
          [...state.jobs.values()].flatMap(({ job }) =>
            job.customer === customer && job.zone === zone && job.state === "planned" ? [job.id] : []
          )
      )
  })
}))

const opener = Layer.unwrap(Effect.gen(function*() {
  const state = yield* MemoryState
  return Layer.mock(Opener, {
    open: ({ job }) =>
      Stream.unwrap(Effect.gen(function*() {
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            state.handles.open++
            state.handles.everOpened++
          }),
          () => Effect.sync(() => state.handles.open--)
        )
        return Stream.fromIterable(state.lines.get(job) ?? []).pipe(
          Stream.rechunk(1),
          Stream.mapEffect((chunk) => {
            if (chunk instanceof OpenError) return Effect.fail(chunk)
            state.pulled += chunk.length
            return Effect.succeed(chunk)
          })
        )
      }))
  })
}))

const signer = Layer.mock(Signer, {
  keys: (origin) => Effect.succeed({ log: `${origin}+0badc0de+AQ==`, clock: `${origin}/clock+0badc0de+BA==` })
})

const ledgerEvents = Layer.unwrap(Effect.gen(function*() {
  const state = yield* MemoryState
  return Layer.mock(LedgerEvents, {
    open: (ledger) => Effect.sync(() => void state.opened.push(ledger.origin))
  })
}))

const ledgerStore = Layer.unwrap(Effect.gen(function*() {
  const state = yield* MemoryState
  return Layer.mock(LedgerStore, {
    ledgers: query(
      state,
      "ledgers",
      () => [...state.customers.values()].map(({ id, origin }) => ({ customer: id, origin }))
    )
  })
}))

const publisher = Layer.unwrap(Effect.gen(function*() {
  const state = yield* MemoryState
  return Layer.mock(Publisher, { status: () => Effect.sync(() => state.publication) })
}))

const anchorLoop = Layer.effect(
  AnchorLoop,
  Effect.map(MemoryState, (state) => AnchorLoop.of({ status: Effect.sync(() => state.anchoring), gauges: Effect.void }))
)

const bundleStore = Layer.unwrap(Effect.map(MemoryState, (state) =>
  Layer.mock(BundleStore, {
    bundle: () => Effect.succeed(Option.none()),
    bundles: () => Effect.succeed([]),
    remove: () => Effect.succeed(false),
    open: query(state, "open", () => ({ requested: 2, running: 1, oldest: state.oldestUncommitted }))
  })))

/** The operator's token of these tests. */
export const adminToken = "operator-token-of-the-tests-0123456789"

/** A receiver to which nobody sends. */
export const idleReceiver = Layer.mergeAll(
  Layer.mock(BatchSpool, { identity: "" }),
  Layer.mock(Senders, { admit: () => undefined, knows: () => false, all: () => [] })
)

/** All ports and their state. */
export const layer = Layer.mergeAll(
  customerStore,
  windowLedger,
  planner,
  opener,
  Layer.sync(Kms, () => KmsLocal.make(Redacted.make(randomBytes(32)))),
  signer,
  ledgerEvents,
  ledgerStore,
  publisher,
  anchorLoop,
  Layer.mock(CoverageStore, {}),
  Layer.mock(PushSources, {}),
  idleReceiver,
  Layer.mock(PipelineStore, {}),
  Layer.mock(PseudonymKeys, {}),
  Layer.mock(QuotaStore, { paused: () => Effect.succeed([]) }),
  Layer.succeed(CollectionStrategies.CollectionStrategies, CollectionStrategies.of([])),
  Layer.mock(ErasureStore, {}),
  Layer.mock(Erasures, {}),
  Layer.mock(HoldStore, {}),
  Layer.mock(LegalHolds, {}),
  Layer.mock(PolicyChanges, {}),
  Layer.mock(Retention, {}),
  // Asked only where ledgers are public; a test of that brings its own.
  Layer.mock(ObjectStore, {}),
  bundleStore,
  Layer.mock(BundleFiles, {}),
  JobQueue.layerMemory,
  CircuitBreaker.layer,
  RateBudget.layer,
  AdminToken.layer(Redacted.make(adminToken))
).pipe(Layer.provideMerge(MemoryState.layer))
