/**
 * How Cloudflare's API is reached and how much of it may be used. Limits are those of the Cloudflare pages «Requesting
 * logs» (Logpull) and «API rate limits»; lower them if other clients share the zone or the token.
 */
import { Config, Effect, Schema } from "effect"

/** The settings of {@link CloudflareClient}; times in ms, sizes in bytes. */
export interface CloudflareOptions {
  /** Without a slash at the end. */
  readonly baseUrl: string
  /** The longest time without a byte of a response. */
  readonly idleTimeoutMs: number
  /** The longest time one response may take; Cloudflare cuts queries at 10 min. */
  readonly responseTimeoutMs: number
  /** Logpull requests per zone and minute. */
  readonly zoneRequestsPerMinute: number
  /** Logpull requests per token and minute. */
  readonly userRequestsPerMinute: number
  /** API requests of any kind per token in 5 min. */
  readonly requestsPerFiveMinutes: number
  /** GraphQL queries per token, or per zone, in 5 min. */
  readonly graphqlRequestsPerFiveMinutes: number
  /** Whose budget GraphQL queries are paid from: the user's, or account and zone («Account-based rate limiting»). */
  readonly graphqlRateLimit: "user" | "account"
  /** How long a token's calls pause after a 429 without `Retry-After` («API rate limits»: all calls are blocked 5 min). */
  readonly silentThrottleMs: number
  /** The largest response after decompression; Cloudflare documents 10 GiB. */
  readonly longestResponseBytes: number
}

/** Cloudflare's own address and published limits. */
export const defaultCloudflareOptions: CloudflareOptions = {
  baseUrl: "https://api.cloudflare.com/client/v4",
  idleTimeoutMs: 30_000,
  responseTimeoutMs: 600_000,
  zoneRequestsPerMinute: 15,
  userRequestsPerMinute: 180,
  requestsPerFiveMinutes: 1_200,
  graphqlRequestsPerFiveMinutes: 300,
  graphqlRateLimit: "user",
  silentThrottleMs: 300_000,
  longestResponseBytes: 10 * 1024 ** 3
}

/** An http(s) URL without credentials, query or fragment; a slash at its end is dropped. */
const BaseUrl = Schema.String.pipe(
  Schema.check(Schema.makeFilter((text) => {
    if (!URL.canParse(text)) return "an absolute URL such as https://api.cloudflare.com/client/v4"
    const url = new URL(text)
    if (url.protocol !== "https:" && url.protocol !== "http:") return "an https (or http) URL"
    if (url.username !== "" || url.password !== "") return "a URL without user name and password"
    return url.search === "" && url.hash === "" ? undefined : "a URL without query and fragment"
  }))
)

const atLeastOne = (name: string, fallback: number): Config.Config<number> =>
  Config.schema(Schema.NumberFromString.pipe(Schema.check(Schema.isInt(), Schema.isGreaterThanOrEqualTo(1))), name)
    .pipe(
      Config.withDefault(fallback)
    )

/** Whether the token would travel unencrypted to another machine. */
export const isUnprotected = (baseUrl: string): boolean => {
  const { hostname, protocol } = new URL(baseUrl)
  return protocol === "http:" && !/^(?:localhost|127(?:\.[0-9]+){3}|\[::1\])$/.test(hostname)
}

/** Reads `RAINLOGS_CLOUDFLARE_*`; whatever is not set is as in {@link defaultCloudflareOptions}. */
export const cloudflareOptions: Config.Config<CloudflareOptions> = Config.all({
  baseUrl: Config.schema(BaseUrl, "RAINLOGS_CLOUDFLARE_BASE_URL").pipe(
    Config.withDefault(defaultCloudflareOptions.baseUrl),
    Config.map((url) => url.replace(/\/+$/, ""))
  ),
  idleTimeoutMs: atLeastOne("RAINLOGS_CLOUDFLARE_IDLE_TIMEOUT_MS", defaultCloudflareOptions.idleTimeoutMs),
  responseTimeoutMs: atLeastOne("RAINLOGS_CLOUDFLARE_RESPONSE_TIMEOUT_MS", defaultCloudflareOptions.responseTimeoutMs),
  zoneRequestsPerMinute: atLeastOne(
    "RAINLOGS_CLOUDFLARE_ZONE_REQUESTS_PER_MINUTE",
    defaultCloudflareOptions.zoneRequestsPerMinute
  ),
  userRequestsPerMinute: atLeastOne(
    "RAINLOGS_CLOUDFLARE_USER_REQUESTS_PER_MINUTE",
    defaultCloudflareOptions.userRequestsPerMinute
  ),
  requestsPerFiveMinutes: atLeastOne(
    "RAINLOGS_CLOUDFLARE_REQUESTS_PER_5_MINUTES",
    defaultCloudflareOptions.requestsPerFiveMinutes
  ),
  graphqlRequestsPerFiveMinutes: atLeastOne(
    "RAINLOGS_CLOUDFLARE_GRAPHQL_REQUESTS_PER_5_MINUTES",
    defaultCloudflareOptions.graphqlRequestsPerFiveMinutes
  ),
  graphqlRateLimit: Config.Literals(["user", "account"], "RAINLOGS_CLOUDFLARE_GRAPHQL_RATE_LIMIT").pipe(
    Config.withDefault(defaultCloudflareOptions.graphqlRateLimit)
  ),
  silentThrottleMs: atLeastOne("RAINLOGS_CLOUDFLARE_SILENT_THROTTLE_MS", defaultCloudflareOptions.silentThrottleMs),
  longestResponseBytes: atLeastOne(
    "RAINLOGS_CLOUDFLARE_LONGEST_RESPONSE_BYTES",
    defaultCloudflareOptions.longestResponseBytes
  )
})

/** Warns once at the start when tokens would travel in the clear. */
export const warnIfUnprotected = (options: CloudflareOptions): Effect.Effect<void> =>
  isUnprotected(options.baseUrl)
    ? Effect.logWarning("RAINLOGS_CLOUDFLARE_BASE_URL is http: API tokens travel unencrypted; use https")
    : Effect.void
