/**
 * The strategies of this process by the source they collect. A source whose strategy is not here (a spool on another
 * machine, say) is left to the processes that have it.
 */
import { Context, Effect, Layer } from "effect"
import type { SourceName } from "../domain/Source.ts"
import { CollectionStrategy } from "./CollectionStrategy.ts"

/** One strategy, as its service. */
export type Strategy = CollectionStrategy["Service"]

/** The strategies by source name. */
export class CollectionStrategies extends Context.Service<CollectionStrategies, {
  /** The strategy of a source, or undefined where this process has none. */
  readonly of: (name: SourceName) => Strategy | undefined
}>()("@rainlogs/core/CollectionStrategies") {
  /** The one strategy of the context. */
  static readonly layerOne: Layer.Layer<CollectionStrategies, never, CollectionStrategy> = Layer.effect(
    CollectionStrategies,
    Effect.map(CollectionStrategy, (strategy) => of([strategy]))
  )
}

/** A registry of these strategies; of two for one source the later counts. */
export const of = (strategies: ReadonlyArray<Strategy>): CollectionStrategies["Service"] => {
  const byName = new Map(strategies.map((strategy) => [strategy.limits.source, strategy] as const))
  return CollectionStrategies.of({ of: (name) => byName.get(name) })
}

/** A registry of the strategies that these layers give, each on its own. */
export const layer = <E, R>(
  strategies: ReadonlyArray<Layer.Layer<CollectionStrategy, E, R>>
): Layer.Layer<CollectionStrategies, E, R> =>
  Layer.effect(
    CollectionStrategies,
    Effect.map(
      Effect.forEach(strategies, (one) => Effect.map(Layer.build(Layer.fresh(one)), Context.get(CollectionStrategy))),
      of
    )
  )
