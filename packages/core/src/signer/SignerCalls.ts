/**
 * One request to the signer process: a whole answer within a time and a size, or `SignerUnavailable` that says what to
 * do. After a failure nobody is made to wait for the same failure again for a while.
 */
import { Clock, Effect, type Redacted, Schedule, Stream } from "effect"
import { HttpClient, type HttpClientError, HttpClientRequest } from "effect/http"
import { SignerUnavailable } from "../ledger/Signer.ts"

/** One request. */
export interface SignerCall {
  readonly origin: string
  readonly method: "GET" | "POST"
  readonly path: string
  readonly body: Uint8Array | null
  /** Whether it may be sent again when it failed. */
  readonly repeat: "yes" | "no"
}

/** An answer, whole. */
export interface SignerCallAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: Uint8Array
}

// A signed note has at most a million bytes.
const longestAnswerBytes = 1_048_576
const repeats = Schedule.max([Schedule.exponential("100 millis"), Schedule.recurs(3)]).pipe(Schedule.jittered)

const codeOf = ({ reason }: HttpClientError.HttpClientError): string => {
  const cause: unknown = "cause" in reason ? reason.cause : undefined
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : reason._tag
}

/** Builds the function that asks. */
export const makeSignerCalls = Effect.fnUntraced(function*(options: {
  readonly url: string
  readonly name: string
  readonly token: Redacted.Redacted<string>
  readonly timeoutMs?: number
}) {
  const { name, timeoutMs = 10_000, token, url } = options
  const http = HttpClient.withScope(yield* HttpClient.HttpClient)
  const away = { until: 0, detail: "" }

  const failed = (origin: string, why: string) =>
    new SignerUnavailable({
      origin,
      detail: `the signer at ${name} does not answer (${why}). Nothing was signed; collecting goes on and publishing ` +
        "resumes by itself. See that `rainlogs signer` runs and that this process may reach it"
    })

  const exchange = Effect.fnUntraced(function*({ body, method, origin, path }: SignerCall) {
    const target = `${url.replace(/\/$/, "")}${path}`
    const request = HttpClientRequest.make(method)(target).pipe(
      HttpClientRequest.bearerToken(token),
      body === null
        ? HttpClientRequest.setHeader("content-length", "0")
        : HttpClientRequest.bodyUint8Array(body, "text/plain; charset=utf-8")
    )
    const broken = (error: HttpClientError.HttpClientError) => failed(origin, codeOf(error))
    const response = yield* http.execute(request).pipe(
      Effect.provideService(HttpClient.TracerPropagationEnabled, false),
      Effect.mapError(broken)
    )
    const pieces: Array<Uint8Array> = []
    let size = 0
    yield* response.stream.pipe(
      Stream.mapError(broken),
      Stream.runForEach((piece) => {
        size += piece.length
        if (size > longestAnswerBytes) return Effect.fail(failed(origin, `more than ${longestAnswerBytes} bytes`))
        pieces.push(piece)
        return Effect.void
      })
    )
    const announced = response.headers["content-length"]
    if (announced !== undefined && Number(announced) !== size) {
      return yield* failed(origin, `its answer ended after ${size} of ${announced} bytes`)
    }
    const { status } = response
    if (status === 403) {
      const detail = `the signer at ${name} refuses the token. Nothing was signed. Set RAINLOGS_SIGNER_TOKEN or ` +
        "RAINLOGS_SIGNER_TOKEN_FILE to the text of request.token in the signer's directory"
      return yield* new SignerUnavailable({ origin, detail })
    }
    if (status >= 500) return yield* failed(origin, `status ${status}`)
    const contentType = response.headers["content-type"] ?? ""
    return { status, contentType, body: new Uint8Array(Buffer.concat(pieces)) } satisfies SignerCallAnswer
  })

  const monotonicMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

  return Effect.fn("SignerCalls.call")(function*(call: SignerCall) {
    const begun = yield* monotonicMs
    if (begun < away.until) return yield* new SignerUnavailable({ origin: call.origin, detail: away.detail })
    const once = Effect.scoped(exchange(call))
    return yield* (call.repeat === "yes" ? Effect.retry(once, repeats) : once).pipe(
      Effect.timeoutOrElse({
        duration: timeoutMs,
        orElse: () => Effect.fail(failed(call.origin, `no whole answer within ${timeoutMs} ms`))
      }),
      Effect.tapError(({ detail }) =>
        Effect.map(monotonicMs, (now) => {
          // As long as the failure took, so that of many ledgers' publishers at most half the time is spent waiting.
          away.until = now + Math.max(250, now - begun)
          away.detail = detail
        })
      )
    )
  })
})
