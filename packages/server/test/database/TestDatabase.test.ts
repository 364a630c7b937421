import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { readFileSync } from "node:fs"
import { generate, outputPath, readMigrations } from "../../../../scripts/embed-migrations.ts"
import * as TestDatabase from "../TestDatabase.ts"

describe("TestDatabase", () => {
  layer(TestDatabase.layer, { timeout: "60 seconds" })((it) => {
    it.effect("is a migrated database of one's own, used as the application's role", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const [row] = yield* sql<{ role: string; customers: bigint }>`
          SELECT current_user::text AS role, count(*) AS customers FROM customers`
        assert.deepStrictEqual(row, { role: "rainlogs_app", customers: 0n })
      }))

    it.effect("lets a test act as the owner", () =>
      Effect.gen(function*() {
        const { asOwner } = yield* TestDatabase.TestDatabase
        const rows = yield* asOwner(Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          return yield* sql<{ n: bigint }>`SELECT count(*) AS n FROM rainlogs_migrations`
        }))
        assert.strictEqual(rows[0]?.n, BigInt(readMigrations().length))
      }))
  })
})

describe("migrations.generated.ts", () => {
  it("is what scripts/embed-migrations.ts makes of the files in migrations/", () => {
    assert.strictEqual(
      readFileSync(outputPath, "utf8"),
      generate(readMigrations()),
      "run `node scripts/embed-migrations.ts`"
    )
  })
})
