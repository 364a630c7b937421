/**
 * What happened to a request: served from cache, fetched from the origin, blocked, failed. Status mix and field values follow the real
 * sample lines and include the rare statuses 499, 520, 522 and 599.
 */
import { type JsonFields, jsonFields } from "./JsonText.ts"
import type { ResourceKind } from "./Resources.ts"

/** One outcome: its shared JSON fields and the facts the per-request numbers depend on. */
export interface Outcome {
  readonly fields: JsonFields
  /** The origin was asked, so origin timings are above zero. */
  readonly origin: boolean
  /** The response has the resource's body; otherwise a short error page or nothing. */
  readonly body: boolean
  /** A Worker ran, so Worker timings are above zero. */
  readonly worker: boolean
  /** The request is a Worker's own subrequest, so it has a parent Ray ID. */
  readonly subrequest: boolean
  /** The WAF judged the request an attack, so its attack score is low (1 attack – 99 clean). */
  readonly attack: boolean
  readonly weights: Readonly<Record<ResourceKind, number>>
}

interface Case {
  readonly cache: string
  readonly status: number
  readonly originStatus: number
  readonly weights: readonly [fixed: number, page: number, api: number, probe: number]
  readonly action?: string
  readonly source?: string
  readonly rule?: string
  readonly worker?: "main" | "subrequest"
}

const cases: ReadonlyArray<Case> = [
  { cache: "hit", status: 200, originStatus: 0, weights: [700, 160, 0, 0] },
  { cache: "hit", status: 304, originStatus: 0, weights: [90, 10, 0, 0] },
  { cache: "revalidated", status: 200, originStatus: 304, weights: [20, 5, 0, 0] },
  { cache: "expired", status: 200, originStatus: 200, weights: [25, 20, 0, 0] },
  { cache: "stale", status: 200, originStatus: 0, weights: [4, 4, 0, 0] },
  { cache: "updating", status: 200, originStatus: 0, weights: [3, 3, 0, 0] },
  { cache: "miss", status: 200, originStatus: 200, weights: [110, 60, 0, 0] },
  { cache: "miss", status: 404, originStatus: 404, weights: [12, 20, 0, 250] },
  { cache: "bypass", status: 200, originStatus: 200, weights: [4, 40, 20, 0] },
  { cache: "dynamic", status: 200, originStatus: 200, weights: [5, 480, 700, 20] },
  { cache: "dynamic", status: 201, originStatus: 201, weights: [0, 0, 60, 0] },
  { cache: "dynamic", status: 301, originStatus: 301, weights: [2, 40, 2, 30] },
  { cache: "dynamic", status: 302, originStatus: 302, weights: [0, 50, 10, 10] },
  { cache: "dynamic", status: 401, originStatus: 401, weights: [0, 2, 40, 10] },
  { cache: "dynamic", status: 422, originStatus: 422, weights: [0, 0, 30, 0] },
  { cache: "dynamic", status: 500, originStatus: 500, weights: [0, 4, 8, 4] },
  { cache: "dynamic", status: 502, originStatus: 502, weights: [1, 4, 4, 0] },
  { cache: "dynamic", status: 503, originStatus: 503, weights: [1, 3, 4, 0] },
  { cache: "dynamic", status: 499, originStatus: 0, weights: [3, 8, 8, 2] },
  { cache: "dynamic", status: 520, originStatus: 0, weights: [1, 3, 4, 1] },
  { cache: "dynamic", status: 522, originStatus: 0, weights: [1, 4, 5, 2] },
  { cache: "dynamic", status: 599, originStatus: 0, weights: [1, 1, 1, 1] },
  {
    cache: "unknown",
    status: 403,
    originStatus: 0,
    weights: [2, 10, 15, 420],
    action: "block",
    source: "firewallManaged",
    rule: "6179ae15870a4bb7b2d480d4843b323c"
  },
  {
    cache: "unknown",
    status: 403,
    originStatus: 0,
    weights: [2, 14, 12, 140],
    action: "managedChallenge",
    source: "firewallCustom",
    rule: "d3a1c0fc5e7c4c0b9b5f2f2f0a6e9a11"
  },
  {
    cache: "unknown",
    status: 429,
    originStatus: 0,
    weights: [0, 2, 25, 30],
    action: "block",
    source: "rateLimit",
    rule: "2b5f06e34a814a889bee9a0699702280"
  },
  {
    cache: "dynamic",
    status: 200,
    originStatus: 200,
    weights: [0, 30, 30, 0],
    action: "skip",
    source: "firewallCustom",
    rule: "8ac8bc2a661e475d940980f9317f28e1"
  },
  { cache: "unknown", status: 200, originStatus: 0, weights: [4, 25, 50, 0], worker: "main" },
  { cache: "dynamic", status: 200, originStatus: 200, weights: [2, 12, 40, 0], worker: "subrequest" }
]

/** Every outcome a zone can have, each with several origin servers. */
export const makeOutcomes = (): ReadonlyArray<Outcome> =>
  cases.flatMap((one) =>
    [0, 1, 2].map((server): Outcome => {
      const origin = one.originStatus !== 0
      const blocked = one.action !== undefined && one.action !== "skip"
      const [fixed, page, api, probe] = one.weights
      const originAddress = `198.51.100.${2 + server * 7}`
      return {
        origin,
        body: one.status === 200 || one.status === 201,
        worker: one.worker === "main",
        subrequest: one.worker === "subrequest",
        attack: one.source === "firewallManaged",
        weights: { static: fixed, page, api, probe },
        fields: jsonFields({
          CacheCacheStatus: one.cache,
          CacheResponseStatus: origin || one.cache !== "unknown" ? one.status : 0,
          CacheTieredFill: one.cache === "miss" && server === 1,
          CacheReserveUsed: false,
          ClientRequestSource: one.worker === "subrequest" ? "edgeWorkerFetch" : "eyeball",
          EdgePathingOp: blocked ? "ban" : "wl",
          EdgePathingSrc: blocked ? "filterBasedFirewall" : "macro",
          EdgePathingStatus: blocked ? "captchaNew" : "nr",
          EdgeResponseStatus: one.status,
          // "" when the edge made no connection to the origin.
          EdgeServerIP: origin ? `198.51.100.${1 + server * 7}` : "",
          OriginIP: origin ? originAddress : "",
          OriginResponseStatus: one.originStatus,
          OriginSSLProtocol: origin ? (server === 2 ? "none" : "TLSv1.3") : "unknown",
          SecurityAction: one.action ?? "",
          // Three parallel arrays, one element per rule that matched.
          SecurityActions: one.action === undefined ? [] : one.action === "skip" ? ["log", "skip"] : [one.action],
          SecurityRuleIDs: one.rule === undefined ? [] : one.action === "skip" ? ["", one.rule] : [one.rule],
          SecuritySources: one.source === undefined ? [] : one.action === "skip" ? ["bic", one.source] : [one.source],
          SecurityRuleID: one.rule ?? "",
          SecurityRuleDescription: one.rule === undefined
            ? ""
            : one.source === "rateLimit"
            ? "API rate limit"
            : "Managed rules",
          UpperTierColoID: one.cache === "miss" && server === 1 ? 28 : 0,
          WAFFlags: "0",
          WAFMatchedVar: "",
          WorkerStatus: one.worker === "main" ? "ok" : "unknown",
          WorkerScriptName: one.worker === "main" ? "shop-router" : "",
          WorkerSubrequest: one.worker === "subrequest",
          WorkerSubrequestCount: one.worker === "main" ? 1 + server : 0,
          LeakedCredentialCheckResult: one.status === 401 ? "password_leaked" : "clean"
        })
      }
    })
  )
