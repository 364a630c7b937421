/**
 * A customer store whose customers and zones are in the catalog before anybody hears of them: a zone that was made a
 * moment before the database is lost comes back with it.
 */
import { Duration, Effect, Layer } from "effect"
import { CustomerStore } from "../archive/CustomerStore.ts"
import type { CustomerId } from "../domain/Identifier.ts"
import { Catalog } from "./Catalog.ts"

/** The longest that whoever makes a customer or a zone waits for the store. */
export const saveTimeout = Duration.seconds(10)

/**
 * The store beneath, with the catalog saved after each customer and zone. A store that does not take it does not undo
 * what was made: that is logged, and the loop tries again. No entry of the zone is published meanwhile, for that needs
 * the store too.
 */
export const layer: Layer.Layer<CustomerStore, never, CustomerStore | Catalog> = Layer.effect(
  CustomerStore,
  Effect.gen(function*() {
    const store = yield* CustomerStore
    const catalog = yield* Catalog
    const save = (customer: CustomerId) =>
      catalog.saveOf(customer).pipe(
        Effect.timeout(saveTimeout),
        Effect.catchCause((cause) =>
          Effect.logWarning("a new customer or zone is not in the catalog yet; it is tried again", cause).pipe(
            Effect.annotateLogs({ customer })
          )
        )
      )
    return CustomerStore.of({
      ...store,
      create: (customer, apiKey) => Effect.andThen(store.create(customer, apiKey), save(customer.id)),
      createZone: (zone, ...more) => Effect.andThen(store.createZone(zone, ...more), save(zone.customer))
    })
  })
)
