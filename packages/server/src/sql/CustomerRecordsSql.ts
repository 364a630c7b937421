/**
 * Adapter: customers' rows out of PostgreSQL and back into it. What goes back passes every constraint and every
 * transition that it passed the first time.
 */
import { DatabaseError } from "@rainlogs/core/archive/WindowLedger"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CloudflareZoneId, CustomerId, Sha256Hex, SourceId, ZoneId } from "@rainlogs/core/domain/Identifier"
import { active, BlockReason, SourceName } from "@rainlogs/core/domain/Source"
import { unlimited } from "@rainlogs/core/quota/Quota"
import type { CustomerRecord } from "@rainlogs/core/recovery/CustomerRecord"
import { CustomerRecords, type RestoredEntry } from "@rainlogs/core/recovery/CustomerRecords"
import * as Hex from "@rainlogs/verify/Hex"
import { Effect, Layer, Schema, type Stream } from "effect"
import { SqlClient } from "effect/sql"
import { failAs, inCustomer } from "./CustomerTransaction.ts"
import { restoreEntries } from "./RestoredEntriesSql.ts"
import { decodeRows, SafeInteger, sourceStatusColumns, sourceStatusOf } from "./Row.ts"

const CustomerRow = Schema.Struct({
  name: Schema.NonEmptyString,
  origin: Origin,
  createdAt: SafeInteger,
  dayLimit: Schema.NullOr(SafeInteger),
  storedLimit: Schema.NullOr(SafeInteger)
})
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
  token: Schema.Uint8Array,
  kek: Schema.NonEmptyString,
  createdAt: SafeInteger
})
const SourceRow = Schema.Struct({
  id: SourceId,
  zone: ZoneId,
  name: SourceName,
  startsAt: SafeInteger,
  windowMs: SafeInteger,
  blockReason: Schema.NullOr(BlockReason),
  blockSince: Schema.NullOr(SafeInteger),
  blockRemedy: Schema.NullOr(Schema.String)
})

const PipelineRow = Schema.Struct({
  source: SourceId,
  version: Schema.Int,
  document: Schema.NullOr(Schema.String),
  setAt: SafeInteger
})
const PseudonymKeyRow = Schema.Struct({
  period: Schema.NonEmptyString,
  sealed: Schema.NullOr(Schema.Uint8Array),
  kek: Schema.NullOr(Schema.NonEmptyString),
  createdAt: SafeInteger,
  destroyedAt: Schema.NullOr(SafeInteger)
})

const ChangesRow = Schema.Struct({ changes: SafeInteger })

/** How long a record waits for another process that keeps it, ms. */
const lockTimeout = 30_000

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const read = (customer: CustomerId) =>
    Effect.gen(function*() {
      const [row] = yield* decodeRows(CustomerRow)(
        sql`SELECT name, origin, created_ms AS "createdAt", quota_day_bytes AS "dayLimit",
          quota_stored_bytes AS "storedLimit" FROM customers WHERE id = ${customer}`
      )
      if (row === undefined) {
        return yield* new DatabaseError({
          operation: "CustomerRecords.keep",
          detail: `rejected: no customer ${customer}`
        })
      }
      const apiKeys = yield* decodeRows(KeyRow)(sql`
        SELECT prefix, encode(sha256, 'hex') AS sha256, created_ms AS "createdAt", revoked_ms AS "revokedAt"
        FROM api_keys WHERE customer_id = ${customer} ORDER BY prefix`)
      const zones = yield* decodeRows(ZoneRow)(sql`
        SELECT id, name, cloudflare_zone AS "cloudflareZone", token_sealed AS token, token_kek AS kek,
          created_ms AS "createdAt"
        FROM zones WHERE customer_id = ${customer} ORDER BY id`)
      const sources = yield* decodeRows(SourceRow)(sql`
        SELECT id, zone_id AS zone, name, starts_at_ms AS "startsAt", window_ms AS "windowMs",
          block_reason AS "blockReason", block_since_ms AS "blockSince", block_remedy AS "blockRemedy"
        FROM sources WHERE customer_id = ${customer} ORDER BY id`)
      const pipelines = yield* decodeRows(PipelineRow)(sql`
        SELECT DISTINCT ON (source_id) source_id AS source, version, document, set_ms AS "setAt"
        FROM source_pipelines WHERE customer_id = ${customer} ORDER BY source_id, version DESC`)
      const pseudonymKeys = yield* decodeRows(PseudonymKeyRow)(sql`
        SELECT period, sealed, kek, created_ms AS "createdAt", destroyed_ms AS "destroyedAt"
        FROM pseudonym_keys WHERE customer_id = ${customer} ORDER BY period`)
      const pipelineOf = new Map(pipelines.map(({ source, ...pipeline }) => [source, pipeline]))
      const record: CustomerRecord = {
        id: customer,
        name: row.name,
        origin: row.origin,
        createdAt: row.createdAt,
        ...row.dayLimit === null && row.storedLimit === null
          ? {}
          : { quota: { bytesPerDay: row.dayLimit, storedBytes: row.storedLimit } },
        apiKeys,
        ...pseudonymKeys.length === 0 ? {} : {
          pseudonymKeys: pseudonymKeys.map(({ kek, sealed, ...key }) => ({
            ...key,
            key: kek === null || sealed === null ? null : { kek, sealed: Buffer.from(sealed).toString("base64") }
          }))
        },
        zones: zones.map(({ kek, token, ...zone }) => ({
          ...zone,
          token: { kek, sealed: Buffer.from(token).toString("base64") },
          sources: sources.filter((source) => source.zone === zone.id).map(
            ({ id, name, startsAt, windowMs, ...block }) => {
              const pipeline = pipelineOf.get(id)
              return {
                id,
                name,
                startsAt,
                windowMs,
                status: sourceStatusOf(block),
                ...pipeline === undefined ? {} : { pipeline }
              }
            }
          )
        }))
      }
      return record
    })

  const unsaved = (after: CustomerId | null, most: number) =>
    decodeRows(Schema.Struct({ customer: CustomerId }))(sql`
      SELECT customer_id AS customer
      FROM unsaved_records(${after ?? "00000000-0000-0000-0000-000000000000"}::uuid, ${most}::integer)`).pipe(
      Effect.map((rows) => rows.map(({ customer }) => customer)),
      failAs("CustomerRecords.unsaved")
    )

  // The count is read before the record: what changes in between is saved again. The lock keeps an older record from
  // being written over a newer one; it is no row's, so nobody who changes something waits for the store.
  const keep = Effect.fnUntraced(function*<E, R>(
    customer: CustomerId,
    write: (record: CustomerRecord) => Effect.Effect<void, E, R>
  ) {
    const context = yield* Effect.context<R>()
    yield* Effect.gen(function*() {
      yield* sql`SELECT set_config('lock_timeout', ${String(lockTimeout)}, true),
        pg_advisory_xact_lock(hashtextextended(${`rainlogs/catalog/${customer}`}, 0))`
      const [row] = yield* decodeRows(ChangesRow)(
        sql`SELECT changes FROM catalog_changes WHERE customer_id = ${customer}`
      )
      const record = yield* read(customer)
      yield* Effect.provideContext(write(record), context)
      yield* sql`UPDATE catalog_changes SET saved = ${row?.changes ?? 0} WHERE customer_id = ${customer}`
    }).pipe(inCustomer(sql, "CustomerRecords.keep", customer))
  })

  const insertRecord = Effect.fnUntraced(function*(record: CustomerRecord) {
    const { apiKeys, createdAt, id, name, origin, pseudonymKeys = [], quota = unlimited, zones } = record
    yield* sql`INSERT INTO customers ${
      sql.insert({
        id,
        name,
        origin,
        created_ms: createdAt,
        quota_day_bytes: quota.bytesPerDay,
        quota_stored_bytes: quota.storedBytes
      })
    }`
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
    for (const { createdAt, destroyedAt, key, period } of pseudonymKeys) {
      yield* sql`INSERT INTO pseudonym_keys ${
        sql.insert({
          customer_id: id,
          period,
          sealed: key === null ? null : new Uint8Array(Buffer.from(key.sealed, "base64")),
          kek: key?.kek ?? null,
          created_ms: createdAt,
          destroyed_ms: destroyedAt
        })
      }`
    }
    for (const zone of zones) {
      yield* sql`INSERT INTO zones ${
        sql.insert({
          customer_id: id,
          id: zone.id,
          name: zone.name,
          cloudflare_zone: zone.cloudflareZone,
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
            window_ms: source.windowMs,
            ...sourceStatusColumns(source.status ?? active)
          })
        }`
        if (source.pipeline === undefined) continue
        const { document, setAt, version } = source.pipeline
        yield* sql`INSERT INTO source_pipelines ${
          sql.insert({ customer_id: id, source_id: source.id, version, document, set_ms: setAt })
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
    yield* Effect.andThen(insertRecord(record), restoreEntries(sql, record, entries, now)).pipe(
      Effect.provideContext(context),
      inCustomer(sql, "CustomerRecords.restore", record.id)
    )
  })

  return CustomerRecords.of({ unsaved, keep, restore })
})

/** The adapter on the `SqlClient`. */
export const layer: Layer.Layer<CustomerRecords, never, SqlClient.SqlClient> = Layer.effect(CustomerRecords, make)
