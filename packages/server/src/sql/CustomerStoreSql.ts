/**
 * Adapter: customers, their API keys, zones and sources in PostgreSQL.
 */
import { CustomerStore, ZoneExists } from "@rainlogs/core/archive/CustomerStore"
import { DatabaseError } from "@rainlogs/core/archive/WindowLedger"
import { type Customer, Origin } from "@rainlogs/core/domain/Customer"
import { CloudflareZoneId, CustomerId, SourceId, ZoneId } from "@rainlogs/core/domain/Identifier"
import { BlockReason } from "@rainlogs/core/domain/Source"
import { statusOf, type Zone } from "@rainlogs/core/domain/Zone"
import * as Hex from "@rainlogs/verify/Hex"
import { Effect, Layer, Option, Schema } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { failAs, inCustomer } from "./CustomerTransaction.ts"
import { decodeRows, SafeInteger, sourceStatusOf } from "./Row.ts"
import { insertSource } from "./SourceInsert.ts"

const customerFields = { id: CustomerId, name: Schema.NonEmptyString, origin: Origin, createdAt: SafeInteger }

const CustomerRow = Schema.Struct(customerFields)

const KeyRow = Schema.Struct({ ...customerFields, sha256: Schema.String })

const zoneFields = {
  id: ZoneId,
  customer: CustomerId,
  name: Schema.NonEmptyString,
  cloudflareZone: CloudflareZoneId,
  createdAt: SafeInteger
}

const ZoneRow = Schema.Struct(zoneFields)

const SealedZoneRow = Schema.Struct({ ...zoneFields, bytes: Schema.Uint8Array, kek: Schema.String })

const zoneColumns = `id, customer_id AS customer, name, cloudflare_zone AS "cloudflareZone", created_ms AS "createdAt"`

const StatusRow = Schema.Struct({
  zone: ZoneId,
  blockReason: Schema.NullOr(BlockReason),
  blockSince: Schema.NullOr(SafeInteger),
  blockRemedy: Schema.NullOr(Schema.String)
})

const zoneOf = (row: typeof ZoneRow.Type, statuses: ReadonlyArray<typeof StatusRow.Type>): Zone => ({
  id: row.id,
  customer: row.customer,
  name: row.name,
  cloudflareZone: row.cloudflareZone,
  status: statusOf(statuses.filter(({ zone }) => zone === row.id).map(sourceStatusOf)),
  createdAt: row.createdAt
})

/** `checked` writes at most once in this time (ms): it is called with every attempt. */
const checkedInterval = 60_000

const isZoneTaken = (error: unknown): boolean =>
  SqlError.isSqlError(error) && error.reason._tag === "UniqueViolation" &&
  error.reason.constraint === "zones_cloudflare_zone_key"

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const create: CustomerStore["Service"]["create"] = (customer, apiKey) =>
    Effect.gen(function*() {
      yield* sql`INSERT INTO customers ${
        sql.insert({
          id: customer.id,
          name: customer.name,
          origin: customer.origin,
          created_ms: customer.createdAt
        })
      }`
      yield* sql`INSERT INTO api_keys ${
        sql.insert({
          customer_id: customer.id,
          prefix: apiKey.prefix,
          sha256: Hex.decode(apiKey.sha256, 32),
          created_ms: customer.createdAt
        })
      }`
    }).pipe(inCustomer(sql, "CustomerStore.create", customer.id))

  const authenticate = (prefix: string) =>
    decodeRows(KeyRow)(sql`
      SELECT customer_id AS id, name, origin, created_ms AS "createdAt", encode(sha256, 'hex') AS sha256
      FROM find_api_key(${prefix})`).pipe(
      Effect.map((rows) =>
        Option.map(Option.fromNullishOr(rows[0]), ({ sha256, ...customer }) => ({ customer, sha256 }))
      ),
      failAs("CustomerStore.authenticate")
    )

  const customer = (id: CustomerId) =>
    decodeRows(CustomerRow)(sql`
      SELECT id, name, origin, created_ms AS "createdAt" FROM customers WHERE id = ${id}`).pipe(
      Effect.map((rows): Option.Option<Customer> => Option.fromNullishOr(rows[0])),
      inCustomer(sql, "CustomerStore.customer", id)
    )

  const createZone: CustomerStore["Service"]["createZone"] = (zone, token, sources) =>
    Effect.gen(function*() {
      yield* sql`INSERT INTO zones ${
        sql.insert({
          customer_id: zone.customer,
          id: zone.id,
          name: zone.name,
          cloudflare_zone: zone.cloudflareZone,
          token_sealed: token.bytes,
          token_kek: token.kek,
          created_ms: zone.createdAt
        })
      }`.pipe(
        Effect.mapError((error) => isZoneTaken(error) ? new ZoneExists({ cloudflareZone: zone.cloudflareZone }) : error)
      )
      for (const source of sources) yield* insertSource(sql, zone.customer, zone.id, source)
    }).pipe(inCustomer(sql, "CustomerStore.createZone", zone.customer))

  const addSource: CustomerStore["Service"]["addSource"] = (customer, zone, source) =>
    insertSource(sql, customer, zone, source).pipe(
      Effect.map((rows) => rows.length > 0),
      inCustomer(sql, "CustomerStore.addSource", customer)
    )

  const statuses = (customer: CustomerId, zone: ZoneId | null) =>
    decodeRows(StatusRow)(sql`
      SELECT zone_id AS zone, block_reason AS "blockReason", block_since_ms AS "blockSince",
        block_remedy AS "blockRemedy"
      FROM sources WHERE customer_id = ${customer} AND (${zone}::uuid IS NULL OR zone_id = ${zone}::uuid) ORDER BY id`)

  const zones = (customer: CustomerId) =>
    Effect.gen(function*() {
      const rows = yield* decodeRows(ZoneRow)(sql`
        SELECT ${sql.literal(zoneColumns)} FROM zones WHERE customer_id = ${customer} ORDER BY created_ms, id`)
      const byZone = Map.groupBy(yield* statuses(customer, null), ({ zone }) => zone)
      return rows.map((row) => zoneOf(row, byZone.get(row.id) ?? []))
    }).pipe(inCustomer(sql, "CustomerStore.zones", customer))

  const zone = (customer: CustomerId, id: ZoneId) =>
    Effect.gen(function*() {
      const [row] = yield* decodeRows(SealedZoneRow)(sql`
        SELECT ${sql.literal(zoneColumns)}, token_sealed AS bytes, token_kek AS kek FROM zones
        WHERE customer_id = ${customer} AND id = ${id}`)
      return row === undefined ? Option.none() : Option.some({
        zone: zoneOf(row, yield* statuses(customer, id)),
        token: { kek: row.kek, bytes: row.bytes }
      })
    }).pipe(inCustomer(sql, "CustomerStore.zone", customer))

  const requireSource = (operation: string, source: SourceId) => (changed: ReadonlyArray<unknown>) =>
    changed.length === 0
      ? Effect.fail(new DatabaseError({ operation, detail: `rejected: there is no source ${source}` }))
      : Effect.void

  const checked: CustomerStore["Service"]["checked"] = (customer, id, now) =>
    sql`
      UPDATE sources SET checked_ms = ${now}
      WHERE customer_id = ${customer} AND id = ${id}
        AND (checked_ms IS NULL OR checked_ms + ${checkedInterval}::bigint <= ${now}::bigint)`.pipe(
      Effect.asVoid,
      inCustomer(sql, "CustomerStore.checked", customer)
    )

  const block: CustomerStore["Service"]["block"] = (customer, id, { reason, remedy }) =>
    sql`
      UPDATE sources SET status = 'blocked', block_remedy = ${remedy},
        block_reason = CASE WHEN block_reason = 'retention-off' THEN block_reason ELSE ${reason} END,
        block_since_ms = coalesce(block_since_ms, checked_ms, 0)
      WHERE customer_id = ${customer} AND id = ${id} RETURNING id`.pipe(
      Effect.flatMap(requireSource("CustomerStore.block", id)),
      inCustomer(sql, "CustomerStore.block", customer)
    )

  const unblock: CustomerStore["Service"]["unblock"] = (customer, id) =>
    sql`
      UPDATE sources SET status = 'active', block_reason = NULL, block_remedy = NULL, block_since_ms = NULL
      WHERE customer_id = ${customer} AND id = ${id} RETURNING id`.pipe(
      Effect.flatMap(requireSource("CustomerStore.unblock", id)),
      inCustomer(sql, "CustomerStore.unblock", customer)
    )

  const blocked = decodeRows(Schema.Struct({ customer: CustomerId, zone: ZoneId, source: SourceId }))(
    sql`SELECT customer_id AS customer, zone_id AS zone, source_id AS source FROM blocked_sources()`
  ).pipe(failAs("CustomerStore.blocked"))

  return CustomerStore.of({
    create,
    authenticate,
    customer,
    createZone,
    addSource,
    zones,
    zone,
    checked,
    block,
    unblock,
    blocked
  })
})

/** The customer store on the `SqlClient`. */
export const layer: Layer.Layer<CustomerStore, never, SqlClient.SqlClient> = Layer.effect(CustomerStore, make)
