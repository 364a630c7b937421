/**
 * The collection strategy for `cloudflare/graphql/http_requests`: a sample of the requests, on every plan. Rows say
 * nothing of their sampling; the window's average is in its parameters document. Field names are those of Cloudflare's
 * SDL (`ZoneHttpRequestsAdaptive`).
 */
import { type GraphqlOptions, type GraphqlSource, layerConfigured, layerOf } from "./GraphqlStrategy.ts"

/** The source. */
export const sampledRequests: GraphqlSource = {
  name: "httpRequestsAdaptive",
  api: "graphql/httpRequestsAdaptive",
  source: "cloudflare/graphql/http_requests",
  horizonMs: 90 * 86_400_000,
  sampleInterval: "in-count",
  fields: [
    "datetime",
    "rayName",
    "clientIP",
    "clientRequestHTTPHost",
    "clientRequestHTTPMethodName",
    "clientRequestPath",
    "clientRequestQuery",
    "edgeResponseStatus",
    "userAgent",
    "clientCountryName",
    "clientAsn",
    "securityAction",
    "securitySource",
    "cacheStatus",
    "clientRequestScheme",
    "clientRequestHTTPProtocol",
    "clientRequestReferer",
    "originResponseStatus",
    "requestSource",
    "coloCode",
    "clientDeviceType",
    "edgeTimeToFirstByteMs",
    "originResponseDurationMs",
    "clientASNDescription",
    "clientSSLProtocol",
    "ja4",
    "botScore",
    "wafAttackScore",
    "originIP",
    "zoneVersion"
  ]
}

/** The strategy with these settings. */
export const layerOptions = (options: GraphqlOptions) => layerOf(sampledRequests, options)

/** The strategy; the settle time is `RAINLOGS_GRAPHQL_SETTLE_MS`. */
export const layer = layerConfigured(sampledRequests)
