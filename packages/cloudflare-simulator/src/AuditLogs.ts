/**
 * The account's audit log, version 2 (`GET /accounts/{id}/logs/audit`, Cloudflare page «Audit logs» and API reference): by cursor, in
 * either direction, its count a string. Entries are a pure function of seed and second, and come in up to some minutes late.
 */
import { envelope, json, type SmallResponse } from "./ErrorBodies.ts"
import { combine, Draws, hashText } from "./Seed.ts"

/** What an account's audit log holds. */
export interface AuditOptions {
  readonly seed: number | string
  /** Average seconds between two entries. */
  readonly everySeconds: number
  /** The latest an entry appears after its time, ms. */
  readonly latestMs: number
}

/** One entry. */
export interface AuditEntry {
  readonly atMs: number
  readonly visibleAt: number
  /** Its JSON text. */
  readonly text: string
}

/** The only account of the simulator. */
export const accountId = "4bb334f7c94c4a29a045f03944f072e5"

const retentionMs = 18 * 30 * 86_400_000

/** Every entry of `[fromMs, toMs)`, oldest first; sometimes two of one moment. */
export function* auditEntries(options: AuditOptions, fromMs: number, toMs: number): Generator<AuditEntry> {
  const seed = hashText(String(options.seed))
  for (let second = Math.floor(fromMs / 1000); second * 1000 < toMs; second++) {
    const draws = new Draws(combine(seed, second))
    if (draws.unit() * options.everySeconds >= 1) continue
    const atMs = second * 1000 + draws.below(1000)
    const entries = draws.below(5) === 0 ? 2 : 1
    for (let index = 0; index < entries; index++) {
      const visibleAt = atMs + (options.latestMs === 0 ? 0 : draws.below(options.latestMs))
      const entry = entryText(draws, atMs)
      if (atMs >= fromMs && atMs < toMs) yield { atMs, visibleAt, text: entry }
    }
  }
}

const entryText = (draws: Draws, atMs: number): string =>
  JSON.stringify({
    id: `${draws.hex(8)}-${draws.hex(4)}-4${draws.hex(3)}-8${draws.hex(3)}-${draws.hex(12)}`,
    account: { id: accountId, name: "Example Account" },
    action: {
      description: draws.pick(["Add Member", "Änderung", "Delete \"rule\""]),
      result: draws.pick(["success", "failure"]),
      time: new Date(atMs).toISOString(),
      type: draws.pick(["create", "update", "delete", "view"])
    },
    actor: { context: "dash", email: "alice@example.com", id: draws.hex(32), ip_address: "203.0.113.7", type: "user" },
    raw: { cf_ray_id: draws.hex(16), method: "POST", status_code: 200, uri: "/accounts", user_agent: "Mozilla/5.0" },
    resource: { id: draws.hex(16), product: "members", request: {}, response: {}, type: "type" }
  })

/** The answer to one page; `parameters` as in the URL. */
export const answerAudit = (options: AuditOptions, parameters: URLSearchParams, nowMs: number): SmallResponse => {
  const since = Date.parse(parameters.get("since") ?? "")
  const before = Date.parse(parameters.get("before") ?? "")
  const limit = Number(parameters.get("limit") ?? "100")
  if (!(since < before) || !(limit >= 1 && limit <= 1000)) {
    // The message is this simulator's.
    return json(400, {
      success: false,
      errors: [{ code: 1001, message: "since, before or limit is not valid" }],
      result: null
    })
  }
  const all = [...auditEntries(options, Math.max(since, nowMs - retentionMs), before)]
    .filter((entry) => entry.visibleAt <= nowMs)
  if (parameters.get("direction") !== "asc") all.reverse()
  const from = Number(Buffer.from(parameters.get("cursor") ?? "", "base64url").toString() || "0")
  const page = all.slice(from, from + limit)
  const more = from + limit < all.length
  const body = envelope([], {
    result_info: {
      count: String(page.length),
      ...(more ? { cursor: Buffer.from(String(from + limit)).toString("base64url") } : {})
    }
  })
  return {
    ...body,
    body: body.body.replace("\"result\":[]", () => `"result":[${page.map(({ text }) => text).join(",")}]`)
  }
}
