/**
 * The SQL connection of the application, migrated and without superuser rights.
 *
 * Migrations run over their own connection as the owner of the schema. Everything else runs as the role `rainlogs_app`,
 * which the first migration creates and which row-level security binds.
 */
import { PgClient } from "@effect/sql-pg"
import { Config, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { EmbeddedPostgres, type EmbeddedPostgresOptions } from "./EmbeddedPostgres.ts"
import { migrations as allMigrations } from "./migrations.generated.ts"
import * as Migrations from "./Migrations.ts"
import * as PostgresCluster from "./PostgresCluster.ts"
import type { PostgresError } from "./PostgresError.ts"

/** The role the application works as: no superuser, no BYPASSRLS, owner of nothing. */
export const applicationRole = "rainlogs_app"

/** The database answers, but must not be used as it is. */
export class DatabaseUnsuitable extends Schema.TaggedError<DatabaseUnsuitable>()("DatabaseUnsuitable", {
  /** What is wrong and how to mend it. */
  reason: Schema.String
}) {
  override get message(): string {
    return this.reason
  }
}

/** The server at DATABASE_URL cannot be reached or does not let us in. */
export class DatabaseUnreachable extends Schema.TaggedError<DatabaseUnreachable>()("DatabaseUnreachable", {
  /** What the server or the network answered; never the URL, which holds the password. */
  reason: Schema.String
}) {
  override get message(): string {
    return `The database at DATABASE_URL does not let us in: ${this.reason}. Check the URL and that the server runs.`
  }
}

/** Every way in which the database fails to become usable. */
export type DatabaseError = Migrations.MigrationError | SqlError.SqlError | DatabaseUnsuitable

/** What both ways to connect have in common. */
export interface DatabaseOptions {
  /** The migrations; Rainlogs' own by default. */
  readonly migrations?: ReadonlyArray<Migrations.Migration> | undefined
  /** Connections of the application's pool; 10 by default. */
  readonly poolSize?: number | undefined
}

const defaultPoolSize = 10

/** PostgreSQL 15, the oldest release Rainlogs supports, as `server_version_num`. */
const oldestRelease = 150_000

/**
 * Row-level security does not bind superusers and roles with BYPASSRLS, so the application refuses to work as one. The
 * check also notices a connection pooler that dropped the `role` parameter.
 */
const checkRole = Effect.fnUntraced(function*(sql: SqlClient.SqlClient) {
  const [found] = yield* sql<{ role: string; free: boolean; release: number }>`
    SELECT current_user::text AS role, (rolsuper OR rolbypassrls) AS free,
      current_setting('server_version_num')::int AS release
    FROM pg_roles WHERE rolname = current_user`
  if (found === undefined || found.role !== applicationRole || found.free) {
    return yield* new DatabaseUnsuitable({
      reason: `The application must work as the role ${applicationRole} without superuser and BYPASSRLS, but got ` +
        `${found?.role ?? "no role"}. A connection pooler must pass the start-up parameter "role" on.`
    })
  }
  if (found.release < oldestRelease) {
    return yield* new DatabaseUnsuitable({
      reason: `PostgreSQL 15 or newer is needed; this server is ${Math.floor(found.release / 10_000)}.`
    })
  }
})

/** One connection as the owner of the schema: for migrations and maintenance, never for requests. */
export const layerOwner = (
  owner: PgClient.PgClientConfig
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError.SqlError> =>
  PgClient.layerFrom(PgClient.makeClient({ ...owner, applicationName: "rainlogs owner" }))

/** Runs `effect` over one connection as the owner of the schema, closed afterwards. */
export const asOwner = (owner: PgClient.PgClientConfig) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | SqlError.SqlError, Exclude<R, PgClient.PgClient | SqlClient.SqlClient>> =>
  Effect.provide(effect, layerOwner(owner))

/** The application's pool, checked once. */
export const layerApplication = (
  config: PgClient.PgPoolConfig
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError.SqlError | DatabaseUnsuitable> =>
  PgClient.layerFrom(Effect.gen(function*() {
    const client = yield* PgClient.make({ maxConnections: defaultPoolSize, applicationName: "rainlogs", ...config })
    yield* checkRole(client)
    return client
  }))

/** Makes the embedded server's database at the first start. */
const makeDatabase = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const found = yield* sql`SELECT FROM pg_database WHERE datname = ${PostgresCluster.databaseName}`
  if (found.length === 0) yield* sql`CREATE DATABASE ${sql(PostgresCluster.databaseName)}`
})

/**
 * On the embedded server the application logs in *as* its role: the socket admits it without a password, and no
 * statement whatsoever can lead from that session back to the superuser, as `RESET ROLE` would after `SET ROLE`.
 */
const allowLogin = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER ROLE ${sql(applicationRole)} LOGIN`
})

/** Migrates a database of the embedded server and opens the application's pool on it. */
export const layerOnSocket = (
  options: DatabaseOptions & {
    readonly socketPath: string
    readonly database: string
  }
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, DatabaseError> => {
  const { database, socketPath: path } = options
  const owner = { path, database, username: PostgresCluster.ownerRole }
  return Layer.unwrap(Effect.as(
    asOwner(owner)(Effect.andThen(Migrations.migrate(options.migrations ?? allMigrations), allowLogin)),
    layerApplication({
      path,
      database,
      username: applicationRole,
      maxConnections: options.poolSize ?? defaultPoolSize
    })
  ))
}

/**
 * Starts the embedded PostgreSQL, migrates it and connects as the application. `EmbeddedPostgres` is among the services
 * for those who report on the server's state.
 */
export const layerEmbedded = (
  options: EmbeddedPostgresOptions & DatabaseOptions
): Layer.Layer<EmbeddedPostgres | PgClient.PgClient | SqlClient.SqlClient, PostgresError | DatabaseError> =>
  Layer.unwrap(Effect.gen(function*() {
    const { socketPath } = yield* EmbeddedPostgres
    yield* asOwner({ path: socketPath, database: "postgres", username: PostgresCluster.ownerRole })(makeDatabase)
    return layerOnSocket({ ...options, socketPath, database: PostgresCluster.databaseName })
  })).pipe(Layer.provideMerge(EmbeddedPostgres.layer(options)))

const explainConnection = (error: Migrations.MigrationError | SqlError.SqlError) => {
  if (error._tag !== "SqlError" || error.reason.operation !== "connect") return error
  const { cause } = error.reason
  return new DatabaseUnreachable({
    reason: cause instanceof Error && cause.message !== "" ? cause.message : error.message
  })
}

/**
 * Connects to the PostgreSQL server (15 or newer) at the URL in `DATABASE_URL` (secret), whose user owns the schema and
 * may create roles, and migrates it. One URL is one login, so the application's connections take on its role by the
 * start-up parameter `role`, which is their session default: `RESET ROLE` and `DISCARD ALL` come back to it.
 */
export const layerUrl = (
  options: DatabaseOptions = {}
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, DatabaseError | DatabaseUnreachable | Config.ConfigError> =>
  Layer.unwrap(Effect.gen(function*() {
    const url = yield* Config.Redacted("DATABASE_URL")
    yield* Migrations.migrate(options.migrations ?? allMigrations).pipe(
      asOwner({ url }),
      Effect.mapError(explainConnection)
    )
    return layerApplication({
      url,
      startupParameters: { role: applicationRole },
      maxConnections: options.poolSize ?? defaultPoolSize
    })
  }))
