/**
 * Turns every failed decoding of a request into one `InvalidRequest` that lists all issues.
 */
import { HttpApiMiddleware } from "effect/http-api"
import { InternalFault, InvalidRequest } from "./Problem.ts"

/** Applied to the whole API; answers 400 for a request that does not fit, 500 for an answer of ours that does not. */
export class RequestValidation
  extends HttpApiMiddleware.Service<RequestValidation>()("@rainlogs/core/RequestValidation", {
    error: [InvalidRequest, InternalFault]
  })
{}
