/**
 * The body of a download: opened before the answer starts, complete only if the whole object was verified, and broken
 * off rather than ever silently short.
 */
import { Opener, type OpenTarget } from "@rainlogs/core/archive/Opener"
import { Effect, Pull, Stream } from "effect"
import { logUnreadable } from "./Failures.ts"

/**
 * The window's lines, with the first bytes already read: an object that is missing or damaged from the start fails
 * here, while the answer can still say so. What fails later is logged and fails the stream, which breaks the
 * connection. The object stays open until the request's scope closes.
 */
export const open = Effect.fn("Download.open")(function*(target: OpenTarget) {
  const opener = yield* Opener
  const pull = yield* Stream.toPull(withholdLast(opener.open(target)))
  const first = yield* Pull.catchDone(pull, () => Effect.succeed([]))
  return Stream.concat(
    Stream.fromIterable(first),
    Stream.fromPull(Effect.succeed(pull)).pipe(Stream.tapError((error) => logUnreadable(target.job, error)))
  )
})

/**
 * Gives every chunk out one chunk late, and the last only when the stream has ended well. The opener knows that
 * nothing is missing or changed only at the end; a client that has all the announced bytes must be able to rely on it.
 */
const withholdLast = <E, R>(chunks: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E, R> =>
  chunks.pipe(
    Stream.filter((chunk) => chunk.length > 0),
    // The mark comes only if the stream ended well; `onHalt` of mapAccum would also run after a failure.
    Stream.concat(Stream.succeed(undefined)),
    Stream.mapAccum(
      (): ReadonlyArray<Uint8Array> => [],
      (held, chunk: Uint8Array | undefined) => [chunk === undefined ? [] : [chunk], held]
    )
  )
