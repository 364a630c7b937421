/**
 * What the SQL suites share: the adapters on a database of their own, and customers, zones and objects to fill it with.
 */
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { type LeasedJob, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { type Customer, makeOrigin } from "@rainlogs/core/domain/Customer"
import { CloudflareZoneId, CustomerId, type JobId, Sha256Hex, ZoneId } from "@rainlogs/core/domain/Identifier"
import { eventJobIdOf, jobIdOf } from "@rainlogs/core/domain/LogJob"
import type { LogObject } from "@rainlogs/core/domain/LogObject"
import type { Source } from "@rainlogs/core/domain/Source"
import type { Window } from "@rainlogs/core/domain/Window"
import { type EventDraft, keyOfObject } from "@rainlogs/core/ledger/EntryDraft"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { parseEntry } from "@rainlogs/verify/Entry"
import { Effect, Layer, Option, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { createHash, randomBytes, randomUUID } from "node:crypto"
import { withCustomer } from "../../src/database/Tenant.ts"
import * as BundleStoreSql from "../../src/sql/BundleStoreSql.ts"
import * as CustomerStoreSql from "../../src/sql/CustomerStoreSql.ts"
import * as LedgerStoreSql from "../../src/sql/LedgerStoreSql.ts"
import * as WindowLedgerSql from "../../src/sql/WindowLedgerSql.ts"
import * as TestDatabase from "../TestDatabase.ts"

/** The adapters on an empty database. */
export const Live = Layer.mergeAll(
  BundleStoreSql.layer,
  CustomerStoreSql.layer,
  LedgerStoreSql.layer,
  WindowLedgerSql.layer
).pipe(
  Layer.provideMerge(TestDatabase.layer)
)

/** Options of the suites: sockets and timers are real. */
export const live = { excludeTestServices: true, timeout: "120 seconds" } as const

/** 2026-01-01T00:00:00Z: where timelines start. */
export const start = 1_767_225_600_000

/** Five minutes in ms. */
export const step = 300_000

/** The window of `length` steps that starts `index` steps after {@link start}. */
export const windowAt = (index: number, length = 1): Window => ({
  from: start + index * step,
  to: start + (index + length) * step
})

/** SHA-256 (hex) of a text. */
export const digest = (text: string): Sha256Hex => Sha256Hex.make(createHash("sha256").update(text).digest("hex"))

/** A new customer in the database. */
export const makeCustomer = Effect.gen(function*() {
  const id = CustomerId.make(randomUUID())
  const customer: Customer = {
    id,
    name: "Example GmbH",
    origin: makeOrigin("archive.example.eu", id),
    createdAt: start
  }
  yield* (yield* CustomerStore).create(customer, {
    prefix: `rl_${randomBytes(6).toString("hex")}`,
    sha256: digest(customer.id)
  })
  return customer
})

/** A new zone of a customer, with the source whose timeline starts at {@link start}. */
export const makeSource = Effect.fnUntraced(function*(customer: Customer) {
  const zone = ZoneId.make(randomUUID())
  yield* (yield* CustomerStore).createZone(
    {
      id: zone,
      customer: customer.id,
      name: "shop.example.com",
      cloudflareZone: CloudflareZoneId.make(randomBytes(16).toString("hex")),
      createdAt: start
    },
    { kek: "kek-1", bytes: new Uint8Array(40) },
    [{ name: "cloudflare/logpull/http_requests", startsAt: start, windowMs: step }]
  )
  const [timeline] = yield* (yield* WindowLedger).timelinesOf(customer.id, zone)
  if (timeline === undefined) return yield* Effect.die("the new zone has no timeline")
  return timeline.source
})

/** A customer with one source. */
export const makeOne = Effect.gen(function*() {
  const customer = yield* makeCustomer
  const source = yield* makeSource(customer)
  return { customer, source }
})

/** Plans windows from the end of the timeline on. */
export const plan = Effect.fnUntraced(function*(source: Source, windows: ReadonlyArray<Window>, now = start) {
  const ledger = yield* WindowLedger
  const [timeline] = yield* ledger.timelinesOf(source.customer, source.zone)
  if (timeline === undefined) return yield* Effect.die("no timeline")
  yield* ledger.plan(timeline, windows, now)
})

/** A leased job, or death. */
export const leaseOrDie = Effect.fnUntraced(
  function*(customer: CustomerId, job: JobId, now: number, until = now + 60_000) {
    const leased = yield* (yield* WindowLedger).lease({ customer, job }, "worker", now, until)
    return yield* Option.match(leased, {
      onNone: () => Effect.die(`job ${job} could not be leased`),
      onSome: Effect.succeed
    })
  }
)

/** An object as the sealer would make it for a leased job; `content` makes it another one. */
export const objectFor = ({ job, source }: Pick<LeasedJob, "job" | "source">, content = "content"): LogObject => {
  const sha256 = digest(`${job.id} ${content}`)
  return {
    key: keyOfObject({ chain: source.zone, job: job.id, window: job.window }, sha256, "zstd"),
    sha256,
    size: 118,
    codec: "zstd",
    encryption: "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM",
    dek: `dek-${job.id}`,
    records: 2,
    plainSize: 300,
    fidelity: "complete",
    params: digest("parameters"),
    recordsRoot: digest("records")
  }
}

/** An event draft with the document `text`. */
export const eventFor = (origin: string, text: string, kind: EventDraft["kind"] = "policy"): EventDraft => {
  const sha256 = digest(text)
  return {
    kind,
    chain: "control",
    job: eventJobIdOf(origin, sha256),
    document: { sha256, size: text.length }
  }
}

/** One tile with the state of its job. */
export interface Tile {
  readonly from: number
  readonly to: number
  readonly job: string
  readonly state: string
}

/** The tiles of a source in order, straight from the tables. */
export const readTiles = Effect.fnUntraced(function*(source: Source) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ from: bigint; to: bigint; job: string; state: string }>`
    SELECT w.from_ms AS "from", w.to_ms AS "to", w.job_id AS job, j.state
    FROM windows w JOIN log_jobs j ON j.customer_id = w.customer_id AND j.id = w.job_id
    WHERE w.source_id = ${source.id} ORDER BY w.from_ms`.pipe(withCustomer(source.customer))
  return rows.map(({ from, job, state, to }): Tile => ({ from: Number(from), to: Number(to), job, state }))
})

/** `[from step, to step, state]` of each tile: short enough to write down in a test. */
export const shape = (tiles: ReadonlyArray<Tile>) =>
  tiles.map(({ from, state, to }) => [(from - start) / step, (to - start) / step, state] as const)

/** The id of the window's job. */
export const jobAt = (source: Source, index: number, length = 1) =>
  jobIdOf(source.origin, source.zone, source.name, windowAt(index, length))

/** `count` windows of one step each, from number `from` on. */
export const windows = (count: number, from = 0) => Array.from({ length: count }, (_, i) => windowAt(from + i))

/** A gap from one step to another. */
export const gapAt = (source: Source, from: number, to: number, text = `gap ${from} ${to}`) => ({
  source,
  range: { from: start + from * step, to: start + to * step },
  reason: "expired" as const,
  detected: start + 1000,
  document: { sha256: digest(text), size: text.length }
})

/** The ledger's entries, parsed. */
export const entriesOf = Effect.fnUntraced(function*({ customer, origin }: Source) {
  const store = yield* LedgerStore
  const rows = yield* Stream.runCollect(store.rows({ customer, origin }, 0, Number.MAX_SAFE_INTEGER))
  return rows.map((row) => parseEntry(row.entry))
})

/** The state of a job, if there is one. */
export const stateOf = Effect.fnUntraced(function*(source: Source, job: JobId) {
  const view = yield* (yield* WindowLedger).job(source.customer, job)
  return Option.map(view, ({ job }) => job.state)
})
