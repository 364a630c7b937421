/**
 * The audit log on the whole road: what is in the archive against what the account really had.
 */
import { assert, describe, it } from "@effect/vitest"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { Effect } from "effect"
import { compare, verify } from "./Comparison.ts"
import { archiveAll, day, drain, hour, minute, onRoad, start, token } from "./Road.ts"

const source = "cloudflare/audit_logs/v2"

describe("the audit log", { timeout: 120_000 }, () => {
  it.live("is archived entry by entry exactly once, over several pages and with late entries", () =>
    onRoad({
      source,
      backfillMs: 3 * hour,
      aheadMs: 10 * minute,
      simulator: { audit: { seed: 5, everySeconds: 2, latestMs: 4 * minute } }
    }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        yield* archiveAll(road, process)
        for (let turn = 0; turn < 4; turn++) {
          road.clock.jump(5 * minute)
          yield* archiveAll(road, process)
        }
        const { lines, views, wrong } = yield* compare(road, process)
        assert.deepStrictEqual(wrong, [])
        assert.isAbove(lines, 4000)
        assert.isTrue(views.every(({ object }) => object?.fidelity === "complete"))
        const asked = road.simulator.truth.served().filter(({ path }) => path.endsWith("/logs/audit"))
        assert.isAbove(asked.length, 2 * views.length)
        const report = yield* verify(road, process)
        assert.strictEqual(report.verdict.integrity, "PASS")
        assert.strictEqual(report.verdict.completeness, "PASS", JSON.stringify(report.findings))
      })))

  it.live("that may not be read blocks the source, stays blocked when looked at again, and says what right it needs", () =>
    onRoad({
      source,
      simulator: { tokens: [{ token, status: "active", zones: "all", permissions: ["Zone Read", "Logs Read"] }] }
    }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        yield* process.planner.round
        assert.deepStrictEqual(yield* drain(process), ["blocked"])
        assert.strictEqual(yield* process.blocked.recheck, 0)
        const [zone] = yield* (yield* CustomerStore).zones(road.customer)
        assert.deepInclude(zone?.status, { state: "blocked", reason: "unauthorised" })
        assert.match(JSON.stringify(zone?.status), /Account Settings Read/)
      })))

  it.live("survives faults by seed", () =>
    onRoad(
      { source, backfillMs: day, simulator: { audit: { seed: 5, everySeconds: 10, latestMs: 0 } } },
      (road) =>
        Effect.gen(function*() {
          road.simulator.faults.random({
            seed: 3,
            probability: 0.3,
            targets: ["audit"],
            retryAfterSeconds: 1,
            weights: { reset: 2, cut: 2, "partial-line": 2, "server-error": 2, html: 1, trailer: 1 }
          })
          const process = yield* start(road)
          yield* archiveAll(road, process)
          const struck = Object.values(road.simulator.counters().faults).reduce((sum, count) => sum + count, 0)
          assert.isAbove(struck, 3)
          const { lines, wrong } = yield* compare(road, process)
          assert.deepStrictEqual(wrong, [])
          assert.isAbove(lines, 4000)
        })
    ))
})
