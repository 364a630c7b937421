/**
 * Runs SQL on behalf of one customer. Row-level security policies compare `customer_id` with the transaction's setting
 * `rainlogs.customer`; outside `withCustomer` it is unset, and the policies show no rows.
 */
import { Context, Effect, Option } from "effect"
import { SqlClient, type SqlError } from "effect/sql"

/** The name of the setting the policies read: `nullif(current_setting('rainlogs.customer', true), '')::uuid`. */
export const settingName = "rainlogs.customer"

/** The customer whose transaction the fiber is in. */
const CurrentCustomer = Context.Reference<Option.Option<string>>("@rainlogs/server/CurrentCustomer", {
  defaultValue: () => Option.none()
})

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/**
 * Runs `effect` in a transaction that sees and writes the rows of `customerId` (a lowercase UUID) only. Inside another
 * `withCustomer` of the same customer it joins that transaction; of another customer it dies, because one transaction
 * must never serve two. Anything but a UUID dies as well: an empty setting would mean "no customer".
 */
export const withCustomer =
  (customerId: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError.SqlError, R | SqlClient.SqlClient> =>
    Effect.gen(function*() {
      if (!uuidPattern.test(customerId)) return yield* Effect.die(new Error(`Not a customer id: "${customerId}"`))
      const sql = yield* SqlClient.SqlClient
      const transaction = Context.getOption(yield* Effect.context<never>(), sql.transactionService)
      const current = yield* CurrentCustomer
      if (Option.isSome(current) && Option.isSome(transaction)) {
        if (current.value === customerId) return yield* effect
        return yield* Effect.die(
          new Error(`A transaction of customer ${current.value} cannot also serve customer ${customerId}`)
        )
      }
      const set = (value: string) => sql`SELECT set_config(${settingName}, ${value}, true)`
      return yield* set(customerId).pipe(
        Effect.andThen(effect),
        // The setting ends with the transaction. When that is an outer one without a customer, it goes on after us;
        // a failure needs nothing, since rolling back to the savepoint restores the setting.
        Effect.tap(() => Option.isSome(transaction) ? Effect.asVoid(set("")) : Effect.void),
        sql.withTransaction,
        Effect.provideService(CurrentCustomer, Option.some(customerId))
      )
    })
