/** A bare HTTP client for the tests: it keeps what arrived before an error and never retries, unlike `fetch`. */
import { get as httpGet, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http"
import { gunzipSync } from "node:zlib"
import type { Permission, TokenOptions } from "../src/Authentication.ts"
import type { ZoneOptions } from "../src/SimulatedZone.ts"
import { type Simulator, type SimulatorOptions, startSimulator } from "../src/Simulator.ts"

/** The id of the zone of these tests. */
export const zoneId = "0123456789abcdef0123456789abcdef"
/** The token that may do everything. */
export const token = "test-token-with-every-right"
/** Noon of a Wednesday. */
export const NOW = Date.UTC(2026, 9, 14, 12, 0, 0)
/** A minute in ms. */
export const MINUTE = 60_000
/** An hour in ms. */
export const HOUR = 3_600_000
/** A day in ms. */
export const DAY = 86_400_000

/** The zone of these tests, with changes. */
export const zone = (changes: Partial<ZoneOptions> = {}): ZoneOptions => ({
  id: zoneId,
  name: "example.com",
  plan: "enterprise",
  retention: true,
  recordsPerSecond: 20,
  seed: 7,
  ...changes
})

const everyPermission: ReadonlyArray<Permission> = ["Zone Read", "Logs Read", "Logs Write", "Analytics Read"]

/** {@link token} as the simulator is told of it. */
export const goodToken: TokenOptions = { token, status: "active", zones: "all", permissions: everyPermission }

/** Budgets that never run out. */
const unlimited = {
  perZonePerMinute: Infinity,
  perUserPerMinute: Infinity,
  perUserPerFiveMinutes: Infinity,
  timeoutsPerHour: Infinity
}

/** Runs a test against a simulator whose clock stands at {@link NOW} unless told otherwise. */
export const withSimulator = async (
  options: Partial<SimulatorOptions>,
  body: (simulator: Simulator) => Promise<void>
): Promise<void> => {
  const simulator = await startSimulator({
    zones: [zone()],
    tokens: [goodToken],
    clock: () => NOW,
    limits: unlimited,
    ...options
  })
  try {
    await body(simulator)
  } finally {
    await simulator.stop()
  }
}

/** A response read to its end, or to where it broke off. */
export interface Received {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Every byte that arrived, decompressed when the response was complete. */
  readonly body: string
  /** The error code that ended the response, if it did not end well. */
  readonly failure: string | undefined
}

/** GETs a URL on a connection of its own. */
export const get = (
  url: string,
  headers: Readonly<Record<string, string>> = { authorization: `Bearer ${token}` },
  patienceMs = 10_000
): Promise<Received> =>
  new Promise((resolve) => {
    const chunks: Array<Uint8Array> = []
    let incoming: IncomingMessage | undefined
    // The first call wins: an error may be reported by the request, by the response, or by both.
    const done = (failure: string | undefined): void => {
      const headers = incoming?.headers ?? {}
      const raw = Buffer.concat(chunks)
      const body = headers["content-encoding"] === "gzip" && failure === undefined ? gunzipSync(raw) : raw
      resolve({ status: incoming?.statusCode ?? 0, headers, body: body.toString("utf8"), failure })
    }
    const failed = (cause: NodeJS.ErrnoException): void => done(cause.code ?? cause.message)
    const outgoing = httpGet(url, { headers, agent: false, timeout: patienceMs }, (response) => {
      incoming = response
      response.on("data", (chunk: Uint8Array) => chunks.push(chunk))
      response.on("end", () => done(response.complete ? undefined : "incomplete"))
      response.on("error", failed)
      response.on("aborted", () => done("aborted"))
    })
    outgoing.on("timeout", () => {
      outgoing.destroy(Object.assign(new Error("no data"), { code: "CLIENT_TIMEOUT" }))
    })
    outgoing.on("error", failed)
  })

/** POSTs a body. */
export const post = (
  url: string,
  body: string,
  headers: Readonly<Record<string, string>> = { authorization: `Bearer ${token}` }
): Promise<{ readonly status: number; readonly body: string }> =>
  new Promise((resolve, reject) => {
    const outgoing = request(url, { method: "POST", headers, agent: false }, (response) => {
      let text = ""
      response.on("data", (chunk: Uint8Array) => (text += Buffer.from(chunk).toString("utf8")))
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }))
      response.on("error", reject)
    })
    outgoing.on("error", reject)
    outgoing.end(body)
  })

/** The URL of a window, Unix ms. */
export const receivedUrl = (
  simulator: Simulator,
  fromMs: number,
  toMs: number,
  parameters: Readonly<Record<string, string>> = {}
): string => {
  const query = new URLSearchParams({
    start: new Date(fromMs).toISOString(),
    end: new Date(toMs).toISOString(),
    ...parameters
  })
  return `${simulator.url}/zones/${zoneId}/logs/received?${query}`
}

/** The lines of a body that ends at a line end. */
export const linesOf = (body: string): ReadonlyArray<Uint8Array> =>
  body === "" ? [] : body.replace(/\n$/, "").split("\n").map((line) => Buffer.from(line, "utf8"))
