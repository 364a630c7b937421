/** API tokens of the simulated account and the checks Cloudflare makes before it looks at a request. */
import type { IncomingHttpHeaders } from "node:http"
import { authenticationError, invalidHeader, type SmallResponse } from "./ErrorBodies.ts"

/** Permissions by the names of Cloudflare's dashboard. */
export type Permission = "Zone Read" | "Logs Read" | "Logs Write" | "Analytics Read" | "Account Settings Read"

/** An API token. */
export interface TokenOptions {
  readonly token: string
  readonly status: "active" | "disabled" | "expired"
  /** Unix ms; absent: never. */
  readonly expiresOn?: number | undefined
  /** Ids of the zones it may see, or all. */
  readonly zones: "all" | ReadonlyArray<string>
  readonly permissions: ReadonlyArray<Permission>
}

/** Whether the token is usable at `nowMs`. */
export const tokenStatus = (token: TokenOptions, nowMs: number): TokenOptions["status"] =>
  token.status === "active" && token.expiresOn !== undefined && nowMs >= token.expiresOn ? "expired" : token.status

/** Finds the token a request presents, or says how Cloudflare refuses it. Disabled and expired tokens are found: see {@link tokenStatus}. */
export const authenticate = (
  headers: IncomingHttpHeaders,
  tokens: ReadonlyArray<TokenOptions>
): { readonly token: TokenOptions } | { readonly refusal: SmallResponse } => {
  const key = headers["x-auth-key"]
  // A global API key is 37 hexadecimal digits; this account has none, so a well-formed one is a wrong one.
  if (key !== undefined) {
    return {
      refusal: typeof key === "string" && /^[0-9a-f]{37}$/.test(key)
        ? authenticationError(403)
        : invalidHeader("X-Auth-Key")
    }
  }
  const authorization = headers.authorization
  if (authorization === undefined) return { refusal: authenticationError(401) }
  const match = /^Bearer ([A-Za-z0-9_.-]+)$/.exec(authorization)
  if (match === null) return { refusal: invalidHeader("Authorization") }
  const token = tokens.find((one) => one.token === match[1])
  return token === undefined ? { refusal: authenticationError(401) } : { token }
}

/** Whether a token may do something on a zone. "Logs Write" includes "Logs Read". */
export const permits = (token: TokenOptions, zoneId: string, permission: Permission): boolean =>
  (token.zones === "all" || token.zones.includes(zoneId))
  && (token.permissions.includes(permission) ||
    (permission === "Logs Read" && token.permissions.includes("Logs Write")))
