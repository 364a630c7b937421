import { assert, describe, it } from "@effect/vitest"
import { type CloudflareAnswer, errorOf, excerpt } from "@rainlogs/core/collect/CloudflareErrors"
import { Redacted } from "effect"

const token = Redacted.make("v1.0-secret-token-0123456789")
const facts = { api: "logs/received", permission: "Logs Read", token }
const answer = (status: number, body: string, contentType = "text/plain"): CloudflareAnswer => ({
  status,
  contentType,
  body,
  retryAfterMs: null
})

const envelope = (...errors: ReadonlyArray<unknown>) =>
  JSON.stringify({ success: false, errors, messages: [], result: null })

/** Status, body as observed in public (BitGo/cloudflare-logpull-exporter, cloudflare/logshare, issues) → category, code. */
const observed: ReadonlyArray<readonly [number, string, string, string]> = [
  [
    400,
    "bad query: error parsing time: invalid time range: too early: logs older than 168h0m0s are not available",
    "expired",
    "too-early"
  ],
  [
    400,
    "bad query: error parsing time: invalid time range: too recent: minimum delay in serving logs is 1m0s",
    "not-ready",
    "too-recent"
  ],
  [400, "bad query: error parsing time: invalid time range: start not before end", "rejected", "start-not-before-end"],
  [400, "bad query: error parsing time: invalid time range: too long", "rejected", "window-too-long"],
  [
    400,
    "bad query: error parsing time: invalid time range: too long: maximum query range (difference between start and end) is 1h0m0s",
    "rejected",
    "window-too-long"
  ],
  [400, "bad query: error parsing start time: must be unix timestamp or rfc3339 string", "rejected", "bad-time"],
  [400, "bad query: error parsing end time: must be unix timestamp or rfc3339 string", "rejected", "bad-time"],
  [400, "bad query: error parsing fields: unknown field: WAFAction", "rejected", "unknown-field"],
  [400, "Retention is not turned on. Please enable log retention", "blocked", "retention-off"],
  [
    401,
    "{\"success\":false,\"errors\":[{\"code\":10000,\"message\":\"Authentication error\"}]}",
    "unauthorised",
    "authentication-error"
  ],
  [
    403,
    "{\"success\":false,\"errors\":[{\"code\":10000,\"message\":\"Authentication error\"}]}",
    "unauthorised",
    "authentication-error"
  ],
  [204, "", "blocked", "not-entitled"],
  [408, "", "transient", "request-timeout"],
  [429, "", "throttled", "rate-limited"],
  [
    429,
    envelope({ code: 971, message: "Please wait and consider throttling your request speed" }),
    "throttled",
    "rate-limited"
  ],
  [
    429,
    envelope({ code: 10429, message: "Rate limited. Please wait and consider throttling your request speed" }),
    "throttled",
    "rate-limited"
  ],
  [
    403,
    envelope({
      code: 1004,
      message: "creating a new job (for http_requests dataset) is not allowed: exceeded max jobs allowed"
    }),
    "blocked",
    "not-entitled"
  ],
  [
    400,
    envelope({
      code: 6003,
      message: "Invalid request headers",
      error_chain: [{ code: 6103, message: "Invalid format for X-Auth-Key header" }]
    }),
    "unauthorised",
    "invalid-headers"
  ],
  [
    400,
    envelope({
      code: 6003,
      message: "Invalid request headers",
      error_chain: [{ code: 6111, message: "Invalid format for Authorization header" }]
    }),
    "unauthorised",
    "invalid-headers"
  ],
  [
    404,
    envelope(
      { code: 7003, message: "Could not route to /zones/x, perhaps your object identifier is invalid?" },
      { code: 7000, message: "No route for that URI" }
    ),
    "blocked",
    "zone-not-found"
  ],
  [400, envelope({ code: 7003, message: "Could not route to /zones/x" }), "blocked", "zone-not-found"],
  [
    403,
    envelope({ code: 9109, message: "Unauthorized to access requested resource" }),
    "unauthorised",
    "not-permitted"
  ],
  [
    400,
    envelope({ code: 1001, message: "List accounts endpoint does not support account owned tokens" }),
    "rejected",
    "not-for-account-tokens"
  ],
  // Unknown bodies: the status decides.
  [500, "", "transient", "server-error"],
  [502, "<!DOCTYPE html><html><head><title>502 Bad gateway</title>", "transient", "server-error"],
  [522, "error code: 522", "transient", "server-error"],
  [302, "", "transient", "redirected"],
  [403, "<html><head><title>Just a moment...</title>", "malformed", "html-page"],
  [403, "no", "unauthorised", "unauthorised"],
  [418, "I'm a teapot", "rejected", "unexpected-status"],
  [404, envelope({ code: 99_999, message: "something new" }), "rejected", "unexpected-status"],
  [206, "{}", "malformed", "unexpected-answer"],
  // Words of another error inside a web page are not that error.
  [400, "<html><title>too early: logs older than 168h</title>", "malformed", "html-page"]
]

describe("errorOf", () => {
  it.each(observed)("HTTP %d %s is %s (%s)", (status, body, category, code) => {
    const error = errorOf(answer(status, body), facts)
    assert.deepStrictEqual([error.category, error.code], [category, code])
    assert.include(error.detail, `HTTP ${status}`)
    assert.include(error.message, code)
  })

  it("says what to do about a refused token, and which permission is needed", () => {
    const error = errorOf(answer(403, envelope({ code: 10000, message: "Authentication error" })), facts)
    assert.include(error.remedy ?? "", "“Logs Read”")
  })

  it("the remedy names what to turn on when retention is off", () => {
    const error = errorOf(answer(400, "Retention is not turned on. Please enable log retention"), facts)
    assert.include(error.remedy ?? "", "log retention")
  })

  it("keeps the server's wish", () => {
    assert.strictEqual(errorOf({ ...answer(429, ""), retryAfterMs: 7_000 }, facts).retryAfterMs, 7_000)
  })
})

describe("excerpt", () => {
  it("never repeats the token or a bearer header", () => {
    const said = excerpt(
      answer(400, `you sent Authorization: Bearer ${Redacted.value(token)} and ${Redacted.value(token)}`),
      token
    )
    assert.notInclude(said, "secret-token")
    assert.strictEqual(said, "you sent Authorization: Bearer <token> and <token>")
    assert.notInclude(excerpt(answer(400, "Bearer another.persons-token"), token), "another")
  })

  it("is one short line of printable ASCII", () => {
    const said = excerpt(answer(400, `a\u0000\n\tb\u202e\u{1f600}${"x".repeat(500)}`), token)
    assert.match(said, /^[\x20-\x7e]{1,160}$/)
  })

  it("of a page is its title, of an envelope its errors", () => {
    assert.strictEqual(
      excerpt(answer(502, "<html><head><title>502 Bad gateway</title></head>"), token),
      "502 Bad gateway"
    )
    assert.strictEqual(
      excerpt(
        answer(400, envelope({ code: 6003, message: "Invalid request headers", error_chain: [{ code: 6111 }] })),
        token
      ),
      "6003 Invalid request headers; 6111"
    )
  })
})
