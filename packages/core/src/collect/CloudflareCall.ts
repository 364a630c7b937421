/**
 * One request to Cloudflare's API: the circuit breaker is asked, the budgets are waited for, the request is made with
 * the token as its only secret, and its end is told to the breaker. A 429 pauses the budgets it speaks of.
 */
import { Cause, Clock, Effect, Pull, Redacted, type Scope, Stream } from "effect"
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import type { CloudflareZoneId } from "../domain/Identifier.ts"
import { parseRetryAfter } from "../resilience/Backoff.ts"
import { CircuitBreaker, type CircuitOpen, type Outcome, type Permit } from "../resilience/CircuitBreaker.ts"
import { type Budget, type BudgetExhausted, RateBudget } from "../resilience/RateBudget.ts"
import { fingerprint } from "../secrets/CloudflareToken.ts"
import { circuitKey } from "./CloudflareCircuits.ts"
import { errorCodes, errorOf, globalThrottleCodes, type RequestFacts } from "./CloudflareErrors.ts"
import type { CloudflareOptions } from "./CloudflareOptions.ts"
import { CollectionError } from "./CollectionError.ts"
import { monotonicMs, transportError, wireBody } from "./WireBody.ts"

/** What to ask. `api` names the endpoint without identifiers; `zone` is null for endpoints of the token itself. */
export interface CloudflareCall extends RequestFacts {
  readonly zone: CloudflareZoneId | null
  /** Path below the base URL. */
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  /** The JSON text to post; absent: a GET. */
  readonly body?: string
  /** Which budgets it is paid from: Logpull requests count twice, GraphQL queries have a budget of their own. */
  readonly family: "logpull" | "api" | "graphql"
}

/** A 200 whose body has begun. The caller reads it within the scope, {@link settled}. */
export interface CloudflareBody {
  readonly bytes: Stream.Stream<Uint8Array, CollectionError>
  readonly permit: Permit
  /** For a 200 that says «too many» in its body: pauses the budget; succeeds with the wait, ms. */
  readonly pause: Effect.Effect<number>
}

/** What an error says of the other side: only failing to serve counts against it, any clear answer shows it alive. */
export const outcomeOf = (error: CollectionError): Outcome =>
  error.category === "throttled" || error.category === "transient" || error.category === "malformed"
    ? "failure"
    : "success"

/** How much of an error's body is read, bytes. */
const errorBodyBytes = 16_384

const waiting = (code: string, detail: string, retryAfterMs: number): CollectionError =>
  new CollectionError({ category: "throttled", code, detail, remedy: null, retryAfterMs })

/** A refusal of our own: `throttled`, because the window is not to blame and waiting helps. */
const ownRefusal = (api: string) => (error: CircuitOpen | BudgetExhausted): CollectionError =>
  error._tag === "CircuitOpen"
    ? waiting("circuit-open", `${api}: left alone after repeated failures`, error.retryAfterMs)
    : waiting("budget-exhausted", `${api}: the request budget is used up`, error.retryAfterMs)

/** Characters of a bearer token (RFC 6750 §2.1); anything else could break out of the header. */
const bearer = /^[A-Za-z0-9._~+/-]{1,4096}=*$/

const malformedToken = new CollectionError({
  category: "unauthorised",
  code: "token-malformed",
  detail: "the API token contains characters no token has",
  remedy: "Enter the zone's Cloudflare API token again, without spaces or line breaks.",
  retryAfterMs: null
})

/** Reads a body up to `limit` bytes as text; what is beyond is dropped. */
export const textUpTo = (limit: number) => (bytes: Stream.Stream<Uint8Array, CollectionError>) =>
  Effect.gen(function*() {
    const decoder = new TextDecoder()
    let text = ""
    let size = 0
    yield* Stream.runForEachWhile(bytes, (piece) =>
      Effect.sync(() => {
        text += decoder.decode(piece.subarray(0, limit - size), { stream: true })
        size += piece.length
        return size < limit
      }))
    return text
  })

/** Reads a whole body as UTF-8 text, or undefined if it is longer than `limit` bytes; the rest is not waited for. */
export const wholeText = (limit: number) => (bytes: Stream.Stream<Uint8Array, CollectionError>) =>
  Effect.gen(function*() {
    const parts: Array<string> = []
    const decoder = new TextDecoder()
    let size = 0
    yield* Stream.runForEachWhile(bytes, (piece) =>
      Effect.sync(() => {
        size += piece.length
        if (size <= limit) parts.push(decoder.decode(piece, { stream: true }))
        return size <= limit
      }))
    return size > limit ? undefined : parts.join("") + decoder.decode()
  })

/** Builds the function that makes requests. */
export const makeCall = Effect.fnUntraced(function*(options: CloudflareOptions) {
  const http = HttpClient.withScope(yield* HttpClient.HttpClient)
  const budgets = yield* RateBudget
  const breaker = yield* CircuitBreaker

  /** Budgets are per credential too: what one customer spends on a zone id never holds up another's. */
  const budgetsOf = (call: CloudflareCall) => {
    const user = fingerprint(call.token)
    const api: Budget = call.family === "graphql"
      ? {
        key: options.graphqlRateLimit === "account" ? `graphql ${user} ${call.zone ?? ""}` : `graphql ${user}`,
        limit: options.graphqlRequestsPerFiveMinutes,
        windowMs: 300_000
      }
      : { key: `api ${user}`, limit: options.requestsPerFiveMinutes, windowMs: 300_000 }
    const logpull: ReadonlyArray<Budget> = call.family !== "logpull" ? [] : [
      { key: `logpull ${user}`, limit: options.userRequestsPerMinute, windowMs: 60_000 },
      ...(call.zone === null
        ? []
        : [{ key: `logpull ${user} ${call.zone}`, limit: options.zoneRequestsPerMinute, windowMs: 60_000 }])
    ]
    return { api, logpull }
  }

  /** `Retry-After` of Logpull speaks of zone or user, which it does not say; without the header it is the whole API. */
  const pauseFor = Effect.fnUntraced(function*(call: CloudflareCall, retryAfterMs: number | null, body: string) {
    const { api, logpull } = budgetsOf(call)
    const whole = retryAfterMs === null || logpull.length === 0 ||
      errorCodes(body).some((code) => globalThrottleCodes.includes(code))
    const wait = retryAfterMs ?? options.silentThrottleMs
    yield* Effect.forEach(whole ? [api] : logpull, (budget) => budgets.pause(budget, wait), { discard: true })
    return wait
  })

  const request = (call: CloudflareCall) =>
    (call.body === undefined
      ? HttpClientRequest.get(`${options.baseUrl}${call.path}`)
      : HttpClientRequest.bodyText(
        HttpClientRequest.post(`${options.baseUrl}${call.path}`),
        call.body,
        "application/json"
      )).pipe(
        HttpClientRequest.setUrlParams(call.query),
        HttpClientRequest.setHeaders({
          accept: "*/*",
          "accept-encoding": "gzip",
          authorization: `Bearer ${Redacted.value(call.token)}`,
          "user-agent": "rainlogs",
          ...(call.family === "graphql" && options.graphqlRateLimit === "account"
            ? { "x-rate-limit-type": "account-based" }
            : {})
        })
      )

  /** Fails with what a response says that is not a 200 with data. */
  const refused = Effect.fnUntraced(function*(
    call: CloudflareCall,
    response: HttpClientResponse.HttpClientResponse,
    deadline: number
  ) {
    const body = yield* textUpTo(errorBodyBytes)(
      wireBody(response, { idleMs: options.idleTimeoutMs, deadline, longestBytes: errorBodyBytes * 64 })
    ).pipe(
      // The status is known; a body that does not come makes the error shorter, not another one.
      Effect.orElseSucceed(() => "")
    )
    const header = parseRetryAfter(response.headers["retry-after"], yield* Clock.currentTimeMillis)
    return yield* errorOf({
      status: response.status,
      contentType: response.headers["content-type"] ?? "",
      body,
      retryAfterMs: response.status === 429 ? yield* pauseFor(call, header, body) : header
    }, call)
  })

  const respond = (call: CloudflareCall) =>
    http.execute(request(call)).pipe(
      // Trace headers are nobody's business at the other side.
      Effect.provideService(HttpClient.TracerPropagationEnabled, false),
      Effect.mapError(transportError),
      Effect.timeoutOrElse({
        duration: options.idleTimeoutMs,
        orElse: () =>
          Effect.fail(
            new CollectionError({
              category: "transient",
              code: "idle-timeout",
              detail: `no response for ${options.idleTimeoutMs / 1_000} s`,
              remedy: null,
              retryAfterMs: null
            })
          )
      })
    )

  /** From the request to the beginning of a good body; every other end is told to the breaker here. */
  const attempt = Effect.fnUntraced(function*(call: CloudflareCall, key: string) {
    // Asked again: the breaker may have opened while this caller waited for its budgets.
    const permit = yield* Effect.mapError(breaker.admit(key), ownRefusal(call.api))
    return yield* Effect.gen(function*() {
      const deadline = (yield* monotonicMs) + options.responseTimeoutMs
      const response = yield* respond(call)
      const contentType = response.headers["content-type"] ?? ""
      if (response.status !== 200 || /^\s*text\/html\b/i.test(contentType)) {
        return yield* refused(call, response, deadline)
      }
      const bytes = wireBody(response, {
        idleMs: options.idleTimeoutMs,
        deadline,
        longestBytes: options.longestResponseBytes
      })
      return { bytes, permit, pause: pauseFor(call, null, "") } satisfies CloudflareBody
    }).pipe(Effect.tapError((error) => permit.settle(outcomeOf(error), error.retryAfterMs)))
  })

  /** Makes one request; succeeds when a 200 has begun. */
  return (call: CloudflareCall): Effect.Effect<CloudflareBody, CollectionError, Scope.Scope> =>
    Effect.gen(function*() {
      if (!bearer.test(Redacted.value(call.token))) return yield* malformedToken
      const { api, logpull } = budgetsOf(call)
      const key = circuitKey(call)
      yield* Effect.mapError(breaker.check(key), ownRefusal(call.api))
      return yield* budgets.spend([api, ...logpull])(attempt(call, key)).pipe(
        Effect.catchTag("BudgetExhausted", (error) => Effect.fail(ownRefusal(call.api)(error)))
      )
    })
})

/** Tells the breaker how the body ended. A body the caller gave up says nothing. */
export const settled =
  (permit: Permit) => (self: Stream.Stream<Uint8Array, CollectionError>): Stream.Stream<Uint8Array, CollectionError> =>
    Stream.transformPull(self, (pull) =>
      Effect.succeed(
        Pull.catchDone(
          Effect.tapError(pull, (error) =>
            Cause.isDone(error) ? Effect.void : permit.settle(outcomeOf(error), error.retryAfterMs)),
          () =>
            Effect.andThen(permit.settle("success"), Cause.done())
        )
      ))
