/**
 * Every error answer Cloudflare's API was seen to give, as one table: status and code or text → category, code, remedy.
 * Sources: BitGo/cloudflare-logpull-exporter `logpull_test.go`, cloudflare/logshare, public issues, and the Cloudflare
 * pages «Requesting logs» and «API rate limits». Unknown bodies are classified by their status.
 */
import { Option, Redacted, Schema } from "effect"
import { CollectionError } from "./CollectionError.ts"
import { graphqlRows } from "./GraphqlErrors.ts"

type Category = CollectionError["category"]

/** An answer that is not what was asked for. */
export interface CloudflareAnswer {
  readonly status: number
  /** The `Content-Type` header, or "". */
  readonly contentType: string
  /** The first 16 KiB of the body, decoded. */
  readonly body: string
  /** The server's wish, ms, or null. */
  readonly retryAfterMs: number | null
}

/** What a request needed, named in the remedy of a refusal. */
export interface RequestFacts {
  /** Name of the API for messages, e.g. `logs/received`. */
  readonly api: string
  /** The permission of the token, by the name Cloudflare's dashboard gives it, or null if any token will do. */
  readonly permission: string | null
  /** Masked wherever an answer repeats it. */
  readonly token: Redacted.Redacted<string>
}

/** One row of the table: an answer matches if its status is listed and its body has one of the codes or matches the text. */
export interface AnswerRow {
  readonly statuses: ReadonlyArray<number> | "any"
  /** Codes of the envelope's errors, or the text of the body; absent: the status alone decides. */
  readonly match?: ReadonlyArray<number> | RegExp
  readonly category: Category
  readonly code: string
  readonly what: string
  readonly remedy: string | ((facts: RequestFacts) => string) | null
}

const tokenRemedy = ({ permission }: RequestFacts): string => (permission === null
  ? "Check the zone's Cloudflare API token: it must be active and not expired."
  : `Give the zone a Cloudflare API token that is active, not expired, includes this zone, and has the permission “${permission}”.`)

/** The table; the first row that matches decides. */
const rows: ReadonlyArray<AnswerRow> = [
  {
    statuses: [204],
    category: "blocked",
    code: "not-entitled",
    what: "the zone has no Logpull",
    remedy:
      "Logpull needs an Enterprise plan with log access; choose another source for this zone or ask Cloudflare to enable it."
  },
  {
    statuses: [429],
    category: "throttled",
    code: "rate-limited",
    what: "the request limit is used up",
    remedy:
      "Nothing to do: collection goes on when Cloudflare allows it. If it repeats, another client uses this token or zone."
  },
  {
    statuses: [408],
    category: "transient",
    code: "request-timeout",
    what: "no data flowed for 30 s at Cloudflare's side",
    remedy: null
  },
  ...graphqlRows,
  {
    statuses: [400],
    match: /too early/i,
    category: "expired",
    code: "too-early",
    what: "the window is older than Cloudflare keeps logs (168 h)",
    remedy: "The window cannot be collected any more; it becomes a gap."
  },
  {
    statuses: [400],
    match: /too recent/i,
    category: "not-ready",
    code: "too-recent",
    what: "the window is younger than Cloudflare serves",
    remedy: "Nothing to do. If it repeats, compare this machine's clock with the real time."
  },
  {
    statuses: [400],
    match: /start not before end/i,
    category: "rejected",
    code: "start-not-before-end",
    what: "the window ends before it starts",
    remedy: "Please report this as a bug."
  },
  {
    statuses: [400],
    match: /too long/i,
    category: "rejected",
    code: "window-too-long",
    what: "the window is longer than 1 h",
    remedy: "Please report this as a bug."
  },
  {
    statuses: [400],
    match: /error parsing (?:start|end) time|must be unix timestamp or rfc3339/i,
    category: "rejected",
    code: "bad-time",
    what: "Cloudflare did not understand the window's times",
    remedy: "Please report this as a bug."
  },
  {
    statuses: [400],
    match:
      /(?:unknown|invalid|unsupported|unrecognized|parsing) fields?\b|fields?\b.{0,80}(?:unknown|invalid|not (?:exist|found|available|supported))/i,
    category: "rejected",
    code: "unknown-field",
    what: "a field of the list does not exist any more",
    remedy: "Nothing to do: the list is read again."
  },
  {
    statuses: "any",
    match: /retention is not turned on/i,
    category: "blocked",
    code: "retention-off",
    what: "log retention is off for the zone",
    remedy:
      "Turn on log retention for the zone (dashboard or POST /logs/control/retention/flag); it is off by default and applies from then on."
  },
  {
    statuses: [401, 403],
    match: [10000],
    category: "unauthorised",
    code: "authentication-error",
    what: "Cloudflare refused the token, or the token has no access to this zone",
    remedy: tokenRemedy
  },
  {
    statuses: "any",
    match: [9109],
    category: "unauthorised",
    code: "not-permitted",
    what: "the token may not do this",
    remedy: tokenRemedy
  },
  {
    statuses: [400, 401, 403],
    match: [6003, 6103, 6111],
    category: "unauthorised",
    code: "invalid-headers",
    what: "the API token does not look like one",
    remedy: tokenRemedy
  },
  {
    statuses: [400, 404],
    match: [7003, 7000],
    category: "blocked",
    code: "zone-not-found",
    what: "Cloudflare knows no such zone",
    remedy: "Check the zone's Cloudflare id (32 hexadecimal digits, on the zone's overview page)."
  },
  {
    statuses: [400, 403],
    match: [1004],
    category: "blocked",
    code: "not-entitled",
    what: "the zone's plan does not include this",
    remedy: "Ask Cloudflare to enable it for the zone, or choose another source."
  },
  {
    statuses: [400],
    match: [1001],
    category: "rejected",
    code: "not-for-account-tokens",
    what: "the endpoint does not serve account-owned tokens",
    remedy: "Use a user-owned API token for this."
  }
]

const ChainedEntry = Schema.Struct({ code: Schema.Finite, message: Schema.optionalKey(Schema.String) })
const ErrorEntry = Schema.Struct({
  ...ChainedEntry.fields,
  error_chain: Schema.optionalKey(Schema.Array(ChainedEntry))
})
const decodeEnvelope = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ errors: Schema.Array(ErrorEntry) }))
)

/** An envelope's `errors`, each followed by its chain; none if the body is no envelope. */
const errorEntries = (body: string): ReadonlyArray<typeof ChainedEntry.Type> =>
  Option.match(decodeEnvelope(body), {
    onNone: () => [],
    onSome: ({ errors }) => errors.flatMap((error) => [error, ...(error.error_chain ?? [])])
  })

/** The codes in an envelope's `errors` and their chains. */
export const errorCodes = (body: string): ReadonlyArray<number> => errorEntries(body).map((entry) => entry.code)

/** Codes of a 429 that speaks of the whole API, not of one zone («API rate limits»). */
export const globalThrottleCodes: ReadonlyArray<number> = [971, 10429]

const isHtml = ({ body, contentType }: CloudflareAnswer): boolean =>
  /^\s*text\/html\b/i.test(contentType) || /^\s*<(?:!doctype|html)\b/i.test(body)

/** What an answer says in words: an HTML page's title, an envelope's errors, else the body. */
const words = (answer: CloudflareAnswer): string => {
  if (isHtml(answer)) return /<title>([^<]*)<\/title>/i.exec(answer.body)?.[1] ?? "an HTML page"
  const entries = errorEntries(answer.body)
  return entries.length === 0 ? answer.body : entries.map(({ code, message }) => `${code} ${message ?? ""}`).join("; ")
}

/** At most 160 printable ASCII characters of what an answer says, without the token it may repeat. */
export const excerpt = (answer: CloudflareAnswer, token: Redacted.Redacted<string>): string => {
  const secret = Redacted.value(token)
  const said = words(answer)
  const masked = (secret === "" ? said : said.replaceAll(secret, "<token>"))
    .replaceAll(/Bearer\s+[^\s"'<>]+/gi, "Bearer <token>")
  const plain = masked.replaceAll(/\s+/g, " ").replaceAll(/[^\x20-\x7e]/g, "?").trim()
  return plain.length > 160 ? `${plain.slice(0, 157)}...` : plain
}

const matches = (row: AnswerRow, answer: CloudflareAnswer, codes: ReadonlyArray<number>): boolean => {
  if (row.statuses !== "any" && !row.statuses.includes(answer.status)) return false
  if (row.match === undefined) return true
  return row.match instanceof RegExp ? row.match.test(answer.body) : row.match.some((code) => codes.includes(code))
}

/** Decides by the status alone. */
const byStatus = (answer: CloudflareAnswer): Omit<AnswerRow, "statuses"> => {
  const { status } = answer
  const baseUrl = "Check RAINLOGS_CLOUDFLARE_BASE_URL and any proxy in between."
  if (status >= 500) return { category: "transient", code: "server-error", what: "Cloudflare failed", remedy: null }
  if (isHtml(answer)) {
    return { category: "malformed", code: "html-page", what: "a web page came instead of data", remedy: baseUrl }
  }
  if (status >= 300 && status < 400) {
    return { category: "transient", code: "redirected", what: "a redirect, which is not followed", remedy: baseUrl }
  }
  if (status === 401 || status === 403) {
    return {
      category: "unauthorised",
      code: "unauthorised",
      what: "Cloudflare refused the request",
      remedy: tokenRemedy
    }
  }
  if (status >= 400) {
    return { category: "rejected", code: "unexpected-status", what: "Cloudflare rejected the request", remedy: baseUrl }
  }
  return {
    category: "malformed",
    code: "unexpected-answer",
    what: "an answer that cannot be understood",
    remedy: baseUrl
  }
}

/** The typed error of an answer. */
export const errorOf = (answer: CloudflareAnswer, facts: RequestFacts): CollectionError => {
  const codes = errorCodes(answer.body)
  // A web page is never one of Cloudflare's API bodies, whatever words are in it; a 204, 408 or 429 needs no body.
  const row = rows.find((one) => matches(one, answer, codes) && (one.match === undefined || !isHtml(answer))) ??
    byStatus(answer)
  const said = excerpt(answer, facts.token)
  return new CollectionError({
    category: row.category,
    code: row.code,
    detail: `${facts.api}: ${row.what} (HTTP ${answer.status}${said === "" ? "" : `: ${said}`})`,
    remedy: typeof row.remedy === "function" ? row.remedy(facts) : row.remedy,
    retryAfterMs: answer.retryAfterMs
  })
}

/** An answer with status 200 that is not what Cloudflare documents; it is asked for again. */
export const unexpectedAnswer = (api: string): CollectionError =>
  new CollectionError({
    category: "malformed",
    code: "unexpected-answer",
    detail: `${api}: the answer does not have the documented form`,
    remedy: null,
    retryAfterMs: null
  })
