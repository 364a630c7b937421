/**
 * Adapter: customers' rows out of PostgreSQL and back into it. What goes back passes every constraint and every
 * transition that it passed the first time.
 */
import { DatabaseError } from "@rainlogs/core/archive/WindowLedger"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CloudflareZoneId, type CustomerId, Sha256Hex, SourceId, ZoneId } from "@rainlogs/core/domain/Identifier"
import { SourceName } from "@rainlogs/core/domain/Source"
import type { Window } from "@rainlogs/core/domain/Window"
import { BlockReason } from "@rainlogs/core/domain/Zone"
import type { CustomerRecord } from "@rainlogs/core/recovery/CustomerRecord"
import { CustomerRecords, type RestoredEntry } from "@rainlogs/core/recovery/CustomerRecords"
import type { ObjectEntry } from "@rainlogs/verify/Entry"
import * as Hex from "@rainlogs/verify/Hex"
import { leafHash } from "@rainlogs/verify/Merkle"
import { sha256 } from "@rainlogs/verify/node/NativeSha256"
import { Array as Arr, Effect, Layer, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { inCustomer } from "./CustomerTransaction.ts"
import { restoreLifecycle } from "./RestoreLifecycle.ts"
import { decodeRows, SafeInteger } from "./Row.ts"
import { insertPlanned } from "./Timeline.ts"

/** Entries that are written at once. */
const pageSize = 500

const CustomerRow = Schema.Struct({ name: Schema.NonEmptyString, origin: Origin, createdAt: SafeInteger })
const KeyRow = Schema.Struct({
  prefix: Schema.NonEmptyString,
  sha256: Sha256Hex,
  createdAt: SafeInteger,
  revokedAt: Schema.NullOr(SafeInteger)
})
const ZoneRow = Schema.Struct({
  id: ZoneId,
  name: Schema.NonEmptyString,
  cloudflareZone: CloudflareZoneId,
  reason: Schema.NullOr(BlockReason),
  since: Schema.NullOr(SafeInteger),
  remedy: Schema.NullOr(Schema.String),
  token: Schema.Uint8Array,
  kek: Schema.NonEmptyString,
  createdAt: SafeInteger
})
const SourceRow = Schema.Struct({
  id: SourceId,
  zone: ZoneId,
  name: SourceName,
  startsAt: SafeInteger,
  windowMs: SafeInteger
})
const HoleRow = Schema.Struct({ from: SafeInteger, to: SafeInteger })

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const read = (customer: CustomerId) =>
    Effect.gen(function*() {
      const [row] = yield* decodeRows(CustomerRow)(
        sql`SELECT name, origin, created_ms AS "createdAt" FROM customers WHERE id = ${customer}`
      )
      if (row === undefined) {
        return yield* new DatabaseError({
          operation: "CustomerRecords.read",
          detail: `rejected: no customer ${customer}`
        })
      }
      const apiKeys = yield* decodeRows(KeyRow)(sql`
        SELECT prefix, encode(sha256, 'hex') AS sha256, created_ms AS "createdAt", revoked_ms AS "revokedAt"
        FROM api_keys WHERE customer_id = ${customer} ORDER BY prefix`)
      const zones = yield* decodeRows(ZoneRow)(sql`
        SELECT id, name, cloudflare_zone AS "cloudflareZone", block_reason AS reason, block_since_ms AS since,
          block_remedy AS remedy, token_sealed AS token, token_kek AS kek, created_ms AS "createdAt"
        FROM zones WHERE customer_id = ${customer} ORDER BY id`)
      const sources = yield* decodeRows(SourceRow)(sql`
        SELECT id, zone_id AS zone, name, starts_at_ms AS "startsAt", window_ms AS "windowMs"
        FROM sources WHERE customer_id = ${customer} ORDER BY id`)
      const record: CustomerRecord = {
        id: customer,
        ...row,
        apiKeys,
        zones: zones.map(({ kek, reason, remedy, since, token, ...zone }) => ({
          ...zone,
          status: reason === null || since === null || remedy === null
            ? { state: "active" }
            : { state: "blocked", reason, since, remedy },
          token: { kek, sealed: Buffer.from(token).toString("base64") },
          sources: sources.filter((source) => source.zone === zone.id).map(({ id, name, startsAt, windowMs }) => {
            return { id, name, startsAt, windowMs }
          })
        }))
      }
      return record
    }).pipe(inCustomer(sql, "CustomerRecords.read", customer))

  const insertRecord = Effect.fnUntraced(function*({ apiKeys, createdAt, id, name, origin, zones }: CustomerRecord) {
    yield* sql`INSERT INTO customers ${sql.insert({ id, name, origin, created_ms: createdAt })}`
    for (const key of apiKeys) {
      yield* sql`INSERT INTO api_keys ${
        sql.insert({
          customer_id: id,
          prefix: key.prefix,
          sha256: Hex.decode(key.sha256, 32),
          created_ms: key.createdAt,
          revoked_ms: key.revokedAt
        })
      }`
    }
    for (const zone of zones) {
      const blocked = zone.status.state === "blocked" ? zone.status : null
      yield* sql`INSERT INTO zones ${
        sql.insert({
          customer_id: id,
          id: zone.id,
          name: zone.name,
          cloudflare_zone: zone.cloudflareZone,
          status: zone.status.state,
          block_reason: blocked?.reason ?? null,
          block_since_ms: blocked?.since ?? null,
          block_remedy: blocked?.remedy ?? null,
          token_sealed: new Uint8Array(Buffer.from(zone.token.sealed, "base64")),
          token_kek: zone.token.kek,
          created_ms: zone.createdAt
        })
      }`
      for (const source of zone.sources) {
        yield* sql`INSERT INTO sources ${
          sql.insert({
            customer_id: id,
            id: source.id,
            zone_id: zone.id,
            name: source.name,
            starts_at_ms: source.startsAt,
            window_ms: source.windowMs
          })
        }`
      }
    }
  })

  const restore = Effect.fnUntraced(function*<E, R>(
    record: CustomerRecord,
    entries: Stream.Stream<RestoredEntry, E, R>,
    now: number
  ) {
    const context = yield* Effect.context<R>()
    const customer = record.id
    const sources = record.zones.flatMap((zone) =>
      zone.sources.map((source) => ({ ...source, zone: zone.id, customer, origin: record.origin }))
    )
    const sourceOf = (chain: string, name: string) => {
      const source = sources.find((candidate) => candidate.zone === chain && candidate.name === name)
      return source === undefined
        ? Effect.fail(
          new DatabaseError({
            operation: "CustomerRecords.restore",
            detail: `rejected: the catalog has no source ${name} of zone ${chain}, which the ledger has entries of`
          })
        )
        : Effect.succeed(source)
    }

    const insertEntries = (page: Arr.NonEmptyReadonlyArray<RestoredEntry>) =>
      sql`INSERT INTO ledger_entries ${
        sql.insert(Arr.map(page, ({ bytes, entry, leaf }) => ({
          customer_id: customer,
          leaf_index: leaf,
          origin: entry.origin,
          chain: entry.chain,
          seq: entry.seq,
          kind: entry.kind,
          job_id: entry.job,
          prev: Hex.decode(entry.prev, 32),
          object: Hex.decode(entry.object, 32),
          hash: Hex.decode(entry.hash, 32),
          size: entry.size,
          time_ms: entry.time,
          entry: bytes,
          leaf_hash: leafHash(bytes, sha256)
        })))
      }`

    const insertTile = (source: (typeof sources)[number], job: string, window: Window) =>
      sql`INSERT INTO windows ${
        sql.insert({
          customer_id: customer,
          source_id: source.id,
          from_ms: window.from,
          to_ms: window.to,
          job_id: job,
          follows: window.from === source.startsAt ? null : window.from
        })
      }`

    // The states a window goes through, as the worker took it.
    const insertWindow = Effect.fnUntraced(function*(entry: ObjectEntry) {
      const source = yield* sourceOf(entry.chain, entry.source)
      const { from, to } = entry.window
      yield* sql`INSERT INTO log_jobs ${
        sql.insert({
          customer_id: customer,
          id: entry.job,
          zone_id: source.zone,
          source_id: source.id,
          from_ms: from,
          to_ms: to,
          state: "planned",
          created_ms: entry.time,
          updated_ms: entry.time
        })
      }`
      yield* insertTile(source, entry.job, entry.window)
      yield* sql`
        UPDATE log_jobs SET state = 'leased', fence = fence + 1, attempts = attempts + 1, lease_owner = 'rebuild',
          lease_until_ms = ${entry.time}, updated_ms = ${entry.time}
        WHERE customer_id = ${customer} AND id = ${entry.job}`
      yield* sql`
        UPDATE log_jobs SET state = 'committed', lease_owner = NULL, lease_until_ms = NULL, ${
        sql.update({
          object_key: entry.key,
          object_sha256: Hex.decode(entry.object, 32),
          object_size: entry.size,
          codec: entry.codec,
          encryption: entry.encryption,
          dek: entry.dek,
          records: entry.records,
          plain_size: entry.plainSize,
          fidelity: entry.fidelity,
          params_sha256: entry.params === null ? null : Hex.decode(entry.params, 32),
          records_root: entry.recordsRoot === null ? null : Hex.decode(entry.recordsRoot, 32)
        })
      } WHERE customer_id = ${customer} AND id = ${entry.job}`
    })

    const insertGap = Effect.fnUntraced(function*({ entry, gap }: RestoredEntry) {
      if (gap === null) return
      const source = yield* sourceOf(gap.chain, gap.source)
      yield* sql`INSERT INTO log_jobs ${
        sql.insert({
          customer_id: customer,
          id: entry.job,
          zone_id: source.zone,
          source_id: source.id,
          from_ms: gap.from,
          to_ms: gap.to,
          state: "gap",
          gap_reason: gap.reason,
          gap_detected_ms: gap.detected,
          gap_document_sha256: Hex.decode(entry.object, 32),
          created_ms: entry.time,
          updated_ms: entry.time
        })
      }`
      yield* insertTile(source, entry.job, gap)
    })

    // Windows that were planned and not collected have no entry: they are planned again.
    const fillHoles = Effect.fnUntraced(function*(source: (typeof sources)[number]) {
      const holes = yield* decodeRows(HoleRow)(sql`
        SELECT from_ms AS "from", to_ms AS "to" FROM (
          SELECT coalesce(lag(to_ms::bigint) OVER (ORDER BY from_ms), ${source.startsAt}::bigint) AS from_ms,
            from_ms::bigint AS to_ms
          FROM windows WHERE customer_id = ${customer} AND source_id = ${source.id}
        ) tiles WHERE from_ms < to_ms`)
      for (const { from, to } of holes) {
        const windows: Array<Window> = []
        for (let at = from; at < to; at += source.windowMs) {
          windows.push({ from: at, to: Math.min(to, at + source.windowMs) })
        }
        yield* insertPlanned(sql, source, source.startsAt, windows, now)
      }
    })

    const addPage = Effect.fnUntraced(function*(page: Arr.NonEmptyReadonlyArray<RestoredEntry>) {
      yield* insertEntries(page)
      for (const item of page) {
        if (item.entry.kind === "object") yield* insertWindow(item.entry)
        else if (item.lifecycle !== null) yield* restoreLifecycle(sql, customer, item.entry, item.lifecycle)
        else yield* insertGap(item)
      }
    })

    yield* Effect.gen(function*() {
      yield* insertRecord(record)
      yield* entries.pipe(Stream.grouped(pageSize), Stream.runForEach(addPage))
      yield* Effect.forEach(sources, fillHoles, { discard: true })
    }).pipe(Effect.provideContext(context), inCustomer(sql, "CustomerRecords.restore", customer))
  })

  return CustomerRecords.of({ read, restore })
})

/** The adapter on the `SqlClient`. */
export const layer: Layer.Layer<CustomerRecords, never, SqlClient.SqlClient> = Layer.effect(CustomerRecords, make)
