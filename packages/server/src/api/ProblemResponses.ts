/**
 * Around every request: a limit for its body, security headers on its answer, and an RFC 9457 problem for whatever no
 * handler answered (unknown paths, oversize or unreadable bodies, faults).
 */
import {
  InvalidRequest,
  RequestTimeout,
  RequestTooLarge,
  RouteNotFound,
  UnsupportedMediaType
} from "@rainlogs/core/api/Problem"
import { ByteSize, Cause, Effect, Fiber, type Types } from "effect"
import {
  HttpIncomingMessage,
  HttpMethod,
  HttpRouter,
  HttpServerError,
  HttpServerRequest,
  HttpServerRespondable,
  HttpServerResponse
} from "effect/http"
import { internalFault } from "./Failures.ts"

/** The largest request body, in bytes; no endpoint needs more. */
export const largestBodyBytes = 65_536

/** Below it, handlers read bodies of any size themselves, as a stream and with limits. */
export const ingestPrefix = "/ingest/"

/** On every answer that does not set its own: nothing here is a page, and nothing may be kept by a cache. */
const defaultHeaders = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY"
}

type Answer = Effect.Effect<HttpServerResponse.HttpServerResponse, Types.unhandled>

/** Applied to every route of the router, and to paths without a route. `bodyDeadlineMs`: time for a body to arrive. */
export const make = (options: { readonly bodyDeadlineMs: number }) =>
  HttpRouter.middleware((answer: Answer) => respond(answer, options.bodyDeadlineMs), { global: true })

/** Bodies have 30 seconds to arrive. */
export const layer = make({ bodyDeadlineMs: 30_000 })

const respond = Effect.fnUntraced(function*(
  answer: Answer,
  bodyDeadlineMs: number
): Effect.fn.Return<HttpServerResponse.HttpServerResponse, Types.unhandled, HttpServerRequest.HttpServerRequest> {
  const request = yield* HttpServerRequest.HttpServerRequest
  // Batches of logs are read piece by piece, with limits of their own.
  const streamed = request.url.startsWith(ingestPrefix)
  // A declared length is refused before a byte is read; an undeclared one while it is read.
  const response = !streamed && Number(request.headers["content-length"]) > largestBodyBytes
    ? yield* HttpServerRespondable.toResponse(tooLarge())
    : yield* (streamed ? Effect.void : received(request, bodyDeadlineMs)).pipe(
      Effect.andThen(answer),
      Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(largestBodyBytes)),
      Effect.matchCauseEffect({ onSuccess: fromResponse, onFailure: (cause) => fromCause(request, cause) })
    )
  return HttpServerResponse.setHeaders(response, { ...defaultHeaders, ...response.headers })
})

/**
 * Waits for the body, which the request keeps for its handler, so that a client that never ends it holds nothing. The
 * reading is only left behind at the deadline: interrupting it at once would close the socket before the answer.
 */
const received = (request: HttpServerRequest.HttpServerRequest, deadlineMs: number) =>
  HttpMethod.hasBody(request.method)
    ? Effect.forkChild(request.text).pipe(
      Effect.flatMap((reading) =>
        Effect.timeoutOrElse(Fiber.join(reading), {
          duration: deadlineMs,
          orElse: () => Effect.fail(late(deadlineMs))
        })
      )
    )
    : Effect.void

/** The router answers an unknown content type by itself, in plain text. */
const fromResponse = (response: HttpServerResponse.HttpServerResponse) =>
  response.status === 415
    ? HttpServerRespondable.toResponse(
      new UnsupportedMediaType({
        detail: "The request body has a content type this endpoint does not read.",
        remedy: "Send JSON, with Content-Type: application/json."
      })
    )
    : Effect.succeed(response)

const fromCause = (request: HttpServerRequest.HttpServerRequest, cause: Cause.Cause<unknown>) => {
  // The client or the server went away: there is nobody to answer.
  if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
  for (const reason of cause.reasons) {
    const error = reason._tag === "Fail" ? reason.error : reason._tag === "Die" ? reason.defect : undefined
    if (error instanceof RequestTimeout) return HttpServerRespondable.toResponse(error)
    if (!HttpServerError.isHttpServerError(error)) continue
    if (error.reason._tag === "RouteNotFound") return HttpServerRespondable.toResponse(routeNotFound(request))
    if (error.reason._tag === "RequestParseError") {
      return HttpServerRespondable.toResponse(error.reason.reason === "BodyTooLarge" ? tooLarge() : unreadable())
    }
  }
  return Effect.flatMap(internalFault(cause), HttpServerRespondable.toResponse)
}

const late = (deadlineMs: number) =>
  new RequestTimeout({
    detail: `The request body did not arrive within ${deadlineMs} ms.`,
    remedy: "Send the request again."
  })

const tooLarge = () =>
  new RequestTooLarge({
    limitBytes: largestBodyBytes,
    detail: `The request body is larger than ${largestBodyBytes} bytes.`,
    remedy: "Send a smaller body."
  })

const unreadable = () =>
  new InvalidRequest({
    errors: [{ path: ["payload"], message: "Expected a complete body" }],
    detail: "The request body could not be read to its end.",
    remedy: "Send the request again."
  })

const routeNotFound = (request: HttpServerRequest.HttpServerRequest) =>
  new RouteNotFound({
    detail: `There is no ${request.method} at this path.`,
    remedy: "GET /openapi.json and GET /docs describe every endpoint."
  })
