/**
 * Everything the server answers, as one layer for an `HttpRouter`.
 */
import { Api } from "@rainlogs/core/api/Api"
import { Layer } from "effect"
import { HttpServer } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import * as Authorizers from "./Authorizers.ts"
import * as BundlesHandlers from "./BundlesHandlers.ts"
import * as CoverageHandlers from "./CoverageHandlers.ts"
import * as CustomersHandlers from "./CustomersHandlers.ts"
import * as Docs from "./Docs.ts"
import * as ErasuresHandlers from "./ErasuresHandlers.ts"
import * as HoldsHandlers from "./HoldsHandlers.ts"
import * as LogpushHandlers from "./LogpushHandlers.ts"
import * as LogpushReceiver from "./LogpushReceiver.ts"
import * as LogsHandlers from "./LogsHandlers.ts"
import * as Metrics from "./Metrics.ts"
import * as PipelinesHandlers from "./PipelinesHandlers.ts"
import * as PolicyHandlers from "./PolicyHandlers.ts"
import * as ProblemResponses from "./ProblemResponses.ts"
import * as PublicLedger from "./PublicLedger.ts"
import * as QuotaHandlers from "./QuotaHandlers.ts"
import * as RequestValidation from "./RequestValidation.ts"
import * as SystemHandlers from "./SystemHandlers.ts"
import * as SystemState from "./SystemState.ts"
import * as ZonesHandlers from "./ZonesHandlers.ts"

/** The handlers and middleware of the API, without routes: what an in-memory client needs. */
export const handlers = Layer.mergeAll(
  SystemHandlers.layer.pipe(Layer.provide(SystemState.layer)),
  CustomersHandlers.layer,
  ZonesHandlers.layer,
  CoverageHandlers.layer,
  LogpushHandlers.layer,
  LogsHandlers.layer,
  HoldsHandlers.layer,
  ErasuresHandlers.layer,
  PolicyHandlers.layer,
  BundlesHandlers.layer,
  QuotaHandlers.layer,
  PipelinesHandlers.layer
).pipe(
  Layer.provideMerge(Layer.mergeAll(Authorizers.layerCustomer, Authorizers.layerAdmin, RequestValidation.layer))
)

/**
 * All routes: the API, `/openapi.json`, `/docs`, `/metrics`, and the public ledgers. Serve with
 * `HttpRouter.serve(routes)`. Reads `RAINLOGS_ARCHIVE_DOMAIN` and `RAINLOGS_PUBLIC_LEDGER`.
 */
export const routes = Layer.mergeAll(
  // No endpoint answers with a file, so the services for that may be the empty ones.
  HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(Layer.provide([handlers, HttpServer.layerServices])),
  Docs.layer,
  Metrics.layer.pipe(Layer.provide(SystemState.layer)),
  PublicLedger.layer,
  LogpushReceiver.layer,
  ProblemResponses.layer
)
