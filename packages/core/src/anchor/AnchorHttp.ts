/**
 * One POST to an anchor over HTTP: a whole answer within a time and a size, or a typed error. Redirects are not
 * followed: where a checkpoint goes is what the operator wrote, never what a server answers.
 */
import { Clock, Effect, Stream } from "effect"
import { HttpClient, type HttpClientError, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { parseRetryAfter } from "../resilience/Backoff.ts"
import { type AnchorCategory, AnchorError } from "./Anchor.ts"

/** What to send, and how long and how large the answer may be (ms, bytes). */
export interface AnchorPost {
  readonly anchor: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly contentType: string
  readonly body: Uint8Array
  readonly timeoutMs: number
  /** Null: the status is all that counts, and the body is not read. */
  readonly longestAnswerBytes: number | null
  /** Statuses other than 2xx that are answers as well. */
  readonly answers?: ReadonlyArray<number>
}

/** An answer, whole. */
export interface AnchorAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: Uint8Array
}

/** The longest time an anchor may take to answer, ms. */
export const answerTimeoutMs = 30_000

const categoryOf = (status: number): AnchorCategory => {
  if (status === 429 || status === 503) return "throttled"
  if (status === 401 || status === 403 || status === 407) return "unauthorised"
  return status >= 500 || status === 408 || status === 425 ? "transient" : "rejected"
}

const describe = (status: number): string => {
  if (status >= 300 && status < 400) {
    return `it answers ${status}, a redirect, which is not followed: configure the final URL`
  }
  return `it answers ${status}`
}

/** The machine name of a network failure (`ECONNREFUSED`, `CERT_HAS_EXPIRED`), never its text. */
const causeCode = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" &&
    /^[A-Z][A-Z0-9_]{1,60}$/.test(cause.code)
    ? cause.code
    : "no reason given"

/** Builds the function that posts. */
export const makePost = Effect.gen(function*() {
  const http = HttpClient.withScope(yield* HttpClient.HttpClient)

  const failed = (anchor: string, category: AnchorCategory, detail: string, retryAfterMs: number | null = null) =>
    new AnchorError({ anchor, category, detail, retryAfterMs })

  const transport = (anchor: string, what: string) => ({ reason }: HttpClientError.HttpClientError) =>
    failed(anchor, "transient", `${what} (${causeCode("cause" in reason ? reason.cause : undefined)})`)

  const bodyOf = Effect.fnUntraced(function*(
    post: AnchorPost,
    longest: number,
    response: HttpClientResponse.HttpClientResponse
  ) {
    const pieces: Array<Uint8Array> = []
    let size = 0
    yield* response.stream.pipe(
      Stream.mapError(transport(post.anchor, "the connection broke while the answer came")),
      Stream.runForEach((piece) => {
        size += piece.length
        if (size > longest) {
          const detail = `the answer is longer than ${longest} bytes`
          return Effect.fail(failed(post.anchor, "rejected", detail))
        }
        pieces.push(piece)
        return Effect.void
      })
    )
    const announced = response.headers["content-length"]
    if (announced !== undefined && Number(announced) !== size) {
      return yield* failed(post.anchor, "transient", `the answer ended after ${size} of ${announced} bytes`)
    }
    return new Uint8Array(Buffer.concat(pieces))
  })

  const exchange = Effect.fnUntraced(function*(post: AnchorPost) {
    const request = HttpClientRequest.post(post.url).pipe(
      HttpClientRequest.setHeaders({ ...post.headers, "accept-encoding": "identity", "user-agent": "rainlogs" }),
      HttpClientRequest.bodyUint8Array(post.body, post.contentType)
    )
    const response = yield* http.execute(request).pipe(
      Effect.provideService(HttpClient.TracerPropagationEnabled, false),
      Effect.mapError(transport(post.anchor, "no answer"))
    )
    const { status } = response
    if ((status < 200 || status > 299) && post.answers?.includes(status) !== true) {
      const category = categoryOf(status)
      const wish = parseRetryAfter(response.headers["retry-after"], yield* Clock.currentTimeMillis)
      return yield* failed(post.anchor, category, describe(status), wish)
    }
    const { longestAnswerBytes: longest } = post
    const body = longest === null ? new Uint8Array() : yield* bodyOf(post, longest, response)
    return { status, contentType: response.headers["content-type"] ?? "", body } satisfies AnchorAnswer
  })

  return (post: AnchorPost): Effect.Effect<AnchorAnswer, AnchorError> =>
    Effect.scoped(exchange(post)).pipe(
      Effect.timeoutOrElse({
        duration: post.timeoutMs,
        orElse: () => Effect.fail(failed(post.anchor, "transient", `no whole answer within ${post.timeoutMs} ms`))
      })
    )
})

/** An http(s) URL without credentials and fragment, or what is wrong with the text. */
export const urlFault = (text: string): string | undefined => {
  if (!URL.canParse(text)) return "an absolute URL such as https://tsa.example/tsr"
  const url = new URL(text)
  if (url.protocol !== "https:" && url.protocol !== "http:") return "an https (or http) URL"
  if (url.username !== "" || url.password !== "") return "a URL without user name and password"
  return url.hash === "" ? undefined : "a URL without a fragment"
}
