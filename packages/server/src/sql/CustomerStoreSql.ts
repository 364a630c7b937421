/**
 * Adapter: customers, their API keys, zones and sources in PostgreSQL.
 */
import { CustomerStore, ZoneExists } from "@rainlogs/core/archive/CustomerStore"
import { DatabaseError } from "@rainlogs/core/archive/WindowLedger"
import { type Customer, Origin } from "@rainlogs/core/domain/Customer"
import { CloudflareZoneId, CustomerId, SourceId, ZoneId } from "@rainlogs/core/domain/Identifier"
import { uuidFromText } from "@rainlogs/core/domain/LogJob"
import { BlockReason, type Zone } from "@rainlogs/core/domain/Zone"
import * as Hex from "@rainlogs/verify/Hex"
import { Effect, Layer, Option, Schema } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { failAs, inCustomer } from "./CustomerTransaction.ts"
import { decodeRows, SafeInteger } from "./Row.ts"

const customerFields = { id: CustomerId, name: Schema.NonEmptyString, origin: Origin, createdAt: SafeInteger }

const CustomerRow = Schema.Struct(customerFields)

const KeyRow = Schema.Struct({ ...customerFields, sha256: Schema.String })

const zoneFields = {
  id: ZoneId,
  customer: CustomerId,
  name: Schema.NonEmptyString,
  cloudflareZone: CloudflareZoneId,
  reason: Schema.NullOr(BlockReason),
  since: Schema.NullOr(SafeInteger),
  remedy: Schema.NullOr(Schema.String),
  createdAt: SafeInteger
}

const ZoneRow = Schema.Struct(zoneFields)

const SealedZoneRow = Schema.Struct({ ...zoneFields, bytes: Schema.Uint8Array, kek: Schema.String })

const zoneColumns = `id, customer_id AS customer, name, cloudflare_zone AS "cloudflareZone", block_reason AS reason,
  block_since_ms AS since, block_remedy AS remedy, created_ms AS "createdAt"`

const zoneOf = ({ reason, remedy, since, ...row }: typeof ZoneRow.Type): Zone => ({
  id: row.id,
  customer: row.customer,
  name: row.name,
  cloudflareZone: row.cloudflareZone,
  status: reason === null || since === null || remedy === null
    ? { state: "active" }
    : { state: "blocked", reason, since, remedy },
  createdAt: row.createdAt
})

/** The id of a zone's source: derived from both, so a rebuilt database has the same. */
const sourceIdOf = (zone: ZoneId, name: string): SourceId =>
  SourceId.make(uuidFromText(`rainlogs-source/v1\n${zone}\n${name}\n`))

/** A zone's status as columns; the block's are there together or not at all. */
const statusColumns = ({ status }: Zone) =>
  status.state === "active" ? { status: status.state } : {
    status: status.state,
    block_reason: status.reason,
    block_since_ms: status.since,
    block_remedy: status.remedy
  }

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

  const createZone: CustomerStore["Service"]["createZone"] = (zone, token, source) =>
    Effect.gen(function*() {
      yield* sql`INSERT INTO zones ${
        sql.insert({
          customer_id: zone.customer,
          id: zone.id,
          name: zone.name,
          cloudflare_zone: zone.cloudflareZone,
          ...statusColumns(zone),
          token_sealed: token.bytes,
          token_kek: token.kek,
          created_ms: zone.createdAt
        })
      }`.pipe(
        Effect.mapError((error) => isZoneTaken(error) ? new ZoneExists({ cloudflareZone: zone.cloudflareZone }) : error)
      )
      yield* sql`INSERT INTO sources ${
        sql.insert({
          customer_id: zone.customer,
          id: sourceIdOf(zone.id, source.name),
          zone_id: zone.id,
          name: source.name,
          starts_at_ms: source.startsAt,
          window_ms: source.windowMs
        })
      }`
    }).pipe(inCustomer(sql, "CustomerStore.createZone", zone.customer))

  const zones = (customer: CustomerId) =>
    decodeRows(ZoneRow)(sql`
      SELECT ${sql.literal(zoneColumns)} FROM zones WHERE customer_id = ${customer} ORDER BY created_ms, id`).pipe(
      Effect.map((rows) => rows.map(zoneOf)),
      inCustomer(sql, "CustomerStore.zones", customer)
    )

  const zone = (customer: CustomerId, id: ZoneId) =>
    decodeRows(SealedZoneRow)(sql`
      SELECT ${sql.literal(zoneColumns)}, token_sealed AS bytes, token_kek AS kek FROM zones
      WHERE customer_id = ${customer} AND id = ${id}`).pipe(
      Effect.map((rows) =>
        Option.map(Option.fromNullishOr(rows[0]), (row) => ({
          zone: zoneOf(row),
          token: { kek: row.kek, bytes: row.bytes }
        }))
      ),
      inCustomer(sql, "CustomerStore.zone", customer)
    )

  const requireZone = (operation: string, zone: ZoneId) => (changed: ReadonlyArray<unknown>) =>
    changed.length === 0
      ? Effect.fail(new DatabaseError({ operation, detail: `rejected: there is no zone ${zone}` }))
      : Effect.void

  const checked: CustomerStore["Service"]["checked"] = (customer, id, now) =>
    sql`
      UPDATE zones SET checked_ms = ${now}
      WHERE customer_id = ${customer} AND id = ${id}
        AND (checked_ms IS NULL OR checked_ms + ${checkedInterval}::bigint <= ${now}::bigint)`.pipe(
      Effect.asVoid,
      inCustomer(sql, "CustomerStore.checked", customer)
    )

  const block: CustomerStore["Service"]["block"] = (customer, id, { reason, remedy }) =>
    sql`
      UPDATE zones SET status = 'blocked', block_remedy = ${remedy},
        block_reason = CASE WHEN block_reason = 'retention-off' THEN block_reason ELSE ${reason} END,
        block_since_ms = coalesce(block_since_ms, checked_ms, 0)
      WHERE customer_id = ${customer} AND id = ${id} RETURNING id`.pipe(
      Effect.flatMap(requireZone("CustomerStore.block", id)),
      inCustomer(sql, "CustomerStore.block", customer)
    )

  const unblock: CustomerStore["Service"]["unblock"] = (customer, id) =>
    sql`
      UPDATE zones SET status = 'active', block_reason = NULL, block_remedy = NULL, block_since_ms = NULL
      WHERE customer_id = ${customer} AND id = ${id} RETURNING id`.pipe(
      Effect.flatMap(requireZone("CustomerStore.unblock", id)),
      inCustomer(sql, "CustomerStore.unblock", customer)
    )

  const blocked = decodeRows(Schema.Struct({ customer: CustomerId, zone: ZoneId }))(
    sql`SELECT customer_id AS customer, zone_id AS zone FROM blocked_zones()`
  ).pipe(failAs("CustomerStore.blocked"))

  return CustomerStore.of({
    create,
    authenticate,
    customer,
    createZone,
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
