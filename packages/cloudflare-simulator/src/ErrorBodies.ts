/**
 * The error bodies Cloudflare's API was seen to send: plain text for bad Logpull queries, the JSON envelope for the rest.
 * Texts: BitGo/cloudflare-logpull-exporter `logpull_test.go`, cloudflare/logshare#23 and #36, and public issues; where the text is not
 * known, the comment says that it is this simulator's.
 */

/** A complete small response. */
export interface SmallResponse {
  readonly status: number
  readonly contentType: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A plain-text response. */
export const text = (status: number, body: string): SmallResponse => ({
  status,
  contentType: "text/plain; charset=utf-8",
  body
})

/** A JSON response. */
export const json = (status: number, value: unknown): SmallResponse => ({
  status,
  contentType: "application/json",
  body: JSON.stringify(value)
})

/** A successful result in the standard envelope. */
export const envelope = (result: unknown, extra: Readonly<Record<string, unknown>> = {}): SmallResponse =>
  json(200, { result, success: true, errors: [], messages: [], ...extra })

const failure = (status: number, errors: ReadonlyArray<unknown>): SmallResponse =>
  json(status, { success: false, errors, messages: [], result: null })

/** Plain-text bodies of 400 answers to `/logs/received`. */
export const logpullErrors = {
  tooEarly: "bad query: error parsing time: invalid time range: too early: logs older than 168h0m0s are not available",
  /** The delay is printed as Go prints a duration: `1m0s`. */
  tooRecent: (settleMs: number): string =>
    `bad query: error parsing time: invalid time range: too recent: minimum delay in serving logs is ${
      goDuration(settleMs)
    }`,
  startNotBeforeEnd: "bad query: error parsing time: invalid time range: start not before end",
  /** cloudflare/logshare#36; in April 2018 (logshare#23) the text ended after "too long". */
  tooLong:
    "bad query: error parsing time: invalid time range: too long: maximum query range (difference between start and end) is 1h0m0s",
  badStart: "bad query: error parsing start time: must be unix timestamp or rfc3339 string",
  badEnd: "bad query: error parsing end time: must be unix timestamp or rfc3339 string",
  retentionOff: "Retention is not turned on. Please enable log retention",
  // The texts below are this simulator's: the status 400 is documented, the wording was never published.
  unknownField: (name: string): string => `bad query: error parsing fields: unknown field: ${name}`,
  badTimestamps: "bad query: error parsing timestamps: must be unix, unixnano or rfc3339",
  badCount: "bad query: error parsing count: must be a positive integer",
  badSample: "bad query: error parsing sample: must be greater than 0 and at most 1"
} as const

/** Prints milliseconds as Go's `time.Duration` does (`1m0s`, `168h0m0s`, `30s`). */
export const goDuration = (ms: number): string => {
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor((ms % 3_600_000) / 60_000)
  const seconds = (ms % 60_000) / 1000
  return hours > 0 ? `${hours}h${minutes}m${seconds}s` : minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`
}

/** 401 or 403: bad credential, missing right and unknown zone share this body, which has no `messages` and no `result`. */
export const authenticationError = (status: 401 | 403): SmallResponse =>
  json(status, { success: false, errors: [{ code: 10000, message: "Authentication error" }] })

/** 400: the Authorization or X-Auth-Key header does not look like one. */
export const invalidHeader = (header: "Authorization" | "X-Auth-Key"): SmallResponse =>
  failure(400, [{
    code: 6003,
    message: "Invalid request headers",
    error_chain: [{ code: header === "Authorization" ? 6111 : 6103, message: `Invalid format for ${header} header` }]
  }])

/** 403: the token lacks the permission for this resource. */
export const unauthorizedResource = (): SmallResponse =>
  failure(403, [{ code: 9109, message: "Unauthorized to access requested resource" }])

/** 404 (no such route) or 400 (an identifier that is not 32 hex digits). */
export const couldNotRoute = (status: 400 | 404, path: string): SmallResponse =>
  failure(status, [
    { code: 7003, message: `Could not route to ${path}, perhaps your object identifier is invalid?` },
    { code: 7000, message: "No route for that URI" }
  ])

/** 429 as JSON (code 971). */
export const throttled = (): SmallResponse =>
  failure(429, [{ code: 971, message: "Please wait and consider throttling your request speed" }])

/** 429 as plain text; the wording is this simulator's. */
export const throttledText = (): SmallResponse =>
  text(429, "Rate limited. Please wait and consider throttling your request speed")

/** 400: a request body that is not `{"flag": true|false}`. The message is this simulator's. */
export const badFlag = (): SmallResponse =>
  failure(400, [{ code: 1001, message: "the body must be a JSON object with the boolean \"flag\"" }])

/** The HTML page of an edge or gateway failure; the page is this simulator's, in the manner of Cloudflare's. */
export const htmlPage = (status: number): SmallResponse => {
  const title = status === 520
    ? "Web server is returning an unknown error"
    : status === 200
    ? "Just a moment..."
    : "Temporarily unavailable"
  return {
    status,
    contentType: "text/html; charset=UTF-8",
    body: `<!DOCTYPE html>\n<html lang="en-US">\n<head><title>api.cloudflare.com | ${status}: ${title}</title></head>\n`
      + `<body>\n<h1>${title} <span>Error code ${status}</span></h1>\n<p>Cloudflare Ray ID: see the cf-ray header</p>\n</body>\n</html>\n`
  }
}
