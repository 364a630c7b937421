/**
 * The REST API's contract, free of server code so that clients and the browser can use it.
 */
import { HttpApi, OpenApi } from "effect/http-api"
import { BundlesApi } from "./BundlesApi.ts"
import { CoverageApi } from "./CoverageApi.ts"
import { CustomersApi } from "./CustomersApi.ts"
import { ErasuresApi } from "./ErasuresApi.ts"
import { HoldsApi } from "./HoldsApi.ts"
import { LogpushApi } from "./LogpushApi.ts"
import { LogsApi } from "./LogsApi.ts"
import { PipelinesApi } from "./PipelinesApi.ts"
import { PolicyApi } from "./PolicyApi.ts"
import { CustomerQuotasApi, QuotaApi } from "./QuotaApi.ts"
import { RequestValidation } from "./RequestValidation.ts"
import { SystemApi } from "./SystemApi.ts"
import { ZonesApi } from "./ZonesApi.ts"

/** Every endpoint. Requests are read strictly: all issues are reported, unknown fields and parameters are issues. */
export class Api extends HttpApi.make("rainlogs")
  .add(SystemApi)
  .add(CustomersApi)
  .add(ZonesApi)
  .add(CoverageApi)
  .add(LogpushApi)
  .add(LogsApi)
  .add(HoldsApi)
  .add(ErasuresApi)
  .add(PolicyApi)
  .add(BundlesApi)
  .add(QuotaApi)
  .add(CustomerQuotasApi)
  .add(PipelinesApi)
  .middleware(RequestValidation)
  .annotate(HttpApi.PayloadParseOptions, { errors: "all", onExcessProperty: "error" })
  .annotate(HttpApi.QueryParseOptions, { errors: "all", onExcessProperty: "error" })
  .annotateMerge(OpenApi.annotations({
    title: "Rainlogs",
    version: "1",
    summary: "A log archive that can prove itself",
    description: "Archives Cloudflare logs so that anyone can verify them offline. Errors are RFC 9457 problems " +
      "(`application/problem+json`): `type` is stable, `detail` says what happened and why, `remedy` what to do.",
    license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" }
  }))
{}
