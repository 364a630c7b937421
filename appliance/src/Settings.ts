/**
 * Every setting of the appliance in one list: what `rainlogs config` prints, what docs/configuration.md is made of, and
 * what an unknown `RAINLOGS_*` variable is checked against. The values themselves are parsed where they are used.
 */
import { defaultTimestampsPerMinute } from "@rainlogs/core/anchor/AnchorOptions"
import { defaultRetentionHours } from "@rainlogs/core/bundle/BundleOptions"
import { defaultAuditLogsOptions } from "@rainlogs/core/collect/AuditLogs"
import { defaultCloudflareOptions } from "@rainlogs/core/collect/CloudflareOptions"
import { defaultGraphqlOptions } from "@rainlogs/core/collect/GraphqlStrategy"
import { defaultLogpullOptions } from "@rainlogs/core/collect/Logpull"
import { Effect, Schema } from "effect"

/** One setting, an environment variable. `fallback` is its default as text; `unit` is empty where there is none. */
export interface Setting {
  readonly name: string
  readonly type: "text" | "integer" | "url" | "level"
  readonly unit: "" | "ms" | "hours" | "bytes" | "requests"
  readonly fallback: string
  readonly visibility: "shown" | "secret"
  readonly about: string
}

const text = (name: string, fallback: string, about: string): Setting => ({
  name,
  type: "text",
  unit: "",
  fallback,
  visibility: "shown",
  about
})
const secret = (name: string, fallback: string, about: string): Setting => ({
  ...text(name, fallback, about),
  visibility: "secret"
})
const integer = (name: string, unit: Setting["unit"], fallback: number, about: string): Setting => ({
  ...text(name, String(fallback), about),
  type: "integer",
  unit
})

/** All settings, in the order they are shown. */
export const settings: ReadonlyArray<Setting> = [
  secret(
    "DATABASE_URL",
    "the embedded PostgreSQL 18",
    "PostgreSQL 15 or newer to use instead of the embedded one; its user owns the schema and may create roles."
  ),
  secret(
    "RAINLOGS_ADMIN_TOKEN",
    "made at the first start, kept in <data>/secrets/admin.token",
    "The operator's token for `POST /customers` and remote `/metrics`; at least 32 characters."
  ),
  secret(
    "RAINLOGS_MASTER_KEY",
    "made at the first start, kept in <data>/secrets/master.key",
    "32 bytes in base64 that wrap all data keys and Cloudflare tokens. Without it the archive cannot be read."
  ),
  secret(
    "RAINLOGS_APPROVER_PASSPHRASE",
    "asked for on the terminal",
    "The passphrase of an approver's key file, for `rainlogs approver` where there is no terminal."
  ),
  {
    ...text(
      "RAINLOGS_SIGNER_URL",
      "the signer in the data directory",
      "Where `rainlogs signer` answers, `unix:/path/of/socket` or an https URL. See docs/signer-and-witness.md."
    ),
    type: "url"
  },
  secret(
    "RAINLOGS_SIGNER_TOKEN",
    "none",
    "The text of request.token in the signer's directory; needed with RAINLOGS_SIGNER_URL unless its file is given."
  ),
  text("RAINLOGS_SIGNER_TOKEN_FILE", "none", "A file that holds the signer's token, instead of RAINLOGS_SIGNER_TOKEN."),
  text(
    "RAINLOGS_ARCHIVE_DOMAIN",
    "rainlogs.localhost",
    "The domain in the name of every new customer's ledger, `<domain>/t/<customer>`; it cannot be changed later."
  ),
  text(
    "RAINLOGS_PUBLIC_LEDGER",
    "off",
    "`on` or `off`: whether anybody may read the ledgers, without their logs, and the public keys over HTTP. " +
      "See docs/api.md."
  ),
  text(
    "RAINLOGS_RECORDS_ROOT",
    "on",
    "`on` or `off`: whether single lines can be proven later without showing others; it costs a few hashes a line."
  ),
  text(
    "RAINLOGS_RETENTION_RUN",
    "off",
    "`on` or `off`: whether windows past the retention of their policy are deleted. See docs/erasure.md."
  ),
  secret(
    "RAINLOGS_API_KEY",
    "none",
    "A customer's API key, for `rainlogs hold`, `rainlogs erase` and `rainlogs policy`."
  ),
  integer(
    "RAINLOGS_BUNDLE_RETENTION_HOURS",
    "hours",
    defaultRetentionHours,
    "How long a finished evidence bundle can be downloaded; 1 to 8760. See docs/bundles.md."
  ),
  integer(
    "RAINLOGS_LOGPULL_SETTLE_MS",
    "ms",
    defaultLogpullOptions.settleMs,
    "A window is asked for this long after it ended; at least 60000."
  ),
  integer(
    "RAINLOGS_GRAPHQL_SETTLE_MS",
    "ms",
    defaultGraphqlOptions.settleMs,
    "A window of a GraphQL source is asked for this long after it ended; at least 300000. See docs/sources.md."
  ),
  integer(
    "RAINLOGS_AUDIT_LOGS_SETTLE_MS",
    "ms",
    defaultAuditLogsOptions.settleMs,
    "A window of the audit log is asked for this long after it ended; at least 300000. See docs/sources.md."
  ),
  {
    ...text(
      "RAINLOGS_CLOUDFLARE_BASE_URL",
      defaultCloudflareOptions.baseUrl,
      "Where Cloudflare's API is."
    ),
    type: "url"
  },
  integer(
    "RAINLOGS_CLOUDFLARE_IDLE_TIMEOUT_MS",
    "ms",
    defaultCloudflareOptions.idleTimeoutMs,
    "The longest time without a byte of a response."
  ),
  integer(
    "RAINLOGS_CLOUDFLARE_RESPONSE_TIMEOUT_MS",
    "ms",
    defaultCloudflareOptions.responseTimeoutMs,
    "The longest time one response may take."
  ),
  integer(
    "RAINLOGS_CLOUDFLARE_ZONE_REQUESTS_PER_MINUTE",
    "requests",
    defaultCloudflareOptions.zoneRequestsPerMinute,
    "Logpull requests per zone and minute; lower it if other clients pull the same zone."
  ),
  integer(
    "RAINLOGS_CLOUDFLARE_USER_REQUESTS_PER_MINUTE",
    "requests",
    defaultCloudflareOptions.userRequestsPerMinute,
    "Logpull requests per token and minute."
  ),
  integer(
    "RAINLOGS_CLOUDFLARE_REQUESTS_PER_5_MINUTES",
    "requests",
    defaultCloudflareOptions.requestsPerFiveMinutes,
    "API requests of any kind per token in five minutes."
  ),
  integer(
    "RAINLOGS_CLOUDFLARE_GRAPHQL_REQUESTS_PER_5_MINUTES",
    "requests",
    defaultCloudflareOptions.graphqlRequestsPerFiveMinutes,
    "GraphQL queries per token in five minutes; per token and zone if the rate limit is account-based."
  ),
  text(
    "RAINLOGS_CLOUDFLARE_GRAPHQL_RATE_LIMIT",
    defaultCloudflareOptions.graphqlRateLimit,
    "`user` or `account`: whose budget GraphQL queries are paid from, the token's user's or the account's and zone's."
  ),
  integer(
    "RAINLOGS_CLOUDFLARE_SILENT_THROTTLE_MS",
    "ms",
    defaultCloudflareOptions.silentThrottleMs,
    "How long to stay away after a 429 that does not say how long."
  ),
  integer(
    "RAINLOGS_CLOUDFLARE_LONGEST_RESPONSE_BYTES",
    "bytes",
    defaultCloudflareOptions.longestResponseBytes,
    "The largest response after decompression; a larger one is split in time."
  ),
  text(
    "RAINLOGS_TSA_URLS",
    "none",
    "RFC 3161 time-stamping authorities that every ledger is stamped by: URLs separated by commas, each with a name " +
      "before it if wanted, `name=https://…`. The name is in the ledger; it is `tsa-<host>` unless given. " +
      "See docs/anchors.md."
  ),
  text(
    "RAINLOGS_TSA_ROOTS",
    "none",
    "The PEM file of the certificates that the authorities' timestamps must lead to; read at start."
  ),
  integer(
    "RAINLOGS_TSA_REQUESTS_PER_MINUTE",
    "requests",
    defaultTimestampsPerMinute,
    "Timestamps that each authority is asked for per minute, over all ledgers."
  ),
  text(
    "RAINLOGS_WITNESSES",
    "none",
    "Witnesses (C2SP tlog-witness) that cosign every checkpoint: `<url> <vkey>, <url> <vkey> …`. `rainlogs witness` is one."
  ),
  text(
    "RAINLOGS_ANCHOR_DIRECTORY",
    "none",
    "A second store, on another disk or machine, that gets a copy of every anchored checkpoint; outside the data directory."
  ),
  {
    ...text(
      "RAINLOGS_ANCHOR_WEBHOOK_URL",
      "none",
      "Where every anchored checkpoint is posted, signed as Standard Webhooks says."
    ),
    type: "url"
  },
  secret(
    "RAINLOGS_ANCHOR_WEBHOOK_SECRET",
    "none",
    "What the webhook's requests are signed with: `whsec_` and 24 to 64 random bytes in base64."
  ),
  text(
    "RAINLOGS_QUEUE",
    "embedded",
    "`embedded` or `bullmq`: what hands windows to workers. `bullmq` needs RAINLOGS_REDIS_URL. See docs/queue.md."
  ),
  secret(
    "RAINLOGS_REDIS_URL",
    "none",
    "Redis or Valkey for `bullmq`: `redis://` or `rediss://user:password@host:port`."
  ),
  secret(
    "RAINLOGS_ALERT_WEBHOOK_URL",
    "none",
    "Where alerts are posted as JSON, signed as Standard Webhooks says. See docs/alerts.md."
  ),
  secret(
    "RAINLOGS_ALERT_WEBHOOK_SECRET",
    "none",
    "What the alerts' webhook is signed with: `whsec_` and 24 to 64 random bytes in base64."
  ),
  secret("RAINLOGS_ALERT_SLACK_URL", "none", "An incoming webhook of Slack, or of a chat that takes its format."),
  secret(
    "RAINLOGS_ALERT_SMTP_URL",
    "none",
    "A mail server for alerts: `smtps://user:password@host:465` or `smtp://host:25`."
  ),
  text("RAINLOGS_ALERT_EMAIL_FROM", "none", "The sender of alerts by e-mail."),
  text("RAINLOGS_ALERT_EMAIL_TO", "none", "The recipients of alerts by e-mail, separated by commas."),
  {
    ...text("RAINLOGS_LOG_LEVEL", "Info for serve, Warn for demo", "The least severe level that is logged."),
    type: "level"
  }
]

/** A variable that looks like a setting and is none: most often a typing error that would otherwise go unnoticed. */
export class UnknownSettings extends Schema.TaggedError<UnknownSettings>()("UnknownSettings", {
  names: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `Unknown setting: ${this.names.join(", ")}. "rainlogs config" lists what there is.`
  }
}

/** Fails if the environment holds a `RAINLOGS_*` variable that is no setting. */
export const refuseUnknown = Effect.suspend(() => {
  const known = new Set(settings.map(({ name }) => name))
  const names = Object.keys(process.env).filter((name) => name.startsWith("RAINLOGS_") && !known.has(name)).toSorted()
  return names.length === 0 ? Effect.void : Effect.fail(new UnknownSettings({ names }))
})

/** A setting as it is now: its value (`(secret)` for secrets) and where it comes from. */
export const current = (setting: Setting): { readonly value: string; readonly origin: "environment" | "default" } => {
  const value = process.env[setting.name]
  if (value === undefined) return { value: setting.fallback, origin: "default" }
  return { value: setting.visibility === "secret" ? "(secret)" : value, origin: "environment" }
}
