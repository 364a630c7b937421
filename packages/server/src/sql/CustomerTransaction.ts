/**
 * How the SQL adapters talk to the database: in a transaction of one customer, or across customers through the narrow
 * functions of the schema; every failure of the database becomes a `DatabaseError` that says whether to try again.
 */
import { DatabaseError } from "@rainlogs/core/archive/WindowLedger"
import type { CustomerId } from "@rainlogs/core/domain/Identifier"
import { Effect, Predicate } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { withCustomer } from "../database/Tenant.ts"

/** SQLSTATE classes of a server that is busy, out of something or going down (PostgreSQL, appendix A). */
const passing = /^(?:08|40|53|55|57|58)/

/** What to do about a failure: `transient` may be tried again as it is, the others need a change first. */
type Category = "transient" | "unauthorised" | "rejected"

const categoryOf = (error: SqlError.SqlError, code: string | undefined): Category => {
  switch (error.reason._tag) {
    case "AuthenticationError":
    case "AuthorizationError":
      return "unauthorised"
    case "ConstraintError":
    case "UniqueViolation":
    case "SqlSyntaxError":
      return "rejected"
    case "UnknownError":
      return code !== undefined && !passing.test(code) ? "rejected" : "transient"
    default:
      return "transient"
  }
}

const textProperty = (value: unknown, name: string): string | undefined =>
  Predicate.hasProperty(value, name) && typeof value[name] === "string" ? value[name] : undefined

/** The failure with its category, SQLSTATE and the server's message (never its DETAIL, which quotes values). */
export const databaseError = (operation: string, error: SqlError.SqlError): DatabaseError => {
  const { cause } = error.reason
  const code = textProperty(cause, "code")
  const message = textProperty(cause, "message") ?? error.message
  const constraint = textProperty(cause, "constraint")
  return new DatabaseError({
    operation,
    detail: [
      categoryOf(error, code),
      ...code === undefined ? [] : [`SQLSTATE ${code}`],
      ...constraint === undefined ? [] : [`constraint ${constraint}`],
      message
    ].join(": ")
  })
}

/**
 * Turns failures of the database into `DatabaseError`. That includes the one kind that arrives as a defect: a ROLLBACK
 * that fails because the connection is gone, in which case the server has rolled back by itself.
 */
export const failAs =
  (operation: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, Exclude<E, SqlError.SqlError> | DatabaseError, R> =>
    effect.pipe(
      Effect.mapError((error) =>
        SqlError.isSqlError(error)
          ? databaseError(operation, error)
          // TypeScript does not narrow a type parameter by the guard that failed.
          : error as Exclude<E, SqlError.SqlError>
      ),
      Effect.catchDefect((defect) =>
        SqlError.isSqlError(defect) ? Effect.fail(databaseError(operation, defect)) : Effect.die(defect)
      )
    )

/** Runs `effect` in one transaction that sees and writes the rows of `customer` only. */
export const inCustomer =
  (sql: SqlClient.SqlClient, operation: string, customer: CustomerId) =>
  <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, Exclude<E, SqlError.SqlError> | DatabaseError> =>
    withCustomer(customer)(effect).pipe(
      Effect.provideService(SqlClient.SqlClient, sql),
      failAs(operation),
      Effect.withSpan(operation, { attributes: { customer } })
    )
