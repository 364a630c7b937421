/**
 * An empty, migrated database per suite on the run's embedded PostgreSQL.
 *
 * ```ts
 * layer(TestDatabase.layer, { excludeTestServices: true })((it) => { it.effect("…", () => …SqlClient…) })
 * ```
 */
import type { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { randomBytes } from "node:crypto"
import { connect } from "node:net"
import { inject } from "vitest"
import * as Database from "../src/database/Database.ts"
import type { TestDatabaseContent, TestDatabaseServer } from "./TestDatabaseServer.ts"

const askServer = (content: TestDatabaseContent) =>
  Effect.callback<TestDatabaseServer>((resume) => {
    const socket = connect({ path: inject("testDatabaseServer") }, () => socket.write(content))
    let text = ""
    socket.setEncoding("utf8")
    socket.on("data", (data) => text += data)
    socket.on("error", (error) => resume(Effect.die(error)))
    socket.on("end", () => {
      const answer: TestDatabaseServer & { readonly error?: string } = JSON.parse(text)
      resume(answer.error === undefined ? Effect.succeed(answer) : Effect.die(new Error(answer.error)))
    })
  })

/** The suite's own database, for what the application's role may not do. */
export class TestDatabase extends Context.Service<TestDatabase, {
  readonly socketPath: string
  readonly database: string
  /** Runs an effect as the owner of the schema, over a connection of its own: fixtures, catalogue checks. */
  readonly asOwner: <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | SqlError.SqlError, Exclude<R, PgClient.PgClient | SqlClient.SqlClient>>
}>()("@rainlogs/server/test/TestDatabase") {}

/** Makes a copy of the migrated template, or an empty database, and drops it when the scope closes. */
export const make = Effect.fn("TestDatabase.make")(function*(content: TestDatabaseContent) {
  const { socketPath, template } = yield* askServer(content)
  const database = `test_${randomBytes(8).toString("hex")}`
  const administer = Database.asOwner({ path: socketPath, database: "postgres", username: "postgres" })
  yield* Effect.acquireRelease(
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE DATABASE ${sql(database)} TEMPLATE ${sql(template)}`
    }).pipe(administer, Effect.orDie),
    () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql`DROP DATABASE ${sql(database)} WITH (FORCE)`
      }).pipe(administer, Effect.orDie)
  )
  return TestDatabase.of({
    socketPath,
    database,
    asOwner: Database.asOwner({ path: socketPath, database, username: "postgres" })
  })
})

/** A migrated empty database as the application's `SqlClient` (role `rainlogs_app`), dropped afterwards. */
export const layer: Layer.Layer<PgClient.PgClient | SqlClient.SqlClient | TestDatabase> = Layer.unwrap(
  Effect.map(make("migrated"), (database) =>
    Layer.merge(
      Layer.succeed(TestDatabase, database),
      Layer.orDie(Database.layerApplication({
        path: database.socketPath,
        database: database.database,
        username: Database.applicationRole
      }))
    ))
)
