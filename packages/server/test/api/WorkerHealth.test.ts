import { assert, describe, it } from "@effect/vitest"
import type { SourceProgress } from "@rainlogs/core/archive/WindowLedger"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId, SourceId, ZoneId } from "@rainlogs/core/domain/Identifier"
import type { Source } from "@rainlogs/core/domain/Source"
import { DateTime } from "effect"
import { type WorkerFacts, workerHealth } from "../../src/api/WorkerHealth.ts"

const now = 1_767_225_600_000
const hour = 3_600_000
const id = "01980000-0000-7000-8000-000000000001"

const progress = (
  oldestUncommitted: number | null,
  name: Source["name"] = "cloudflare/logpull/http_requests",
  status: Source["status"] = { state: "active" }
): SourceProgress => ({
  source: {
    id: SourceId.make(id),
    customer: CustomerId.make(id),
    origin: Origin.make(`archive.example.eu/t/${id}`),
    zone: ZoneId.make(id),
    name,
    status,
    startsAt: 0,
    windowMs: hour
  },
  plannedTo: now,
  windows: { planned: 1, leased: 0, stored: 0, committed: 2, gap: 3, split: 0 },
  records: 0,
  plainBytes: 0,
  storedBytes: 0,
  oldestUncommitted
})

const facts = (more: Partial<WorkerFacts> = {}): WorkerFacts => ({
  now,
  progress: [progress(null)],
  horizonOf: (name) => name === "cloudflare/logpush/http_requests" ? Infinity : 168 * hour,
  waiting: 0,
  circuits: [],
  budgets: [],
  attempts: { committed: 5, retried: 4, split: 3, blocked: 2, lost: 1 },
  ...more
})

describe("the health of collection", () => {
  it("is in order when nothing waits that can be lost", () => {
    const health = workerHealth(facts({ progress: [progress(null), progress(now - 100 * hour)] }))
    assert.strictEqual(health.status, "ok")
    assert.strictEqual(health.lagMs, 100 * hour)
    assert.strictEqual(health.hoursToLoss, 68)
    assert.deepStrictEqual(health.windows, { planned: 2, leased: 0, stored: 0, committed: 4, gap: 6, split: 0 })
    assert.strictEqual(DateTime.toEpochMillis(health.oldestUncommitted!.start), now - 100 * hour)
  })

  it("needs attention when a source comes near its loss, is blocked, or a breaker is open", () => {
    assert.strictEqual(workerHealth(facts({ progress: [progress(now - 127 * hour)] })).status, "attention")
    assert.strictEqual(workerHealth(facts({ progress: [progress(now - 125 * hour)] })).status, "ok")
    const blocked = progress(null, "cloudflare/graphql/firewall_events", {
      state: "blocked",
      reason: "unauthorised",
      since: 0,
      remedy: "a token"
    })
    const one = workerHealth(facts({ progress: [progress(null), blocked] }))
    assert.deepInclude(one, { status: "attention", sources: { active: 1, blocked: 1 } })
    const circuits = [
      { key: "logs/received zone a", state: "open", failures: 5, openUntil: now },
      { key: "logs/received zone b", state: "half-open", failures: 5, openUntil: null },
      { key: "zones - a", state: "closed", failures: 1, openUntil: null }
    ] as const
    const broken = workerHealth(facts({ circuits }))
    assert.deepInclude(broken, { status: "attention", circuits: [{ api: "logs/received", open: 2 }] })
  })

  it("does not call lost what a source keeps for us", () => {
    const health = workerHealth(facts({ progress: [progress(0, "cloudflare/logpush/http_requests")] }))
    assert.deepInclude(health, { status: "ok", hoursToLoss: null })
  })

  it("says null, and attention, of what the database did not say", () => {
    const health = workerHealth(facts({ progress: null }))
    assert.deepInclude(health, {
      status: "attention",
      lagMs: null,
      oldestUncommitted: null,
      hoursToLoss: null,
      sources: null,
      windows: null
    })
  })

  it("sums budgets by what they count, without token and zone", () => {
    const budget = { limit: 15, windowMs: 60_000, used: 1, underWay: 0, waiting: 0, pausedUntil: null }
    const { budgets } = workerHealth(facts({
      budgets: [
        { ...budget, key: "logpull fingerprint zone-a", used: 15, underWay: 2, waiting: 3 },
        { ...budget, key: "logpull fingerprint zone-b", pausedUntil: now + 1 },
        { ...budget, key: "api fingerprint" }
      ]
    }))
    assert.deepStrictEqual(budgets, [
      { family: "logpull", budgets: 2, exhausted: 1, paused: 1, waiting: 3 },
      { family: "api", budgets: 1, exhausted: 0, paused: 0, waiting: 0 }
    ])
  })
})
