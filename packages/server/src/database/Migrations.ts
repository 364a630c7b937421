/**
 * Brings the database to the schema the code expects: numbered plain SQL, forward only.
 *
 * One transaction per migration, under an advisory lock, so several processes may start at once and a killed one leaves
 * nothing half done. The SHA-256 of each text is stored and compared at every start.
 */
import { Effect, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { createHash } from "node:crypto"

/** One migration file, `0001_name.sql`. */
export interface Migration {
  /** From the file name; 1, 2, 3 … without gaps. */
  readonly id: number
  readonly name: string
  /** The text of the file. It may hold several statements, but no transaction control. */
  readonly sql: string
}

/** The database and the code do not fit together, or a migration failed. Nothing was changed by this start. */
export class MigrationError extends Schema.TaggedError<MigrationError>()("MigrationError", {
  /** What does not fit, and what to do. */
  reason: Schema.String,
  /** The migration it is about. */
  id: Schema.Int
}) {
  override get message(): string {
    return this.reason
  }
}

/** SHA-256 of a migration's text, as 64 lowercase hexadecimal digits. */
export const checksum = (migration: Migration): string => createHash("sha256").update(migration.sql).digest("hex")

/** First 8 bytes of SHA-256("rainlogs/migrations"), as a signed number: the key of the advisory lock. */
const lockKey = createHash("sha256").update("rainlogs/migrations").digest().readBigInt64BE(0)

/**
 * The driver speaks the extended protocol, which takes one statement at a time, and splitting SQL text is a parser's
 * work. So the server does it: EXECUTE runs a text of many statements. It also refuses COMMIT and ROLLBACK, which would
 * break "one transaction per migration".
 */
const asOneStatement = (text: string): string => {
  const unique = createHash("sha256").update(text).digest("hex").slice(0, 16)
  const [outer, inner] = [`$rainlogs_do_${unique}$`, `$rainlogs_execute_${unique}$`]
  return `DO ${outer} BEGIN EXECUTE ${inner}${text}${inner}; END ${outer}`
}

const label = (migration: Migration) => `${String(migration.id).padStart(4, "0")}_${migration.name}`

/** Applies the next missing migration; false when there is none. */
const applyNext = Effect.fnUntraced(function*(sql: SqlClient.SqlClient, migrations: ReadonlyArray<Migration>) {
  yield* sql`SELECT pg_advisory_xact_lock(${lockKey})`
  yield* sql`CREATE TABLE IF NOT EXISTS rainlogs_migrations (
    id integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
    applied_at timestamptz NOT NULL DEFAULT now()
  )`
  const applied = yield* sql<{ id: number; name: string; checksum: string }>`
    SELECT id, name, checksum FROM rainlogs_migrations ORDER BY id`
  for (const row of applied) {
    const known = migrations[row.id - 1]
    if (known === undefined) {
      return yield* new MigrationError({
        id: row.id,
        reason: `The database was migrated by a newer Rainlogs (migration ${row.id} "${row.name}" is unknown here; ` +
          `this version knows ${migrations.length}). Start that version, or a later one.`
      })
    }
    if (checksum(known) !== row.checksum) {
      return yield* new MigrationError({
        id: row.id,
        reason: `Migration ${label(known)} has been changed since it was applied to this database ` +
          `(SHA-256 ${row.checksum} then, ${checksum(known)} now). Restore its text and put the change into a new ` +
          "migration."
      })
    }
  }
  const next = migrations[applied.length]
  if (next === undefined) return false
  yield* sql.unsafe(asOneStatement(next.sql)).pipe(
    Effect.mapError((error) =>
      new MigrationError({ id: next.id, reason: `Migration ${label(next)} failed: ${describe(error)}` })
    )
  )
  yield* sql`INSERT INTO rainlogs_migrations ${sql.insert({ id: next.id, name: next.name, checksum: checksum(next) })}`
  yield* Effect.logInfo(`Migration ${label(next)} applied`)
  return true
})

const describe = (error: SqlError.SqlError): string => {
  const cause = error.reason.cause
  return cause instanceof Error ? cause.message : error.message
}

/**
 * Applies the missing migrations with the current `SqlClient`, whose role must own the schema.
 */
export const migrate: (
  migrations: ReadonlyArray<Migration>
) => Effect.Effect<void, MigrationError | SqlError.SqlError, SqlClient.SqlClient> = Effect.fn("Migrations.migrate")(
  function*(migrations) {
    const misnumbered = migrations.find((migration, index) => migration.id !== index + 1)
    if (misnumbered !== undefined) {
      return yield* new MigrationError({
        id: misnumbered.id,
        reason: `Migration ${label(misnumbered)} is out of sequence: the numbers must be 1, 2, 3 … without gaps.`
      })
    }
    const sql = yield* SqlClient.SqlClient
    while (yield* sql.withTransaction(applyNext(sql, migrations))) { /* one transaction each */ }
  }
)
