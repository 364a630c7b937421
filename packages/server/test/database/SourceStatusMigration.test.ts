import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../../src/database/Database.ts"
import { migrations } from "../../src/database/migrations.generated.ts"
import * as Migrations from "../../src/database/Migrations.ts"
import * as TestDatabase from "../TestDatabase.ts"

const customer = "00000000-0000-4000-8000-000000000001"
const blockedZone = "00000000-0000-4000-8000-000000000002"
const activeZone = "00000000-0000-4000-8000-000000000003"

const rows = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`INSERT INTO customers (id, name, origin, created_ms)
    VALUES (${customer}, 'Example', ${`archive.example.eu/t/${customer}`}, 1)`
  yield* sql`INSERT INTO zones (customer_id, id, name, cloudflare_zone, status, block_reason, block_since_ms,
      block_remedy, checked_ms, token_sealed, token_kek, created_ms)
    VALUES (${customer}, ${blockedZone}, 'a', ${"1".repeat(32)}, 'blocked', 'retention-off', 77, 'turn it on', 99,
        ${new Uint8Array(40)}, 'k', 1),
      (${customer}, ${activeZone}, 'b', ${"2".repeat(32)}, 'active', NULL, NULL, NULL, 55, ${new Uint8Array(
    40
  )}, 'k', 1)`
  for (const zone of [blockedZone, activeZone]) {
    yield* sql`INSERT INTO sources (customer_id, id, zone_id, name, starts_at_ms, window_ms)
      VALUES (${customer}, gen_random_uuid(), ${zone}, 'cloudflare/logpull/http_requests', 1, 60000)`
  }
})

it.live("the status of a zone becomes the status of its source", () =>
  Effect.scoped(Effect.gen(function*() {
    const database = yield* TestDatabase.make("empty")
    yield* Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const before = migrations.findIndex(({ name }) => name === "source_status")
      assert.isAbove(before, 0)
      yield* Migrations.migrate(migrations.slice(0, before))
      yield* rows
      yield* Migrations.migrate(migrations)
      const after = yield* sql`
        SELECT zone_id AS zone, status, block_reason AS reason, block_since_ms AS since, block_remedy AS remedy,
          checked_ms AS checked
        FROM sources ORDER BY zone_id`
      assert.deepStrictEqual(after, [
        {
          zone: blockedZone,
          status: "blocked",
          reason: "retention-off",
          since: 77n,
          remedy: "turn it on",
          checked: 99n
        },
        { zone: activeZone, status: "active", reason: null, since: null, remedy: null, checked: 55n }
      ])
    }).pipe(Effect.provide(
      Database.layerOwner({ path: database.socketPath, database: database.database, username: "postgres" })
    ))
  })), 60_000)
