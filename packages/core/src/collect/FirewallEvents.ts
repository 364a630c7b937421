/**
 * The collection strategy for `cloudflare/graphql/firewall_events`: Security Events, on every plan. Each row has its
 * `sampleInterval`. Field names are those of Cloudflare's SDL (`ZoneFirewallEventsAdaptive`).
 */
import { type GraphqlOptions, type GraphqlSource, layerConfigured, layerOf } from "./GraphqlStrategy.ts"

/** The source. */
export const firewallEvents: GraphqlSource = {
  name: "firewallEventsAdaptive",
  api: "graphql/firewallEventsAdaptive",
  source: "cloudflare/graphql/firewall_events",
  horizonMs: 30 * 86_400_000,
  sampleInterval: "in-rows",
  fields: [
    "datetime",
    "rayName",
    "ruleId",
    "action",
    "source",
    "matchIndex",
    "sampleInterval",
    "clientIP",
    "clientRequestHTTPHost",
    "clientRequestHTTPMethodName",
    "clientRequestPath",
    "clientRequestQuery",
    "edgeResponseStatus",
    "userAgent",
    "clientCountryName",
    "clientAsn",
    "description",
    "rulesetId",
    "ref",
    "kind",
    "originatorRayName",
    "metadata",
    "clientRequestScheme",
    "clientRequestHTTPProtocol",
    "clientASNDescription",
    "edgeColoName",
    "originResponseStatus",
    "zoneVersion",
    "clientIPClass",
    "clientRefererHost",
    "clientRefererPath",
    "ja4",
    "botScore",
    "wafAttackScore"
  ]
}

/** The strategy with these settings. */
export const layerOptions = (options: GraphqlOptions) => layerOf(firewallEvents, options)

/** The strategy; the settle time is `RAINLOGS_GRAPHQL_SETTLE_MS`. */
export const layer = layerConfigured(firewallEvents)
