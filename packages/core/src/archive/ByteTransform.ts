/**
 * Runs a stream through something that is fed piece by piece and has an end: a decryptor, a frame reader, a counter.
 */
import { Effect, Stream } from "effect"

/** Fed with every piece in order, then ended. Both may throw what `expected` names; anything else is a defect. */
export interface Transform<in A, out B> {
  readonly push: (piece: A) => ReadonlyArray<B>
  readonly end: () => ReadonlyArray<B>
}

/** The stream through a fresh transform per run. `expected` turns what the transform throws into an error, or undefined for a defect. */
export const transform = <A, B, E, R, E2>(
  source: Stream.Stream<A, E, R>,
  make: () => Transform<A, B>,
  expected: (cause: unknown) => E2 | undefined
): Stream.Stream<B, E | E2, R> => {
  const step = (run: () => ReadonlyArray<B>) =>
    Stream.fromIterableEffect(Effect.try({
      try: run,
      catch: (cause) => {
        const error = expected(cause)
        if (error === undefined) throw cause
        return error
      }
    }))
  return Stream.suspend(() => {
    const made = make()
    return Stream.concat(
      Stream.flatMap(source, (piece) => step(() => made.push(piece))),
      Stream.suspend(() => step(() => made.end()))
    )
  })
}
