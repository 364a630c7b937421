/**
 * The GraphQL datasets of the simulator: their fields (names and types of Cloudflare's SDL) and what each plan may read of them
 * («GraphQL Analytics API limits», Security Events page).
 */
import type { Plan } from "./SimulatedZone.ts"

/** Datasets of single rows. */
export type GraphqlDataset = "firewallEventsAdaptive" | "httpRequestsAdaptive"

/** Every dataset of single rows. */
export const graphqlDatasets: ReadonlyArray<GraphqlDataset> = ["firewallEventsAdaptive", "httpRequestsAdaptive"]

/** What a zone may ask of a dataset, as its `settings` node says it: times in seconds. */
export interface GraphqlSettings {
  readonly enabled: boolean
  readonly notOlderThan: number
  readonly maxDuration: number
  readonly maxPageSize: number
  readonly maxNumberOfFields: number
  readonly availableFields: ReadonlyArray<string>
}

const common = [
  "action",
  "clientASNDescription",
  "clientAsn",
  "clientCountryName",
  "clientIP",
  "clientRequestHTTPHost",
  "clientRequestHTTPMethodName",
  "clientRequestHTTPProtocol",
  "clientRequestPath",
  "clientRequestQuery",
  "clientRequestScheme",
  "datetime",
  "edgeResponseStatus",
  "originResponseStatus",
  "rayName",
  "userAgent",
  "zoneVersion"
]

/** The fields the simulator can give, by dataset. */
export const graphqlFields: Readonly<Record<GraphqlDataset, ReadonlyArray<string>>> = {
  firewallEventsAdaptive: [
    ...common,
    "description",
    "edgeColoName",
    "kind",
    "matchIndex",
    "metadata",
    "originatorRayName",
    "ref",
    "ruleId",
    "rulesetId",
    "sampleInterval",
    "source"
  ].sort(),
  httpRequestsAdaptive: [
    ...common.filter((name) => name !== "action"),
    "cacheStatus",
    "clientDeviceType",
    "coloCode",
    "edgeTimeToFirstByteMs",
    "originResponseDurationMs",
    "requestSource",
    "securityAction",
    "securitySource"
  ].sort()
}

const day = 86_400

const reach: Readonly<Record<GraphqlDataset, Readonly<Record<Plan, readonly [oldest: number, widest: number]>>>> = {
  firewallEventsAdaptive: {
    free: [day, day],
    pro: [day, day],
    business: [3 * day, 3 * day],
    enterprise: [30 * day, 31 * day]
  },
  httpRequestsAdaptive: {
    free: [7 * day, day],
    pro: [7 * day, 7 * day],
    business: [31 * day, 31 * day],
    enterprise: [90 * day, 31 * day]
  }
}

/** What a plan may ask of a dataset. */
export const graphqlSettings = (dataset: GraphqlDataset, plan: Plan): GraphqlSettings => {
  const [notOlderThan, maxDuration] = reach[dataset][plan]
  return {
    enabled: true,
    notOlderThan,
    maxDuration,
    maxPageSize: 10_000,
    maxNumberOfFields: 30,
    availableFields: graphqlFields[dataset]
  }
}
