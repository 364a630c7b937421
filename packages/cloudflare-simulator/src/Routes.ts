/** The API calls the simulator knows: which path is which call, and the answer to each once the caller is known. */
import { createHash } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { accountId, answerAudit, type AuditOptions } from "./AuditLogs.ts"
import { type Permission, permits, type TokenOptions, tokenStatus } from "./Authentication.ts"
import {
  authenticationError,
  badFlag,
  couldNotRoute,
  envelope,
  json,
  logpullErrors,
  type SmallResponse,
  text,
  unauthorizedResource
} from "./ErrorBodies.ts"
import type { FaultTarget } from "./Faults.ts"
import { answerGraphql } from "./GraphqlAnswers.ts"
import { fieldDescriptions } from "./HttpRequestFields.ts"
import { parseReceivedQuery, type ReceivedQuery } from "./ReceivedQuery.ts"
import type { SimulatedZone } from "./SimulatedZone.ts"

/** A recognised call. */
export interface Call {
  readonly target: FaultTarget
  readonly zoneId: string | undefined
  readonly method: "GET" | "POST"
}

/** Recognises a call, or answers that there is no such route. `path` starts after the host. */
export const matchCall = (
  method: string,
  path: string
): { readonly call: Call } | { readonly refusal: SmallResponse } => {
  const noRoute = { refusal: couldNotRoute(404, path) }
  if (!path.startsWith("/client/v4/")) return noRoute
  const rest = path.slice("/client/v4".length)
  if (method !== "GET" && method !== "POST") return noRoute
  if (rest === "/user/tokens/verify" && method === "GET") {
    return { call: { target: "verify", zoneId: undefined, method } }
  }
  if (rest === "/zones" && method === "GET") return { call: { target: "zones", zoneId: undefined, method } }
  if (rest === "/graphql" && method === "POST") return { call: { target: "graphql", zoneId: undefined, method } }
  if (rest === `/accounts/${accountId}/logs/audit` && method === "GET") {
    return { call: { target: "audit", zoneId: undefined, method } }
  }
  const match = /^\/zones\/([^/]+)(\/.*)?$/.exec(rest)
  if (match === null) return noRoute
  const [, zoneId = "", tail = ""] = match
  const targets: Readonly<Record<string, FaultTarget>> = {
    "": "zones",
    "/logs/received": "received",
    "/logs/received/fields": "fields",
    "/logs/control/retention/flag": "retention"
  }
  const target = Object.hasOwn(targets, tail) ? targets[tail] : undefined
  if (target === undefined || (method === "POST" && target !== "retention")) return noRoute
  if (!/^[0-9a-f]{32}$/.test(zoneId)) return { refusal: couldNotRoute(400, path) }
  return { call: { target, zoneId, method } }
}

/** What an answer needs to know. */
export interface Context {
  readonly call: Call
  readonly token: TokenOptions
  readonly zones: ReadonlyMap<string, SimulatedZone>
  readonly parameters: URLSearchParams
  readonly request: IncomingMessage
  /** The body of a GraphQL request. */
  readonly body: string
  readonly audit: AuditOptions
  readonly nowMs: number
  readonly settleMs: number
}

/** An answer: a small body, or the records of a window. */
export type Answer = { readonly small: SmallResponse } | {
  readonly records: ReceivedQuery
  readonly zone: SimulatedZone
}

/** Answers a call whose token is valid. */
export const answer = async (context: Context): Promise<Answer> => {
  const { call, token, zones } = context
  switch (call.target) {
    case "verify":
      return { small: verifyToken(context) }
    case "zones":
      return { small: call.zoneId === undefined ? listZones(context) : oneZone(context, call.zoneId) }
    case "audit":
      return {
        small: token.permissions.includes("Account Settings Read")
          ? answerAudit(context.audit, context.parameters, context.nowMs)
          : authenticationError(403)
      }
    case "graphql":
      return { small: answerGraphql(context) }
    case "received":
    case "fields":
    case "retention": {
      const zone = zones.get(call.zoneId ?? "")
      const needed: Permission = call.method === "POST" ? "Logs Write" : "Logs Read"
      // An unknown zone and a missing right get the same body.
      if (zone === undefined || !permits(token, zone.options.id, needed)) return { small: authenticationError(403) }
      if (zone.logpull === "forbidden") return { small: authenticationError(403) }
      if (call.target === "fields") return { small: json(200, fieldDescriptions(zone.options.fieldSet ?? "standard")) }
      if (call.target === "retention") {
        return { small: call.method === "POST" ? await switchRetention(context, zone) : retentionFlag(zone) }
      }
      return received(context, zone)
    }
  }
}

const received = (context: Context, zone: SimulatedZone): Answer => {
  if (zone.logpull === "no-content") return { small: { status: 204, contentType: "text/plain", body: "" } }
  if (!zone.retention) return { small: text(400, logpullErrors.retentionOff) }
  const parsed = parseReceivedQuery(context.parameters, {
    nowMs: context.nowMs,
    settleMs: context.settleMs,
    known: zone.fields
  })
  return "error" in parsed ? { small: text(400, parsed.error) } : { records: parsed.query, zone }
}

const retentionFlag = (zone: SimulatedZone): SmallResponse => envelope({ flag: zone.retention })

const LONGEST_BODY = 65_536

const switchRetention = async (context: Context, zone: SimulatedZone): Promise<SmallResponse> => {
  let body = ""
  for await (const chunk of context.request) {
    body += String(chunk)
    if (body.length > LONGEST_BODY) return badFlag()
  }
  const match = /^\s*\{\s*"flag"\s*:\s*(true|false)\s*\}\s*$/.exec(body)
  if (match === null) return badFlag()
  zone.setRetention(match[1] === "true", context.nowMs)
  return retentionFlag(zone)
}

const verifyToken = ({ nowMs, token }: Context): SmallResponse => {
  const status = tokenStatus(token, nowMs)
  const id = createHash("sha256").update(token.token).digest("hex").slice(0, 32)
  const expires = token.expiresOn === undefined
    ? {}
    : { expires_on: new Date(token.expiresOn).toISOString().replace(".000Z", "Z") }
  return envelope({ id, status, ...expires }, {
    messages: status === "active" ? [{ code: 10000, message: "This API Token is valid and active", type: null }] : []
  })
}

const planNames = {
  free: "Free Website",
  pro: "Pro Website",
  business: "Business Website",
  enterprise: "Enterprise Website"
} as const

const describeZone = (zone: SimulatedZone, token: TokenOptions): Readonly<Record<string, unknown>> => {
  const { id, name, plan } = zone.options
  const rights: Readonly<Record<Permission, string>> = {
    "Analytics Read": "#analytics:read",
    "Account Settings Read": "#account_settings:read",
    "Logs Read": "#logs:read",
    "Logs Write": "#logs:edit",
    "Zone Read": "#zone:read"
  }
  return {
    id,
    name,
    account: { id: accountId, name: "Example Account" },
    status: "active",
    paused: false,
    type: "full",
    permissions: token.permissions.map((permission) => rights[permission]).sort(),
    plan: {
      id: plan === "free" ? "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee" : plan.charCodeAt(0).toString(16).repeat(16),
      name: planNames[plan],
      price: 0,
      currency: "USD",
      frequency: plan === "free" ? "" : "monthly",
      is_subscribed: plan !== "free",
      can_subscribe: false,
      legacy_id: plan,
      legacy_discount: false,
      externally_managed: plan === "enterprise"
    }
  }
}

const listZones = ({ parameters, token, zones }: Context): SmallResponse => {
  const name = parameters.get("name")
  const visible = [...zones.values()].filter((zone) =>
    permits(token, zone.options.id, "Zone Read") && (name === null || zone.options.name === name)
  )
  const perPage = boundedInteger(parameters.get("per_page"), 20, 50)
  const page = boundedInteger(parameters.get("page"), 1, 1_000_000)
  const shown = visible.slice((page - 1) * perPage, page * perPage)
  return envelope(shown.map((zone) => describeZone(zone, token)), {
    result_info: {
      page,
      per_page: perPage,
      count: shown.length,
      total_count: visible.length,
      total_pages: Math.ceil(visible.length / perPage)
    }
  })
}

const oneZone = ({ token, zones }: Context, id: string): SmallResponse => {
  const zone = zones.get(id)
  return zone === undefined || !permits(token, id, "Zone Read")
    ? unauthorizedResource()
    : envelope(describeZone(zone, token))
}

const boundedInteger = (text: string | null, fallback: number, most: number): number =>
  text !== null && /^[1-9]\d{0,6}$/.test(text) ? Math.min(Number(text), most) : fallback
