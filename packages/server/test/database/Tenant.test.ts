import { assert, describe, layer } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../../src/database/Database.ts"
import { withCustomer } from "../../src/database/Tenant.ts"
import * as TestDatabase from "../TestDatabase.ts"
import { tinyMigrations } from "./fixtures.ts"

const alice = "11111111-1111-4111-8111-111111111111"
const bob = "22222222-2222-4222-8222-222222222222"

const Live = Layer.unwrap(Effect.map(
  TestDatabase.make("empty"),
  (options) => Database.layerOnSocket({ ...options, migrations: tinyMigrations })
))

const bodies = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ body: string }>`SELECT body FROM notes ORDER BY body`
  return rows.map((row) => row.body)
})

const write = (customerId: string, body: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql`INSERT INTO notes ${sql.insert({ customer_id: customerId, body })}`
  })

describe("withCustomer", () => {
  layer(Live, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("shows a customer its own rows and nobody else's", () =>
      Effect.gen(function*() {
        yield* withCustomer(alice)(write(alice, "alice 1"))
        yield* withCustomer(bob)(write(bob, "bob 1"))
        assert.deepStrictEqual(yield* withCustomer(alice)(bodies), ["alice 1"])
        assert.deepStrictEqual(yield* withCustomer(bob)(bodies), ["bob 1"])
      }))

    it.effect("shows no rows outside withCustomer, also on a connection that served a customer before", () =>
      Effect.gen(function*() {
        yield* withCustomer(alice)(write(alice, "alice 2"))
        for (let i = 0; i < 20; i++) assert.deepStrictEqual(yield* bodies, [])
      }))

    it.effect("refuses to write another customer's row", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(withCustomer(alice)(write(bob, "forged")))
        assert.include(String(error.reason.cause), "row-level security")
        assert.notInclude(yield* withCustomer(bob)(bodies), "forged")
      }))

    it.effect("joins in the same customer and rolls back as one", () =>
      Effect.gen(function*() {
        const exit = yield* withCustomer(alice)(
          withCustomer(alice)(write(alice, "inner")).pipe(Effect.andThen(Effect.fail("outer fails")))
        ).pipe(Effect.exit)
        assert.isTrue(Exit.isFailure(exit))
        assert.notInclude(yield* withCustomer(alice)(bodies), "inner")
      }))

    it.effect("dies when nested in another customer", () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(withCustomer(alice)(withCustomer(bob)(bodies)))
        assert.isTrue(Exit.hasDies(exit))
      }))

    it.effect("dies on anything but a UUID", () =>
      Effect.gen(function*() {
        for (const id of ["", "' OR true --", alice.toUpperCase().replaceAll("1", "A"), `${alice}\n`]) {
          assert.isTrue(Exit.hasDies(yield* Effect.exit(withCustomer(id)(bodies))))
        }
      }))

    it.effect("does not leave the customer set in an outer transaction", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const seen = yield* sql.withTransaction(
          withCustomer(alice)(write(alice, "nested")).pipe(Effect.andThen(bodies))
        )
        assert.deepStrictEqual(seen, [])
        assert.include(yield* withCustomer(alice)(bodies), "nested")
      }))

    it.effect("keeps concurrent customers apart on a shared pool", () =>
      Effect.gen(function*() {
        const results = yield* Effect.forEach(
          Array.from({ length: 100 }, (_, i) => i % 2 === 0 ? alice : bob),
          (id) => withCustomer(id)(bodies).pipe(Effect.map((seen) => ({ id, seen }))),
          { concurrency: 16 }
        )
        for (const { id, seen } of results) {
          assert.isNotEmpty(seen)
          assert.isTrue(seen.every((body) => id === alice ? !body.startsWith("bob") : body.startsWith("bob")))
        }
      }))

    it.effect("works as a role that can neither bypass the policies nor become the owner again", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const [role] = yield* sql<{ session: string; free: boolean }>`
          SELECT session_user::text AS session, rolsuper OR rolbypassrls AS free
          FROM pg_roles WHERE rolname = current_user`
        assert.deepStrictEqual(role, { session: "rainlogs_app", free: false })
        const become = yield* Effect.flip(sql`SET ROLE postgres`)
        assert.include(String(become.reason.cause), "permission denied")
      }))
  })
})
