/**
 * Isolation of customers with the WHERE forgotten, and what the roles may do.
 */
import { assert, describe, layer } from "@effect/vitest"
import type { Source } from "@rainlogs/core/domain/Source"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { readMigrations } from "../../../../scripts/embed-migrations.ts"
import * as Migrations from "../../src/database/Migrations.ts"
import { withCustomer } from "../../src/database/Tenant.ts"
import * as TestDatabase from "../TestDatabase.ts"
import { attack, end, insertEntry, insertJob, insertTile, makeHeldTimeline, makeTimeline, refusal } from "./attack.ts"
import { Live, live, makeCustomer, start, step } from "./fixtures.ts"

/** A requested bundle of `owner` for the zone of `source`. */
const insertBundle = (sql: SqlClient.SqlClient, owner: Source, source: Source) =>
  sql`INSERT INTO bundle_jobs ${
    sql.insert({
      customer_id: owner.customer,
      id: randomUUID(),
      zone_id: source.zone,
      from_ms: start,
      to_ms: end,
      disclose: false,
      created_ms: start,
      updated_ms: start
    })
  }`

describe("the schema", { timeout: 60_000 }, () => {
  layer(Live, live)((it) => {
    describe("row-level security", () => {
      const tables = [
        "customers",
        "api_keys",
        "zones",
        "sources",
        "catalog_changes",
        "log_jobs",
        "windows",
        "timelines",
        "ledger_entries",
        "holds",
        "hold_scopes",
        "erasures",
        "bundle_jobs",
        "usage_days",
        "push_sources",
        "source_pipelines",
        "pseudonym_keys"
      ]

      it.effect("is enabled and forced on every table of a customer", () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const rows = yield* sql<{ name: string; enabled: boolean; forced: boolean }>`
            SELECT relname AS name, relrowsecurity AS enabled, relforcerowsecurity AS forced
            FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`
          const open = rows.filter(({ enabled, forced }) => !enabled || !forced).map(({ name }) => name).toSorted()
          assert.deepStrictEqual(open, ["bundle_transitions", "job_transitions", "rainlogs_migrations"])
          const bound = rows.filter(({ enabled, forced }) => enabled && forced).map(({ name }) => name).toSorted()
          assert.deepStrictEqual(bound, tables.toSorted())
        }))

      it.effect("with the WHERE forgotten a customer sees and changes its own rows only", () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const mine = yield* makeHeldTimeline
          const theirs = yield* makeHeldTimeline
          for (const source of [mine, theirs]) {
            yield* insertBundle(sql, source, source).pipe(withCustomer(source.customer))
            yield* sql`INSERT INTO push_sources ${
              sql.insert({
                customer_id: source.customer,
                source_id: source.id,
                secret_sha256: new Uint8Array(32),
                spool: randomUUID(),
                updated_ms: start
              })
            }`.pipe(withCustomer(source.customer))
            yield* sql`INSERT INTO source_pipelines (customer_id, source_id, version, set_ms)
              SELECT customer_id, id, 1, 1 FROM sources`.pipe(withCustomer(source.customer))
            yield* sql`INSERT INTO pseudonym_keys ${
              sql.insert({ customer_id: source.customer, period: "never", created_ms: 1, destroyed_ms: 1 })
            }`.pipe(withCustomer(source.customer))
          }
          for (const table of [...tables, "source_timelines", "source_progress"]) {
            const owner = table === "customers" ? "id" : "customer_id"
            const seen = yield* sql<{ owner: string }>`SELECT DISTINCT ${sql(owner)} AS owner FROM ${sql(table)}`.pipe(
              withCustomer(mine.customer)
            )
            assert.deepStrictEqual(seen, [{ owner: mine.customer }], table)
            assert.deepStrictEqual(yield* sql`SELECT FROM ${sql(table)}`, [], `${table} without a customer`)
          }
          yield* sql`UPDATE sources SET window_ms = 1`.pipe(withCustomer(mine.customer))
          yield* sql`UPDATE zones SET name = 'taken'`.pipe(withCustomer(mine.customer))
          yield* sql`DELETE FROM bundle_jobs`.pipe(withCustomer(mine.customer))
          assert.lengthOf(yield* sql`SELECT FROM bundle_jobs`.pipe(withCustomer(theirs.customer)), 1)
          const untouched = yield* sql<{ window_ms: bigint; name: string }>`
            SELECT s.window_ms, z.name FROM sources s JOIN zones z ON z.id = s.zone_id`.pipe(
            withCustomer(theirs.customer)
          )
          assert.deepStrictEqual(untouched, [{ window_ms: BigInt(step), name: "shop.example.com" }])
        }))

      it.effect("a row of another customer is not written", () =>
        Effect.gen(function*() {
          const mine = yield* makeTimeline
          const theirs = yield* makeTimeline
          const other = yield* makeCustomer
          const forged = { ...mine, customer: theirs.customer }
          for (
            const statements of [
              (sql: SqlClient.SqlClient) => [insertJob(sql, forged, randomUUID(), end, end + 1)],
              (sql: SqlClient.SqlClient) => [insertTile(sql, forged, randomUUID(), end, end + 1, end)],
              (sql: SqlClient.SqlClient) => [insertEntry(sql, forged, {})],
              (sql: SqlClient.SqlClient) => [insertBundle(sql, theirs, theirs)],
              (sql: SqlClient.SqlClient) => [
                sql`INSERT INTO customers ${
                  sql.insert({ id: other.id, name: "x", origin: `a.example/t/${other.id}`, created_ms: start })
                }`
              ],
              (sql: SqlClient.SqlClient) => [
                sql`INSERT INTO api_keys ${
                  sql.insert({
                    customer_id: other.id,
                    prefix: randomUUID(),
                    sha256: new Uint8Array(32),
                    created_ms: start
                  })
                }`
              ]
            ]
          ) assert.match(yield* attack(mine, statements), /^42501 .*row-level security/)
        }))

      it.effect("the application is bound by it and may not change the schema", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          for (
            const statement of [
              "ALTER TABLE log_jobs DISABLE ROW LEVEL SECURITY",
              "ALTER TABLE ledger_entries DISABLE TRIGGER ALL",
              "DROP TABLE ledger_entries",
              "CREATE TABLE mine (x int)",
              "SET ROLE postgres",
              "SET ROLE rainlogs_scheduler",
              "SET session_replication_role = replica"
            ]
          ) assert.match(yield* attack(source, (sql) => [sql.unsafe(statement)]), /^42501/, statement)
        }))

      it.effect("binds an owner that is no superuser too, who can install the schema all the same", () =>
        Effect.gen(function*() {
          const { asOwner: administer, database } = yield* TestDatabase.make("empty")
          const owner = `owner_${database}`
          yield* Effect.gen(function*() {
            const sql = yield* SqlClient.SqlClient
            yield* sql`CREATE ROLE ${sql(owner)} CREATEROLE`
            yield* sql`GRANT rainlogs_app, rainlogs_scheduler TO ${sql(owner)} WITH ADMIN OPTION`
            yield* sql`ALTER DATABASE ${sql(database)} OWNER TO ${sql(owner)}`
            yield* sql`SET ROLE ${sql(owner)}`
            yield* Migrations.migrate(readMigrations())
            const id = randomUUID()
            yield* sql`INSERT INTO customers ${
              sql.insert({ id, name: "x", origin: `a.example/t/${id}`, created_ms: start })
            }`.pipe(withCustomer(id))
            assert.deepStrictEqual(yield* sql`SELECT id FROM customers`, [])
            yield* sql`SET ROLE rainlogs_app`
            assert.deepStrictEqual(yield* sql`SELECT customer_id FROM all_ledgers()`, [{ customer_id: id }])
          }).pipe(administer)
        }).pipe(Effect.scoped))

      it.effect("what looks across customers is owned by a role that reads these columns and nothing else", () =>
        Effect.gen(function*() {
          const database = yield* TestDatabase.TestDatabase
          yield* Effect.gen(function*() {
            const sql = yield* SqlClient.SqlClient
            const functions = yield* sql<{ name: string; owner: string; path: string }>`
              SELECT proname::text AS name, proowner::regrole::text AS owner, array_to_string(proconfig, ' ') AS path
              FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace AND prorettype <> 'trigger'::regtype
              ORDER BY proname`
            assert.deepStrictEqual(
              functions.map(({ name }) => name),
              [
                "active_timelines",
                "all_ledgers",
                "all_progress",
                "blocked_sources",
                "due_bundles",
                "due_jobs",
                "find_api_key",
                "open_bundles",
                "overdue_bundles",
                "paused_customers",
                "push_sources_of",
                "unsaved_records"
              ]
            )
            for (const { owner, path } of functions) {
              assert.strictEqual(owner, "rainlogs_scheduler")
              assert.strictEqual(path, "search_path=public, pg_temp")
            }
            yield* sql`SET ROLE rainlogs_scheduler`
            for (
              const statement of [
                "SELECT token_sealed FROM zones",
                "SELECT object_key FROM log_jobs",
                "SELECT file_sha256 FROM bundle_jobs",
                "SELECT basis FROM erasures",
                "UPDATE bundle_jobs SET updated_ms = 1",
                "SELECT * FROM ledger_entries",
                "UPDATE log_jobs SET updated_ms = 1",
                "DELETE FROM windows"
              ]
            ) assert.match(refusal(yield* Effect.flip(sql.unsafe(statement))), /^42501/, statement)
          }).pipe(database.asOwner)
        }))
    })
  })
})
