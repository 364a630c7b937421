/**
 * The body of a response as its sender meant it: decompressed, and a failure unless every byte has come. HTTP/1.1
 * (RFC 9112 §6) says where a body ends by length or chunks; gzip says it once more; a body with neither could be cut
 * without a trace and is refused.
 */
import { Cause, Clock, Effect, Pull, Stream } from "effect"
import type { HttpClientError, HttpClientResponse } from "effect/http"
import { CollectionError } from "./CollectionError.ts"
import { gunzip, gzipMagic } from "./Gunzip.ts"

/** The limits of one body. */
export interface WireLimits {
  /** The longest time without a byte, ms. */
  readonly idleMs: number
  /** When the whole body must have come, monotonic ms. */
  readonly deadline: number
  /** The largest body after decompression, bytes. */
  readonly longestBytes: number
}

const failure = (
  category: "transient" | "malformed" | "oversize",
  code: string,
  detail: string,
  remedy: string | null = null
): CollectionError => new CollectionError({ category, code, detail, remedy, retryAfterMs: null })

/** The monotonic clock, ms. */
export const monotonicMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/** The machine name of a network failure (`ECONNRESET`, `CERT_HAS_EXPIRED`), never its text. */
const causeCode = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" &&
    /^[A-Z][A-Z0-9_]{1,60}$/.test(cause.code)
    ? cause.code
    : "unknown reason"

const tlsFailure = /CERT|TLS|SSL|SELF_SIGNED|VERIFY/

/** The typed error of a request that got no response, or of a body that broke off. */
export const transportError = (error: HttpClientError.HttpClientError): CollectionError => {
  const { reason } = error
  const code = causeCode("cause" in reason ? reason.cause : undefined)
  if (tlsFailure.test(code)) {
    return failure(
      "transient",
      "tls-failed",
      `the server's certificate was not accepted (${code})`,
      "Check RAINLOGS_CLOUDFLARE_BASE_URL, this machine's clock and its certificate store; verification is never turned off."
    )
  }
  return reason._tag === "DecodeError"
    ? failure("transient", "connection-lost", `the connection broke while the response came (${code})`)
    : failure("transient", "connection-failed", `no response (${reason._tag}, ${code})`)
}

/** Fails when no byte came for `idleMs`, or when the deadline has passed: a server that only drips ends too. */
const bounded = (limits: WireLimits) => <R>(self: Stream.Stream<Uint8Array, CollectionError, R>) =>
  Stream.transformPull(self, (pull) =>
    Effect.succeed(
      Effect.gen(function*() {
        const left = limits.deadline - (yield* monotonicMs)
        const late = failure("transient", "response-timeout", "the response took longer than it may")
        if (left <= 0) return yield* late
        return yield* Effect.timeoutOrElse(pull, {
          duration: Math.min(left, limits.idleMs),
          orElse: () =>
            Effect.fail(
              left <= limits.idleMs
                ? late
                : failure("transient", "idle-timeout", `no data for ${limits.idleMs / 1_000} s`)
            )
        })
      })
    ))

/** Fails at the end unless exactly `expected` bytes came; null: any number. */
const counted = (expected: number | null) => <R>(self: Stream.Stream<Uint8Array, CollectionError, R>) =>
  Stream.transformPull(self, (pull) =>
    Effect.sync(() => {
      let received = 0
      return Pull.catchDone(
        Effect.map(pull, (pieces) => {
          for (const piece of pieces) received += piece.length
          return pieces
        }),
        (): Effect.Effect<never, CollectionError | Cause.Done> =>
          expected === null || received === expected
            ? Cause.done()
            : Effect.fail(
              failure("transient", "connection-lost", `the body ended after ${received} of ${expected} bytes`)
            )
      )
    }))

/** Fails with category `oversize` when more than `longestBytes` come out. */
const capped = (longestBytes: number) => <R>(self: Stream.Stream<Uint8Array, CollectionError, R>) =>
  Stream.transformPull(self, (pull) =>
    Effect.sync(() => {
      let received = 0
      return Effect.flatMap(pull, (pieces) => {
        for (const piece of pieces) received += piece.length
        return received <= longestBytes
          ? Effect.succeed(pieces)
          : Effect.fail(failure("oversize", "response-too-large", `the response is longer than ${longestBytes} bytes`))
      })
    }))

type Encoding = "identity" | "gzip" | "unsupported"

const encodingOf = (header: string | undefined): Encoding => {
  const text = (header ?? "").trim().toLowerCase()
  if (text === "" || text === "identity") return "identity"
  return text === "gzip" || text === "x-gzip" ? "gzip" : "unsupported"
}

/** The first pieces with a byte in them, or none if the body is empty. */
const firstPieces = <R>(pull: Pull.Pull<ReadonlyArray<Uint8Array>, CollectionError, void, R>) =>
  Effect.gen(function*() {
    while (true) {
      const pieces = yield* Pull.catchDone(pull, () => Effect.succeed(null))
      if (pieces === null) return []
      const filled = pieces.filter((piece) => piece.length > 0)
      if (filled.length > 0) return filled
    }
  })

/**
 * Decompresses by what the bytes are, not by what the header says: an HTTP client that decompressed by itself leaves
 * the header and hides a cut, so `gzip` without gzip bytes is a failure. `length` is the `Content-Length`, or null.
 */
const decoded =
  (encoding: Encoding, chunked: boolean, length: number | null) =>
  (self: Stream.Stream<Uint8Array, CollectionError>): Stream.Stream<Uint8Array, CollectionError> =>
    Stream.unwrap(Effect.gen(function*() {
      const pull = yield* Stream.toPull(self)
      const first = yield* firstPieces(pull)
      const whole = Stream.concat(Stream.fromArray(first), Stream.fromPull(Effect.succeed(pull)))
      if (encoding === "unsupported") {
        return yield* failure(
          "malformed",
          "unsupported-encoding",
          "the body is compressed in a way that was not asked for"
        )
      }
      if (first[0]?.[0] === gzipMagic) return gunzip(whole)
      // An empty body says so itself only by its length; without one, the gzip stream is missing.
      if (encoding === "gzip" && length !== 0) {
        return yield* failure(
          "malformed",
          first.length === 0 ? "truncated-gzip" : "not-gzip",
          "the body is announced as gzip and is not",
          "If this is not Cloudflare: use an HTTP client that leaves bodies compressed."
        )
      }
      if (!chunked && length === null) {
        return yield* failure("malformed", "unframed-body", "the body has no length, so a cut could not be noticed")
      }
      return whole
    }))

/** The body of `response`, decompressed and bounded; it fails rather than end early. */
export const wireBody = (
  response: HttpClientResponse.HttpClientResponse,
  limits: WireLimits
): Stream.Stream<Uint8Array, CollectionError> => {
  const { headers } = response
  const announced = headers["content-length"]
  const length = announced !== undefined && /^[0-9]{1,15}$/.test(announced) ? Number(announced) : null
  return response.stream.pipe(
    Stream.mapError(transportError),
    bounded(limits),
    counted(length),
    decoded(encodingOf(headers["content-encoding"]), /\bchunked\b/i.test(headers["transfer-encoding"] ?? ""), length),
    capped(limits.longestBytes)
  )
}
