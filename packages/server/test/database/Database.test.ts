import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { dirname } from "node:path"
import * as Database from "../../src/database/Database.ts"
import * as TestDatabase from "../TestDatabase.ts"
import { tinyMigrations } from "./fixtures.ts"

const withUrl = (database: TestDatabase.TestDatabase["Service"], password: string) => {
  const host = encodeURIComponent(dirname(database.socketPath))
  const url = `postgresql://postgres:${password}@localhost/${database.database}?host=${host}`
  return Database.layerUrl({ migrations: tinyMigrations }).pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ DATABASE_URL: url })))
  )
}

describe("Database.layerUrl", () => {
  it.live("migrates as the login of DATABASE_URL and works as the application's role", () =>
    Effect.gen(function*() {
      const database = yield* TestDatabase.make("empty")
      yield* Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const role = Effect.map(sql<{ role: string }>`SELECT current_user::text AS role`, (rows) => rows[0]?.role)
        yield* Effect.forEach(Array.from({ length: 30 }), () =>
          Effect.map(role, (found) => assert.strictEqual(found, "rainlogs_app")), { concurrency: 10 })
        // What a pooler or careless code may do to a session leads back to the same role.
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* sql`RESET ROLE`
          assert.strictEqual(yield* role, "rainlogs_app")
        }))
      }).pipe(Effect.provide(withUrl(database, "unused")))
    }), 60_000)

  it.live("says why it cannot connect, without the URL's password", () =>
    Effect.gen(function*() {
      const server = yield* TestDatabase.make("empty")
      for (
        const [wrong, reason] of [
          [{ ...server, database: "no_such_database" }, "no_such_database"],
          [{ ...server, socketPath: "/nonexistent/.s.PGSQL.5432" }, "ENOENT"]
        ] as const
      ) {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(withUrl(wrong, "hunter2"))))
        assert.strictEqual(error._tag, "DatabaseUnreachable")
        assert.include(error.message, reason)
        assert.notInclude(JSON.stringify(error) + String(error), "hunter2")
      }
    }), 60_000)
})

describe("Database.layerApplication", () => {
  it.live("refuses to work as a superuser", () =>
    Effect.gen(function*() {
      const { database, socketPath } = yield* TestDatabase.make("empty")
      const error = yield* Effect.flip(Effect.scoped(Layer.build(
        Database.layerApplication({ path: socketPath, database, username: "postgres" })
      )))
      assert.strictEqual(error._tag, "DatabaseUnsuitable")
      assert.include(String(error.message), "but got postgres")
    }), 60_000)
})
