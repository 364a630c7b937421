/**
 * Strict gzip decompression (RFC 1952) of a stream. HTTP clients that decompress by themselves let a stream pass that
 * was cut in the middle; here a missing end, a wrong checksum and bytes after the end are failures.
 */
import { Cause, Effect, Latch, Pull, Scope, Stream } from "effect"
import { createGunzip, type Gunzip } from "node:zlib"
import { CollectionError } from "./CollectionError.ts"

/** The first byte of every gzip stream (RFC 1952 §2.3.1); no NDJSON starts with it. */
export const gzipMagic = 0x1f

/** Size of the pieces that come out, bytes: large enough to keep the cost per piece small. */
const pieceBytes = 131_072

const broken = (code: string, detail: string): CollectionError =>
  new CollectionError({ category: "malformed", code, detail, remedy: null, retryAfterMs: null })

/** Node and Bun name the early end of a gzip stream by the same code. */
const errorOf = (cause: Error): CollectionError =>
  "code" in cause && cause.code === "Z_BUF_ERROR"
    ? broken("truncated-gzip", "the gzip stream ends too early")
    : broken("broken-gzip", `the gzip stream is damaged (${"code" in cause ? String(cause.code) : "unknown"})`)

interface Engine {
  readonly gunzip: Gunzip
  /** Opened by whatever may let the reader go on. */
  readonly changed: Latch.Latch
  /** Bytes given to it. */
  fed: number
  /** A piece of input is being worked on: no more is given until then, so input does not pile up. */
  busy: boolean
  ended: boolean
  failure: CollectionError | undefined
}

const makeEngine = (): Engine => {
  const gunzip = createGunzip({ chunkSize: pieceBytes })
  const engine: Engine = {
    gunzip,
    changed: Latch.makeUnsafe(false),
    fed: 0,
    busy: false,
    ended: false,
    failure: undefined
  }
  gunzip.on("readable", () => engine.changed.openUnsafe())
  gunzip.on("end", () => {
    engine.ended = true
    engine.changed.openUnsafe()
  })
  gunzip.on("error", (cause) => {
    engine.failure ??= errorOf(cause)
    engine.changed.openUnsafe()
  })
  return engine
}

const give = (engine: Engine, bytes: Uint8Array): void => {
  engine.busy = true
  engine.fed += bytes.length
  engine.gunzip.write(bytes, () => {
    engine.busy = false
    engine.changed.openUnsafe()
  })
}

const take = (engine: Engine): Array<Uint8Array> => {
  const pieces: Array<Uint8Array> = []
  let piece: unknown
  while (pieces.length < 16 && (piece = engine.gunzip.read()) !== null) {
    if (piece instanceof Uint8Array && piece.length > 0) pieces.push(piece)
  }
  return pieces
}

/** Decompresses one gzip stream of one or more members; fails with category `malformed` unless it is whole. */
export const gunzip = <E, R>(
  self: Stream.Stream<Uint8Array, E, R>
): Stream.Stream<Uint8Array, E | CollectionError, R> =>
  Stream.transformPullBracket(self, (upstream, _, scope) =>
    Effect.gen(function*() {
      const engine = makeEngine()
      yield* Scope.addFinalizer(scope, Effect.sync(() => engine.gunzip.destroy()))
      const input: Array<Uint8Array> = []
      let inputEnded = false

      /** Gives the engine its next piece, or the end. */
      const feed = Effect.suspend(() => {
        const next = input.shift()
        if (next !== undefined) return Effect.sync(() => give(engine, next))
        return Pull.catchDone(
          Effect.map(upstream, (pieces) => {
            input.push(...pieces)
          }),
          () =>
            Effect.sync(() => {
              inputEnded = true
              engine.gunzip.end()
            })
        )
      })

      // What the engine has consumed is known only after its end; zero bytes behind it are not an error to zlib.
      const finish = Effect.suspend((): Effect.Effect<never, CollectionError | Cause.Done> =>
        engine.gunzip.bytesWritten === engine.fed
          ? Cause.done()
          : Effect.fail(broken("trailing-garbage", "bytes follow the end of the gzip stream"))
      )

      return Effect.gen(function*() {
        while (true) {
          engine.changed.closeUnsafe()
          const [first, ...rest] = take(engine)
          if (first !== undefined) return [first, ...rest] as const
          if (engine.failure !== undefined) return yield* engine.failure
          if (engine.ended) return yield* finish
          yield* engine.busy || inputEnded ? engine.changed.await : feed
        }
      })
    }))
