/**
 * Tells a caller everything that is wrong with a request, but never repeats a value that was sent: it may be a secret.
 */
import { InvalidRequest } from "@rainlogs/core/api/Problem"
import { RequestValidation } from "@rainlogs/core/api/RequestValidation"
import { Cause, Effect, SchemaIssue } from "effect"
import { HttpApiMiddleware } from "effect/http-api"
import { internalFault } from "./Failures.ts"

const places: { readonly [slot: string]: string } = {
  params: "path",
  query: "query",
  payload: "body",
  headers: "header"
}

// The default messages carry a value only if a schema asks for it; none of the API's does.
const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** The middleware with its answer. */
export const layer = HttpApiMiddleware.layerSchemaErrorTransform(RequestValidation, (error) => {
  if (error.kind === "Body" || error.kind === "ResponseHeaders") {
    return Effect.flatMap(internalFault(Cause.fail(error.cause)), Effect.fail)
  }
  const slot = error.kind.toLowerCase()
  const errors = format(error.cause.issue).issues.map((issue) => ({
    path: [slot, ...(issue.path ?? []).map((segment) => typeof segment === "object" ? segment.key : segment)].map(
      (segment) => typeof segment === "number" ? segment : String(segment)
    ),
    message: issue.message
  }))
  return Effect.fail(
    new InvalidRequest({
      errors,
      detail: `The ${places[slot] ?? slot} has ${errors.length === 1 ? "1 issue" : `${errors.length} issues`}: ${
        errors.map(({ message, path }) => path.length === 1 ? message : `${path.slice(1).join(".")}: ${message}`).join(
          "; "
        )
      }.`,
      remedy: "Correct every issue in `errors`; GET /openapi.json holds the schema."
    })
  )
})
