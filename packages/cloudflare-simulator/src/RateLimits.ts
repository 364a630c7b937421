/**
 * Cloudflare's request budgets: 15 a minute per zone and 180 a minute per user for Logpull ("requesting logs"), 1 200 in five minutes per
 * user for the whole API, and an hour's block after more than 12 timeouts in an hour. Time is the simulator's clock.
 */

/** The budgets; every figure is a number of requests. */
export interface Limits {
  /** Logpull requests per zone and minute. */
  readonly perZonePerMinute: number
  /** Logpull requests per user and minute. */
  readonly perUserPerMinute: number
  /** API requests per user and five minutes. */
  readonly perUserPerFiveMinutes: number
  /** Timeouts per zone and hour; one more blocks the zone for an hour. */
  readonly timeoutsPerHour: number
  /** GraphQL queries per user (or, in account-based mode, per zone) and five minutes. */
  readonly graphqlPerFiveMinutes: number
}

/** Cloudflare's published figures. */
export const cloudflareLimits: Limits = {
  perZonePerMinute: 15,
  perUserPerMinute: 180,
  perUserPerFiveMinutes: 1200,
  timeoutsPerHour: 12,
  graphqlPerFiveMinutes: 300
}

/** The verdict on one request: what is left of the user's budget, or how long to wait. */
export type RateVerdict =
  | { readonly allowed: true; readonly remaining: number; readonly resetSeconds: number }
  | {
    readonly allowed: false
    readonly retryAfterSeconds: number
    readonly reason: "zone" | "user" | "global" | "timeouts"
  }

const MINUTE_MS = 60_000
const FIVE_MINUTES_MS = 300_000
const HOUR_MS = 3_600_000

/** Counts requests in sliding windows. */
export class RateLimits {
  readonly #limits: Limits
  readonly #times = new Map<string, Array<number>>()
  readonly #blockedUntil = new Map<string, number>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Judges a request at `nowMs` and counts it if it is allowed; `zone` is given for Logpull requests only. */
  admit(nowMs: number, user: string, zone: string | undefined): RateVerdict {
    const limits = this.#limits
    const blocked = this.#blockedUntil.get(`user ${user}`) ?? 0
    if (nowMs < blocked) return refuse(blocked - nowMs, "global")
    const global = this.#recent(`global ${user}`, nowMs, FIVE_MINUTES_MS)
    if (global.length >= limits.perUserPerFiveMinutes) {
      // Exceeding blocks all calls for the next five minutes.
      this.#blockedUntil.set(`user ${user}`, nowMs + FIVE_MINUTES_MS)
      return refuse(FIVE_MINUTES_MS, "global")
    }
    if (zone !== undefined) {
      const blockedZone = this.#blockedUntil.get(`zone ${zone}`) ?? 0
      if (nowMs < blockedZone) return refuse(blockedZone - nowMs, "timeouts")
      const ofZone = this.#recent(`zone ${zone}`, nowMs, MINUTE_MS)
      if (ofZone.length >= limits.perZonePerMinute) return refuse((ofZone[0] ?? nowMs) + MINUTE_MS - nowMs, "zone")
      const ofUser = this.#recent(`user ${user}`, nowMs, MINUTE_MS)
      if (ofUser.length >= limits.perUserPerMinute) return refuse((ofUser[0] ?? nowMs) + MINUTE_MS - nowMs, "user")
      ofZone.push(nowMs)
      ofUser.push(nowMs)
    }
    global.push(nowMs)
    return {
      allowed: true,
      remaining: limits.perUserPerFiveMinutes - global.length,
      resetSeconds: Math.ceil(((global[0] ?? nowMs) + FIVE_MINUTES_MS - nowMs) / 1000)
    }
  }

  /** Judges a GraphQL query of `payer` and counts it if it is allowed. */
  admitGraphql(nowMs: number, payer: string): boolean {
    const recent = this.#recent(`graphql ${payer}`, nowMs, FIVE_MINUTES_MS)
    if (recent.length >= this.#limits.graphqlPerFiveMinutes) return false
    recent.push(nowMs)
    return true
  }

  /** Counts a request of the zone that timed out (408). */
  timedOut(nowMs: number, zone: string): void {
    const timeouts = this.#recent(`timeouts ${zone}`, nowMs, HOUR_MS)
    timeouts.push(nowMs)
    if (timeouts.length > this.#limits.timeoutsPerHour) this.#blockedUntil.set(`zone ${zone}`, nowMs + HOUR_MS)
  }

  #recent(key: string, nowMs: number, windowMs: number): Array<number> {
    const times = this.#times.get(key) ?? []
    const kept = times.filter((time) => time > nowMs - windowMs)
    this.#times.set(key, kept)
    return kept
  }
}

const refuse = (waitMs: number, reason: "zone" | "user" | "global" | "timeouts"): RateVerdict => ({
  allowed: false,
  retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
  reason
})
