/**
 * What the store has, as an option instead of a failure.
 */
import { Effect, Option } from "effect"

/** None for an object that is missing; other failures stay. */
export const ifStored = <A, E>(effect: Effect.Effect<A, E>) =>
  effect.pipe(
    Effect.map(Option.some<A>),
    Effect.catchIf(
      (error): error is Extract<E, { readonly _tag: "ObjectMissing" }> =>
        typeof error === "object" && error !== null && "_tag" in error && error._tag === "ObjectMissing",
      () => Effect.succeed(Option.none<A>())
    )
  )
