/**
 * Pipelines and keys of pseudonyms that are in the catalog before anybody hears of them: were rules lost with the
 * database, lines would be archived with what the rules remove.
 */
import { Effect, Layer } from "effect"
import type { CustomerId } from "../domain/Identifier.ts"
import { PipelineStore } from "../pipeline/PipelineStore.ts"
import { PseudonymKeys } from "../pipeline/PseudonymKeys.ts"
import { Catalog } from "./Catalog.ts"
import { saveTimeout } from "./CatalogedCustomers.ts"

const makeSave = Effect.map(Catalog, (catalog) => (customer: CustomerId) =>
  catalog.saveOf(customer).pipe(
    Effect.timeout(saveTimeout),
    Effect.catchCause((cause) =>
      Effect.logWarning("a pipeline or a key of pseudonyms is not in the catalog yet; it is tried again", cause).pipe(
        Effect.annotateLogs({ customer })
      )
    )
  ))

const pipelines = Layer.effect(
  PipelineStore,
  Effect.gen(function*() {
    const store = yield* PipelineStore
    const save = yield* makeSave
    return PipelineStore.of({
      ...store,
      set: (customer, ...more) => Effect.tap(store.set(customer, ...more), save(customer))
    })
  })
)

const pseudonymKeys = Layer.effect(
  PseudonymKeys,
  Effect.gen(function*() {
    const keys = yield* PseudonymKeys
    const save = yield* makeSave
    return PseudonymKeys.of({
      ...keys,
      destroy: (customer, ...more) => Effect.tap(keys.destroy(customer, ...more), save(customer))
    })
  })
)

/** The stores beneath, with the catalog saved after each change; a store that does not take it undoes nothing. */
export const layer: Layer.Layer<
  PipelineStore | PseudonymKeys,
  never,
  PipelineStore | PseudonymKeys | Catalog
> = Layer.merge(pipelines, pseudonymKeys)
