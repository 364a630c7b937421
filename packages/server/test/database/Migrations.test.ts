import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../../src/database/Database.ts"
import * as Migrations from "../../src/database/Migrations.ts"
import * as TestDatabase from "../TestDatabase.ts"

const one: Migrations.Migration = { id: 1, name: "one", sql: "CREATE TABLE one (n int); INSERT INTO one VALUES (1);" }
const two: Migrations.Migration = {
  id: 2,
  name: "two",
  sql: `-- a comment; with a semicolon
    CREATE FUNCTION plus_one(n int) RETURNS int LANGUAGE plpgsql AS $$
    BEGIN
      EXECUTE $x$ SELECT 'it''s quoted; $1' $x$;
      RETURN n + 1; -- $rainlogs$
    END $$;
    UPDATE one SET n = plus_one(n);`
}

const owner = (database: TestDatabase.TestDatabase["Service"]) =>
  Database.layerOwner({ path: database.socketPath, database: database.database, username: "postgres" })

const rows = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<{ n: number }>`SELECT n FROM one`
})

const applied = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  return (yield* sql<{ id: number }>`SELECT id FROM rainlogs_migrations ORDER BY id`).map((row) => row.id)
})

/** Runs with an empty database and an owner's connection. */
const withEmpty = <A, E>(
  effect: (database: TestDatabase.TestDatabase["Service"]) => Effect.Effect<A, E, SqlClient.SqlClient>
) =>
  Effect.scoped(Effect.gen(function*() {
    const database = yield* TestDatabase.make("empty")
    return yield* Effect.provide(effect(database), owner(database))
  }))

describe("migrations", () => {
  it.live("are applied once, in order, several statements each", () =>
    withEmpty(() =>
      Effect.gen(function*() {
        yield* Migrations.migrate([one])
        yield* Migrations.migrate([one, two])
        yield* Migrations.migrate([one, two])
        assert.deepStrictEqual(yield* rows, [{ n: 2 }])
        assert.deepStrictEqual(yield* applied, [1, 2])
      })
    ), 60_000)

  it.live(
    "are applied once by processes that start at the same time",
    () =>
      withEmpty((database) =>
        Effect.gen(function*() {
          yield* Effect.forEach(
            Array.from({ length: 8 }),
            () => Effect.provide(Migrations.migrate([one, two]), owner(database), { local: true }),
            { concurrency: "unbounded", discard: true }
          )
          assert.deepStrictEqual(yield* rows, [{ n: 2 }])
        })
      ),
    60_000
  )

  it.live("refuse an applied text that has changed, and change nothing", () =>
    withEmpty(() =>
      Effect.gen(function*() {
        yield* Migrations.migrate([one])
        const error = yield* Effect.flip(Migrations.migrate([{ ...one, sql: `${one.sql} ` }, two]))
        assert.strictEqual(error._tag, "MigrationError")
        assert.include(error.message, "0001_one has been changed")
        assert.deepStrictEqual(yield* applied, [1])
      })
    ), 60_000)

  it.live("refuse a database of a newer version", () =>
    withEmpty(() =>
      Effect.gen(function*() {
        yield* Migrations.migrate([one, two])
        const error = yield* Effect.flip(Migrations.migrate([one]))
        assert.include(error.message, "newer Rainlogs")
      })
    ), 60_000)

  it.live("leave nothing of one that fails, and keep those before it", () =>
    withEmpty(() =>
      Effect.gen(function*() {
        const broken = { id: 2, name: "broken", sql: "UPDATE one SET n = 7; SELECT no_such_column FROM one" }
        const error = yield* Effect.flip(Migrations.migrate([one, broken]))
        assert.include(error.message, "0002_broken failed")
        assert.include(error.message, "no_such_column")
        assert.deepStrictEqual(yield* rows, [{ n: 1 }])
        assert.deepStrictEqual(yield* applied, [1])
      })
    ), 60_000)

  it.live("may not end their transaction", () =>
    withEmpty(() =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Migrations.migrate([one, { id: 2, name: "commit", sql: "COMMIT" }]))
        assert.include(error.message, "EXECUTE of transaction commands is not implemented")
        assert.deepStrictEqual(yield* applied, [1])
      })
    ), 60_000)

  it.live("must be numbered without gaps", () =>
    withEmpty(() =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Migrations.migrate([one, { ...two, id: 3 }]))
        assert.include(error.message, "out of sequence")
      })
    ), 60_000)
})
