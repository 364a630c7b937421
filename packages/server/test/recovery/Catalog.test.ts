/**
 * The catalog on PostgreSQL and a file-system store: what a sweep costs, what counts as a change, and that what was made
 * is kept at once.
 */
import { assert, describe, it } from "@effect/vitest"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import * as CatalogModule from "@rainlogs/core/recovery/Catalog"
import { Catalog } from "@rainlogs/core/recovery/Catalog"
import * as CatalogedCustomers from "@rainlogs/core/recovery/CatalogedCustomers"
import { CustomerRecords } from "@rainlogs/core/recovery/CustomerRecords"
import { Rebuild } from "@rainlogs/core/recovery/Rebuild"
import { ObjectStore, StorageError } from "@rainlogs/core/storage/ObjectStore"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { SqlClient, Statement } from "effect/sql"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { withCustomer } from "../../src/database/Tenant.ts"
import { makeCustomer, makeOne, makeSource, start } from "../sql/fixtures.ts"
import { TestDatabase } from "../TestDatabase.ts"
import { empty, makeWorld, onDatabase } from "./RebuildWorld.ts"

type Services = Layer.Success<ReturnType<typeof onDatabase>>

const onWorld = <A, E>(test: (directory: string) => Effect.Effect<A, E, Services>) =>
  Effect.flatMap(
    makeWorld,
    (directory) => Effect.provide(test(directory), onDatabase(directory, empty), { local: true })
  )

const save = Catalog.use((catalog) => catalog.save)

/** The statements that an effect runs. */
const statementsOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const seen: Array<string> = []
    return effect.pipe(
      Effect.provideService(Statement.CurrentTransformer, (statement) =>
        Effect.sync(() => {
          seen.push(statement.compile()[0])
          return statement
        })),
      Effect.as(seen)
    )
  })

const files = (directory: string, customer: string) => readdirSync(join(directory, "archive", "catalog", customer))

const changes = (customer: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ changes: bigint }>`SELECT changes FROM catalog_changes`.pipe(withCustomer(customer))
    return Number(row?.changes)
  })

describe("the catalog", { timeout: 120_000 }, () => {
  it.live("asks one question a sweep while nothing changes, and reads only the customer that changed", () =>
    onWorld((directory) =>
      Effect.gen(function*() {
        const all = yield* Effect.forEach(Array.from({ length: 5 }), () => makeOne)
        yield* save
        const [one, other] = [all[0]!.customer, all[1]!.customer]
        const before = files(directory, other.id)
        const idle = yield* statementsOf(save)
        assert.lengthOf(idle, 1, idle.join("\n"))
        assert.match(idle[0]!, /unsaved_records/)
        yield* makeSource(one)
        const busy = yield* statementsOf(save)
        assert.lengthOf(busy.filter((text) => /FROM zones/.test(text)), 1, busy.join("\n"))
        assert.deepStrictEqual(files(directory, other.id), before)
        assert.lengthOf(yield* statementsOf(save), 1)
        const saved = (yield* (yield* Catalog).records).find(({ id }) => id === one.id)
        assert.lengthOf(saved!.zones, 2)
      })
    ))

  it.live("counts each change of a record, of its own customer, and not when a source was looked at", () =>
    onWorld(() =>
      Effect.gen(function*() {
        const { customer, source } = yield* makeOne
        const bystander = yield* makeCustomer
        const [before, others] = [yield* changes(customer.id), yield* changes(bystander.id)]
        const store = yield* CustomerStore
        yield* store.checked(customer.id, source.id, start)
        assert.strictEqual(yield* changes(customer.id), before)
        yield* store.block(customer.id, source.id, { reason: "unauthorised", remedy: "a new token" })
        assert.strictEqual(yield* changes(customer.id), before + 1)
        yield* store.unblock(customer.id, source.id)
        const sql = yield* SqlClient.SqlClient
        for (
          const statement of [
            sql`UPDATE zones SET name = 'renamed.example'`,
            sql`UPDATE sources SET window_ms = window_ms + 1`,
            sql`UPDATE api_keys SET revoked_ms = ${start}`
          ]
        ) yield* withCustomer(customer.id)(statement)
        assert.strictEqual(yield* changes(customer.id), before + 5)
        assert.strictEqual(yield* changes(bystander.id), others)
        // Nobody but the schema counts.
        const refused = yield* Effect.exit(withCustomer(customer.id)(sql`UPDATE catalog_changes SET changes = 1`))
        assert.match(JSON.stringify(refused), /42501|permission denied/)
      })
    ))

  it.live("compares everything once after a start: what somebody took away is saved again", () =>
    onWorld((directory) =>
      Effect.gen(function*() {
        const { customer } = yield* makeOne
        yield* save
        const store = yield* ObjectStore
        const [name = ""] = files(directory, customer.id)
        yield* store.remove(`catalog/${customer.id}/${name}`)
        yield* save
        assert.deepStrictEqual(files(directory, customer.id), [])
        yield* Effect.provide(save, Layer.fresh(Catalog.layer))
        assert.lengthOf(files(directory, customer.id), 1)
      })
    ))

  it.live("of two processes that save at once the newer record is last, and a slow one keeps no zone from being made", () =>
    onWorld((directory) =>
      Effect.gen(function*() {
        const { customer } = yield* makeOne
        const [reached, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const real = yield* ObjectStore
        const slow = Layer.succeed(
          ObjectStore,
          ObjectStore.of({
            ...real,
            putBytes: (key, bytes) =>
              Deferred.succeed(reached, undefined).pipe(
                Effect.andThen(Deferred.await(go)),
                Effect.andThen(real.putBytes(key, bytes))
              )
          })
        )
        const first = yield* Effect.forkChild(
          Effect.provide(save, Layer.fresh(Catalog.layer).pipe(Layer.provide(slow)))
        )
        yield* Deferred.await(reached)
        yield* makeSource(customer)
        const second = yield* Effect.forkChild(Catalog.use((catalog) => catalog.saveOf(customer.id)))
        yield* Effect.sleep(200)
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(first)
        yield* Fiber.join(second)
        assert.lengthOf(files(directory, customer.id), 1)
        const [record] = yield* (yield* Catalog).records
        assert.lengthOf(record!.zones, 2)
        assert.deepStrictEqual(yield* (yield* CustomerRecords).unsaved(null, 10), [])
      })
    ))
})

describe("a customer and a zone that were made a moment before the database was lost", { timeout: 120_000 }, () => {
  const cataloged = CatalogedCustomers.layer

  it.live("come back, without any sweep", () =>
    Effect.gen(function*() {
      const directory = yield* makeWorld
      const { customer, source } = yield* Effect.provide(
        makeOne,
        Layer.provideMerge(cataloged, onDatabase(directory, empty)),
        { local: true }
      )
      yield* Effect.provide(
        Effect.gen(function*() {
          const rebuilt = yield* Rebuild.use((service) => service.run({ unauthorised: "refuse", onEntries: () => {} }))
          assert.deepInclude(rebuilt, { customers: 1, zones: 1 })
          const zones = yield* (yield* CustomerStore).zones(customer.id)
          assert.deepStrictEqual(zones.map(({ id }) => id), [source.zone])
        }),
        onDatabase(directory, empty),
        { local: true }
      )
    }))

  it.live("are made although the store does not take the catalog, and are saved when it does", () =>
    onWorld((directory) =>
      Effect.gen(function*() {
        const real = yield* ObjectStore
        const broken = Layer.succeed(
          ObjectStore,
          ObjectStore.of({
            ...real,
            putBytes: (key) =>
              Effect.fail(new StorageError({ operation: "putBytes", key, category: "transient", detail: "full" }))
          })
        )
        const { customer } = yield* Effect.provide(
          makeOne,
          cataloged.pipe(Layer.provide(Layer.fresh(CatalogModule.Catalog.layer).pipe(Layer.provide(broken))))
        )
        assert.deepStrictEqual(yield* (yield* CustomerRecords).unsaved(null, 10), [customer.id])
        yield* save
        assert.lengthOf(files(directory, customer.id), 1)
      })
    ))

  it.live("of another customer are not among one's own changes", () =>
    onWorld(() =>
      Effect.gen(function*() {
        const { customer } = yield* makeOne
        yield* makeOne
        const sql = yield* SqlClient.SqlClient
        const seen = yield* sql<{ id: string }>`SELECT customer_id AS id FROM catalog_changes`.pipe(
          withCustomer(customer.id)
        )
        assert.deepStrictEqual(seen, [{ id: customer.id }])
        assert.deepStrictEqual(yield* sql`SELECT FROM catalog_changes`, [])
        const { database } = yield* TestDatabase
        assert.match(database, /^test_/)
      })
    ))
})
