/**
 * Around every request: a limit for its body, security headers on its answer, and an RFC 9457 problem for whatever no
 * handler answered (unknown paths, oversize or unreadable bodies, faults).
 */
import { InvalidRequest, RequestTooLarge, RouteNotFound, UnsupportedMediaType } from "@rainlogs/core/api/Problem"
import { ByteSize, Cause, Effect, type Types } from "effect"
import {
  HttpIncomingMessage,
  HttpRouter,
  HttpServerError,
  HttpServerRequest,
  HttpServerRespondable,
  HttpServerResponse
} from "effect/http"
import { internalFault } from "./Failures.ts"

/** The largest request body, in bytes; no endpoint needs more. */
export const largestBodyBytes = 65_536

/** On every answer that does not set its own: nothing here is a page, and nothing may be kept by a cache. */
const defaultHeaders = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY"
}

/** Applied to every route of the router, and to paths without a route. */
export const layer = HttpRouter.middleware(
  (answer: Effect.Effect<HttpServerResponse.HttpServerResponse, Types.unhandled>) => respond(answer),
  { global: true }
)

const respond = Effect.fnUntraced(function*(
  answer: Effect.Effect<HttpServerResponse.HttpServerResponse, Types.unhandled>
): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  Types.unhandled,
  HttpServerRequest.HttpServerRequest
> {
  const request = yield* HttpServerRequest.HttpServerRequest
  // A declared length is refused before a byte is read; an undeclared one while it is read.
  const response = Number(request.headers["content-length"]) > largestBodyBytes
    ? yield* HttpServerRespondable.toResponse(tooLarge())
    : yield* answer.pipe(
      Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(largestBodyBytes)),
      Effect.matchCauseEffect({ onSuccess: fromResponse, onFailure: (cause) => fromCause(request, cause) })
    )
  return HttpServerResponse.setHeaders(response, { ...defaultHeaders, ...response.headers })
})

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
    if (!HttpServerError.isHttpServerError(error)) continue
    if (error.reason._tag === "RouteNotFound") return HttpServerRespondable.toResponse(routeNotFound(request))
    if (error.reason._tag === "RequestParseError") {
      return HttpServerRespondable.toResponse(error.reason.reason === "BodyTooLarge" ? tooLarge() : unreadable())
    }
  }
  return Effect.flatMap(internalFault(cause), HttpServerRespondable.toResponse)
}

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
