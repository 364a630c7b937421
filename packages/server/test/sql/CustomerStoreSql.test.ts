import { assert, describe, layer } from "@effect/vitest"
import { CustomerStore, ZoneExists } from "@rainlogs/core/archive/CustomerStore"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { makeOrigin } from "@rainlogs/core/domain/Customer"
import { CloudflareZoneId, CustomerId, ZoneId } from "@rainlogs/core/domain/Identifier"
import { Effect, Option } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes, randomUUID } from "node:crypto"
import { withCustomer } from "../../src/database/Tenant.ts"
import { digest, Live, live, makeCustomer, makeOne, start } from "./fixtures.ts"

const zoneOf = (customer: CustomerId) => ({
  id: ZoneId.make(randomUUID()),
  customer,
  name: "shop.example.com",
  cloudflareZone: CloudflareZoneId.make(randomBytes(16).toString("hex")),
  createdAt: start
})

const token = { kek: "kek-7", bytes: new Uint8Array(60).fill(7) }
const source = { name: "cloudflare/logpull/http_requests", startsAt: start, windowMs: 300_000 } as const
const active = { state: "active" } as const

describe("CustomerStoreSql", { timeout: 60_000 }, () => {
  layer(Live, live)((it) => {
    it.effect("finds a customer by the prefix of its key, and by its id", () =>
      Effect.gen(function*() {
        const store = yield* CustomerStore
        const id = CustomerId.make(randomUUID())
        const customer = {
          id,
          name: "Žluťoučký kůň s.r.o.",
          origin: makeOrigin("archive.example.eu", id),
          createdAt: start
        }
        const prefix = `rl_${id}`
        yield* store.create(customer, { prefix, sha256: digest("secret") })
        assert.deepStrictEqual(yield* store.authenticate(prefix), Option.some({ customer, sha256: digest("secret") }))
        assert.deepStrictEqual(yield* store.customer(id), Option.some(customer))
        assert.isTrue(Option.isNone(yield* store.authenticate("rl_unknown")))
        assert.isTrue(Option.isNone(yield* store.customer(CustomerId.make(randomUUID()))))
      }))

    it.effect("a revoked key finds nobody", () =>
      Effect.gen(function*() {
        const store = yield* CustomerStore
        const sql = yield* SqlClient.SqlClient
        const id = CustomerId.make(randomUUID())
        const customer = { id, name: "x", origin: makeOrigin("archive.example.eu", id), createdAt: start }
        yield* store.create(customer, { prefix: `rl_${id}`, sha256: digest("secret") })
        yield* sql`UPDATE api_keys SET revoked_ms = ${start}`.pipe(withCustomer(id))
        assert.isTrue(Option.isNone(yield* store.authenticate(`rl_${id}`)))
      }))

    it.effect("a customer or key prefix that exists is refused, and nothing half is left", () =>
      Effect.gen(function*() {
        const store = yield* CustomerStore
        const first = yield* makeCustomer
        const prefix = `rl_${first.id}`
        const again = yield* Effect.flip(store.create(first, { prefix, sha256: digest("x") }))
        assert.include(again.detail, "rejected: SQLSTATE 23505: constraint customers_pkey")
        const id = CustomerId.make(randomUUID())
        const second = { ...first, id, origin: makeOrigin("archive.example.eu", id) }
        const taken = yield* makeCustomer
        yield* store.create(second, { prefix, sha256: digest("x") })
        const third = CustomerId.make(randomUUID())
        const error = yield* Effect.flip(
          store.create({ ...taken, id: third, origin: makeOrigin("archive.example.eu", third) }, {
            prefix,
            sha256: digest("x")
          })
        )
        assert.include(error.detail, "constraint api_keys_pkey")
        assert.isTrue(Option.isNone(yield* store.customer(third)))
      }))

    it.effect("a zone comes back with its sealed token and a timeline that starts where asked", () =>
      Effect.gen(function*() {
        const store = yield* CustomerStore
        const customer = yield* makeCustomer
        const zone = zoneOf(customer.id)
        yield* store.createZone(zone, token, [source])
        assert.deepStrictEqual(
          yield* store.zone(customer.id, zone.id),
          Option.some({ zone: { ...zone, status: active }, token })
        )
        assert.deepStrictEqual(yield* store.zones(customer.id), [{ ...zone, status: active }])
        const [timeline] = yield* (yield* WindowLedger).timelinesOf(customer.id, zone.id)
        assert.isDefined(timeline)
        assert.deepStrictEqual(timeline, {
          source: {
            id: timeline.source.id,
            customer: customer.id,
            origin: customer.origin,
            zone: zone.id,
            name: "cloudflare/logpull/http_requests",
            status: active,
            startsAt: start,
            windowMs: 300_000
          },
          plannedTo: start
        })
      }))

    it.effect("the same Cloudflare zone twice is ZoneExists for one customer, and fine for two", () =>
      Effect.gen(function*() {
        const store = yield* CustomerStore
        const customer = yield* makeCustomer
        const zone = zoneOf(customer.id)
        yield* store.createZone(zone, token, [source])
        const twice = { ...zone, id: ZoneId.make(randomUUID()) }
        const error = yield* Effect.flip(store.createZone(twice, token, [source]))
        assert.deepStrictEqual(error, new ZoneExists({ cloudflareZone: zone.cloudflareZone }))
        assert.strictEqual((yield* store.zones(customer.id)).length, 1)
        const other = yield* makeCustomer
        yield* store.createZone({ ...zone, id: ZoneId.make(randomUUID()), customer: other.id }, token, [source])
      }))

    it.effect("a source is blocked since it was last known to be collectable, and stays so until it is unblocked", () =>
      Effect.gen(function*() {
        const store = yield* CustomerStore
        const { customer, source } = yield* makeOne
        const block = (reason: "retention-off" | "unauthorised") =>
          store.block(customer.id, source.id, { reason, remedy: "switch it on" })
        const status = Effect.map(store.zone(customer.id, source.zone), (found) => Option.getOrThrow(found).zone.status)
        yield* block("retention-off")
        assert.deepStrictEqual(yield* status, {
          state: "blocked",
          reason: "retention-off",
          since: 0,
          remedy: "switch it on"
        })
        assert.deepInclude(yield* store.blocked, { customer: customer.id, zone: source.zone, source: source.id })
        yield* store.unblock(customer.id, source.id)
        assert.deepStrictEqual(yield* status, { state: "active" })
        assert.notDeepInclude(yield* store.blocked, { customer: customer.id, zone: source.zone, source: source.id })

        yield* store.checked(customer.id, source.id, start)
        yield* store.checked(customer.id, source.id, start + 59_999)
        yield* block("retention-off")
        assert.deepInclude(yield* status, { since: start })
        yield* store.checked(customer.id, source.id, start + 120_000)
        yield* block("unauthorised")
        // Logs were lost while retention was off: what comes on top does not hide that.
        assert.deepInclude(yield* status, { reason: "retention-off", since: start })
        yield* store.unblock(customer.id, source.id)
        yield* block("unauthorised")
        assert.deepInclude(yield* status, { reason: "unauthorised", since: start + 120_000 })
        yield* block("retention-off")
        assert.deepInclude(yield* status, { reason: "retention-off", since: start + 120_000 })
      }))

    it.effect("a zone with one of two sources blocked is degraded, with all of them blocked", () =>
      Effect.gen(function*() {
        const store = yield* CustomerStore
        const { customer, source } = yield* makeOne
        const second = { name: "cloudflare/graphql/firewall_events", startsAt: start, windowMs: 300_000 } as const
        assert.isTrue(yield* store.addSource(customer.id, source.zone, second))
        assert.isFalse(yield* store.addSource(customer.id, source.zone, { ...second, startsAt: start + 1 }))
        const timelines = yield* (yield* WindowLedger).timelinesOf(customer.id, source.zone)
        assert.lengthOf(timelines, 2)
        const other = timelines.find(({ source: { name } }) => name === second.name)!
        assert.strictEqual(other.plannedTo, start)
        const status = Effect.map(store.zone(customer.id, source.zone), (found) => Option.getOrThrow(found).zone.status)
        assert.deepStrictEqual(yield* status, active)
        yield* store.checked(customer.id, source.id, start)
        yield* store.block(customer.id, source.id, { reason: "retention-off", remedy: "switch it on" })
        assert.deepStrictEqual(yield* status, {
          state: "degraded",
          reason: "retention-off",
          since: start,
          remedy: "switch it on"
        })
        yield* store.block(customer.id, other.source.id, { reason: "unauthorised", remedy: "a new token" })
        // The one that was never known to be collectable is the longest blocked.
        assert.deepStrictEqual(yield* status, {
          state: "blocked",
          reason: "unauthorised",
          since: 0,
          remedy: "a new token"
        })
        assert.deepStrictEqual((yield* store.zones(customer.id)).map((zone) => zone.status), [yield* status])
        yield* store.unblock(customer.id, source.id)
        assert.deepInclude(yield* status, { state: "degraded", reason: "unauthorised" })
      }))

    it.effect("a source is not added to another customer's zone", () =>
      Effect.gen(function*() {
        const store = yield* CustomerStore
        const { source: mine } = yield* makeOne
        const other = yield* makeCustomer
        const error = yield* Effect.flip(
          store.addSource(other.id, mine.zone, { ...source, name: "cloudflare/audit_logs/v2" })
        )
        assert.include(error.detail, "rejected: SQLSTATE 23503")
      }))

    it.effect("blocking a source that is not there, or not the customer's, is an error", () =>
      Effect.gen(function*() {
        const store = yield* CustomerStore
        const { source } = yield* makeOne
        const other = yield* makeCustomer
        const error = yield* Effect.flip(store.block(other.id, source.id, { reason: "unauthorised", remedy: "r" }))
        assert.include(error.detail, "there is no source")
        assert.include((yield* Effect.flip(store.unblock(other.id, source.id))).detail, "there is no source")
        assert.isTrue(Option.isNone(yield* store.zone(other.id, source.zone)))
      }))
  })
})
