/**
 * A stand-in for Cloudflare's API on a real port: zones, Logpull, the retention flag and token verification, with Cloudflare's rules,
 * limits and error bodies, switchable faults, and a record of the truth.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { type AuditOptions } from "./AuditLogs.ts"
import { authenticate, type TokenOptions, tokenStatus } from "./Authentication.ts"
import { authenticationError, htmlPage, throttled } from "./ErrorBodies.ts"
import { type Fault, Faults, type Outage } from "./Faults.ts"
import { graphqlError } from "./GraphqlAnswers.ts"
import { cloudflareLimits, type Limits, RateLimits } from "./RateLimits.ts"
import type { ReceivedQuery } from "./ReceivedQuery.ts"
import { edgeFault, rateHeaders, replyOf, small } from "./Replies.ts"
import { answer, type Call, matchCall } from "./Routes.ts"
import { combine, scramble } from "./Seed.ts"
import { holdSilently, type Reply, sendReply, type Sent } from "./SendBody.ts"
import { SimulatedZone, type ZoneOptions } from "./SimulatedZone.ts"
import { type Ending, Truth } from "./Truth.ts"

/** What to simulate. */
export interface SimulatorOptions {
  readonly zones: ReadonlyArray<ZoneOptions>
  readonly tokens: ReadonlyArray<TokenOptions>
  /** Absent: 127.0.0.1. */
  readonly host?: string | undefined
  /** Absent: a free port. */
  readonly port?: number | undefined
  /** Simulated Unix ms, for everything except faults' pace and socket times; absent: `Date.now`. */
  readonly clock?: (() => number) | undefined
  /** Age at which a window may be asked for, ms; absent: 60 000. */
  readonly settleMs?: number | undefined
  /** The account's audit log; absent: an entry in ten minutes, four minutes late at most. */
  readonly audit?: AuditOptions | undefined
  /** Request budgets; absent ones are Cloudflare's. */
  readonly limits?: Partial<Limits> | undefined
}

/** Totals since the start. */
export interface Counters {
  readonly requests: number
  readonly byStatus: Readonly<Record<string, number>>
  readonly byEnding: Readonly<Record<Ending, number>>
  /** Requests refused by a request budget. */
  readonly rateLimited: number
  /** Faults by kind. */
  readonly faults: Readonly<Record<string, number>>
  /** Newlines and bytes before compression of `/logs/received` bodies. */
  readonly lines: number
  readonly bytes: number
}

/** A running simulator. */
export interface Simulator {
  /** The base of every call: `http://host:port/client/v4`. */
  readonly url: string
  readonly port: number
  readonly zones: ReadonlyMap<string, SimulatedZone>
  readonly tokens: ReadonlyArray<TokenOptions>
  readonly truth: Truth
  readonly faults: Faults
  readonly counters: () => Counters
  /** Simulated Unix ms. */
  readonly clock: () => number
  /** Closes the port and every connection. */
  readonly stop: () => Promise<void>
}

const listen = (server: Server, port: number, host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, host, () => {
      server.off("error", reject)
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : port)
    })
  })

const close = (server: Server): Promise<void> =>
  new Promise((resolve, reject) => {
    if (!server.listening) return resolve()
    server.close((error) => (error === undefined ? resolve() : reject(error)))
    server.closeAllConnections()
  })

const longestQuery = 262_144

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const parts: Array<Buffer> = []
  let size = 0
  for await (const part of request) {
    const bytes = Buffer.from(part)
    size += bytes.length
    if (size <= longestQuery) parts.push(bytes)
  }
  return Buffer.concat(parts).toString()
}

/** Whose GraphQL budget a query is paid from: the token's, or in account-based mode the zone's. */
const graphqlPayer = (request: IncomingMessage, token: TokenOptions, body: string): string =>
  request.headers["x-rate-limit-type"] === "account-based"
    ? `zone ${/zoneTag: ?\\"([0-9a-f]{32})/.exec(body)?.[1] ?? ""}`
    : `user ${token.token}`

/** Starts a simulator; resolves once it listens. */
export const startSimulator = async (options: SimulatorOptions): Promise<Simulator> => {
  const host = options.host ?? "127.0.0.1"
  const clock = options.clock ?? Date.now
  const zones = new Map(options.zones.map((zone): [string, SimulatedZone] => [zone.id, new SimulatedZone(zone)]))
  const audit = options.audit ?? { seed: 1, everySeconds: 600, latestMs: 240_000 }
  const truth = new Truth(zones, audit)
  const limits = new RateLimits({ ...cloudflareLimits, ...options.limits })
  const totals = { requests: 0, rateLimited: 0, lines: 0, bytes: 0 }
  const byStatus: Record<string, number> = {}
  const byEnding: Record<Ending, number> = { complete: 0, cut: 0, reset: 0, stalled: 0, "client-left": 0 }
  let port = 0

  const server = createServer((request, response) => {
    // The client may leave at any moment; `sendReply` notices through "close".
    response.on("error", () => undefined)
    handle(request, response).catch((cause: unknown) => {
      console.error("cloudflare-simulator: a request failed inside the simulator:", cause)
      response.socket?.destroy()
    })
  })

  // Longer than any client keeps an idle connection, so that a reused one is never closed under a request.
  server.keepAliveTimeout = 120_000

  const applyOutage = async (outage: Outage): Promise<void> => {
    if (outage === "refused") await close(server)
    else if (!server.listening) await listen(server, port, host)
  }
  const faults = new Faults(applyOutage)

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const number = ++totals.requests
    const nowMs = clock()
    const url = new URL(request.url ?? "/", "http://simulator")
    const path = url.pathname
    let call: Call | undefined
    let query: ReceivedQuery | undefined
    let status = 0
    let fault: Fault | undefined
    const send = async (reply: Reply, onBody: Fault | undefined): Promise<Sent> => {
      status = reply.status
      const cfRay = {
        "cf-ray": `${scramble(number).toString(16).padStart(8, "0")}${
          scramble(~number).toString(16).padStart(8, "0")
        }-FRA`
      }
      return sendReply(request, response, { ...reply, headers: { ...cfRay, ...reply.headers } }, onBody)
    }
    const respond = async (): Promise<Sent> => {
      if (faults.currentOutage === "unavailable") return send(small(htmlPage(503)), undefined)
      const matched = matchCall(request.method ?? "GET", path)
      if ("refusal" in matched) return send(small(matched.refusal), undefined)
      call = matched.call
      const body = call.target === "graphql" ? await bodyOf(request) : ""
      const planned = faults.forRequest(
        call.target,
        `${path}?${url.searchParams.get("start") ?? ""}-${url.searchParams.get("end") ?? ""}${body}${
          call.target === "audit" ? url.search : ""
        }`
      )
      fault = planned.at("edge")
      if (fault !== undefined) {
        if (fault.kind === "stall") {
          return { ending: await holdSilently(response, fault.holdMs ?? 35_000), lines: 0, bytes: 0 }
        }
        if (fault.kind === "timeout" && call.zoneId !== undefined) limits.timedOut(nowMs, call.zoneId)
        return send(small(edgeFault(fault, nowMs)), undefined)
      }
      const identity = authenticate(request.headers, options.tokens)
      if ("refusal" in identity) return send(small(identity.refusal), undefined)
      const { token } = identity
      if (call.target !== "verify" && tokenStatus(token, nowMs) !== "active") {
        return send(small(authenticationError(401)), undefined)
      }
      if (call.target === "graphql" && !limits.admitGraphql(nowMs, graphqlPayer(request, token, body))) {
        totals.rateLimited++
        return send(
          small(
            request.headers["x-rate-limit-type"] === "account-based"
              ? graphqlError("Account has exceeded its rate limit. Please try again after 5 minutes", nowMs, "budget")
              : { ...graphqlError("rate limiter budget depleted, try again after 5 minutes", nowMs), status: 429 }
          ),
          undefined
        )
      }
      // GraphQL has a budget of its own and no budget headers.
      const verdict = call.target === "graphql"
        ? { allowed: true as const, remaining: 0, resetSeconds: 0 }
        : limits.admit(nowMs, token.token, call.target === "received" ? call.zoneId : undefined)
      if (!verdict.allowed) {
        totals.rateLimited++
        return send(
          small(throttled(), {
            "retry-after": String(verdict.retryAfterSeconds),
            ...rateHeaders(0, verdict.retryAfterSeconds)
          }),
          undefined
        )
      }
      const result = await answer({
        call,
        token,
        zones,
        parameters: url.searchParams,
        request,
        body,
        audit,
        nowMs,
        settleMs: options.settleMs ?? 60_000
      })
      const reply = replyOf(
        result,
        combine(number, 0x6f72646572),
        call.target === "graphql" ? {} : rateHeaders(verdict.remaining, verdict.resetSeconds)
      )
      if ("records" in result) query = result.records
      fault = reply.status === 200 ? planned.at("body") : undefined
      const sent = await send(reply, fault)
      if (call.target === "received" && reply.status === 200) {
        totals.lines += sent.lines
        totals.bytes += sent.bytes
      }
      return sent
    }
    const sent = await respond()
    byStatus[status] = (byStatus[status] ?? 0) + 1
    byEnding[sent.ending]++
    truth.record({
      number,
      atMs: nowMs,
      path,
      zone: call?.zoneId,
      fromMs: query?.fromMs,
      toMs: query?.toMs,
      status,
      fault: fault?.kind,
      ending: sent.ending,
      lines: sent.lines,
      bytes: sent.bytes
    })
  }

  port = await listen(server, options.port ?? 0, host)
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}/client/v4`,
    port,
    zones,
    tokens: options.tokens,
    truth,
    faults,
    clock,
    counters: () => ({
      ...totals,
      byStatus: { ...byStatus },
      byEnding: { ...byEnding },
      faults: Object.fromEntries(faults.injected)
    }),
    stop: () => close(server)
  }
}
