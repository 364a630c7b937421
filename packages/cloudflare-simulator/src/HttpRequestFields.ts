/**
 * The fields of the http_requests dataset as of 2026-09-15 (Cloudflare changelog "log fields updated"): names and types as
 * `GET /logs/received/fields` lists them, and the sets a request or a zone starts from.
 */

/** Cloudflare's type word for a field. */
export type FieldType =
  | "string"
  | "int"
  | "float"
  | "bool"
  | "object"
  | "array[string]"
  | "array[int]"
  | "array[object]"
  | "int or string"

const names: Readonly<Record<FieldType, string>> = {
  "string":
    "BotScoreSrc CacheCacheStatus ClientCity ClientCountry ClientDeviceType ClientIP ClientIPClass ClientLatitude ClientLongitude "
    + "ClientMTLSAuthCertFingerprint ClientMTLSAuthStatus ClientRegionCode ClientRequestHost ClientRequestMethod ClientRequestPath "
    + "ClientRequestProtocol ClientRequestReferer ClientRequestScheme ClientRequestSource ClientRequestURI ClientRequestUserAgent "
    + "ClientSSLCipher ClientSSLProtocol ClientTLSKeyExchangeGroup ClientXRequestedWith EdgeColoCode EdgePathingOp EdgePathingSrc "
    + "EdgePathingStatus EdgeRequestHost EdgeResponseContentType EdgeServerIP FraudAttack FraudEmailRisk FraudUserID JA3Hash JA4 "
    + "JSDetectionPassed LeakedCredentialCheckResult MatchedRules OriginIP OriginResponseHTTPExpires OriginResponseHTTPLastModified "
    + "OriginSSLProtocol OriginTLSKeyExchangeGroup ParentRayID PayPerCrawlStatus RayID SecurityAction SecurityRuleDescription "
    + "SecurityRuleID VerifiedBotCategory WAFFlags WAFMatchedVar WebAssetsOperationID WorkerScriptName WorkerStatus ZoneName",
  "int":
    "AISecurityInjectionScore AISecurityTokenCount BotScore CacheLockWaitedMs CacheResponseBytes CacheResponseStatus ClientASN "
    + "ClientRequestBytes ClientSrcPort ClientTCPRTTMs EdgeColoID EdgeResponseBodyBytes EdgeResponseBytes EdgeResponseStatus "
    + "EdgeTimeToFirstByteMs FirewallForAIInjectionScore FirewallForAITokenCount OriginDNSResponseTimeMs "
    + "OriginRequestHeaderSendDurationMs OriginResponseBytes OriginResponseDurationMs OriginResponseHeaderReceiveDurationMs "
    + "OriginResponseStatus OriginResponseTime OriginTCPHandshakeDurationMs OriginTLSHandshakeDurationMs SmartRouteColoID "
    + "UpperTierColoID WAFAttackScore WAFRCEAttackScore WAFSQLiAttackScore WAFXSSAttackScore WorkerCPUTime WorkerSubrequestCount "
    + "WorkerWallTimeUs",
  "float": "EdgeResponseCompressionRatio",
  "bool": "CacheReserveUsed CacheTieredFill EdgeCFConnectingO2O WorkerSubrequest",
  "object": "Cookies JA4Signals RequestHeaders ResponseHeaders",
  "array[string]":
    "AISecurityCustomTopicCategories AISecurityPIICategories AISecurityUnsafeTopicCategories BotDetectionTags BotTags "
    + "ContentScanObjResults ContentScanObjTypes FirewallForAIPIICategories FirewallForAIUnsafeTopicCategories FraudDetectionTags "
    + "SecurityActions SecurityRuleIDs SecuritySources WAFRequestSignatureCategories WAFRequestSignatureRefs WebAssetsLabelsManaged",
  "array[int]": "BotDetectionIDs ContentScanObjSizes FraudDetectionIDs",
  "array[object]": "Subrequests",
  "int or string": "EdgeEndTimestamp EdgeStartTimestamp"
}

/** Every field of the dataset with its type, names in alphabetical order. */
export const httpRequestFields: ReadonlyMap<string, FieldType> = new Map(
  Object.keys(names)
    .flatMap((type) =>
      names[type as FieldType].split(" ").map((name): [string, FieldType] => [name, type as FieldType])
    )
    .sort(([a], [b]) => (a < b ? -1 : 1))
)

/** All field names of the dataset: what a zone with `fieldSet: "complete"` offers (about 3.7 kB a line). */
export const completeFields: ReadonlyArray<string> = [...httpRequestFields.keys()]

/** What `/logs/received` prints when `fields` is absent (Cloudflare Logpull, "requesting logs"). */
export const defaultFields: ReadonlyArray<string> = (
  "ClientIP ClientRequestHost ClientRequestMethod ClientRequestURI EdgeEndTimestamp EdgeResponseBytes EdgeResponseStatus "
  + "EdgeStartTimestamp RayID"
).split(" ")

/**
 * The fields a zone offers unless told otherwise: those most zones log. All of them together average about 1.9 kB a line
 * (Cloudflare's own figure for http_requests is 1.56 kB, Log Explorer pricing).
 */
export const standardFields: ReadonlyArray<string> = (
  "BotScore BotScoreSrc BotTags CacheCacheStatus CacheResponseBytes CacheResponseStatus CacheTieredFill ClientASN ClientCity "
  + "ClientCountry ClientDeviceType ClientIP ClientIPClass ClientLatitude ClientLongitude ClientRegionCode ClientRequestBytes "
  + "ClientRequestHost ClientRequestMethod ClientRequestPath ClientRequestProtocol ClientRequestReferer ClientRequestScheme "
  + "ClientRequestSource ClientRequestURI ClientRequestUserAgent ClientSSLCipher ClientSSLProtocol ClientSrcPort ClientTCPRTTMs "
  + "Cookies EdgeColoCode EdgeColoID EdgeEndTimestamp EdgePathingOp EdgePathingSrc EdgePathingStatus EdgeRequestHost "
  + "EdgeResponseBytes EdgeResponseContentType EdgeResponseStatus EdgeServerIP EdgeStartTimestamp EdgeTimeToFirstByteMs JA3Hash JA4 "
  + "JA4Signals OriginIP OriginResponseStatus OriginSSLProtocol ParentRayID RayID RequestHeaders SecurityAction SecurityActions "
  + "SecurityRuleIDs SecuritySources WAFAttackScore WAFFlags WorkerCPUTime WorkerStatus WorkerSubrequest ZoneName"
).split(" ")

/** Which fields a zone offers. */
export type FieldSet = "standard" | "complete"

/** The field names of a set. */
export const fieldsOf = (set: FieldSet): ReadonlyArray<string> => (set === "complete" ? completeFields : standardFields)

/** Spelling of EdgeStartTimestamp and EdgeEndTimestamp: integer nanoseconds (Logpull's default), integer seconds, or text. */
export type TimestampFormat = "unixnano" | "unix" | "rfc3339"

/** The body of `GET /logs/received/fields`: one plain JSON object, name to "type; description". */
export const fieldDescriptions = (set: FieldSet): Readonly<Record<string, string>> =>
  Object.fromEntries(
    fieldsOf(set).map((
      name
    ) => [name, `${httpRequestFields.get(name) ?? "string"}; ${name.replace(/([a-z0-9])([A-Z])/g, "$1 $2")}.`])
  )
