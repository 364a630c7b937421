/**
 * Zones that cannot be collected: they say why and what to do, are left alone, and go on when the cause is gone; time
 * for which Cloudflare kept no logs is a gap, never an empty window.
 */
import { assert, describe, it } from "@effect/vitest"
import type { TokenOptions } from "@rainlogs/cloudflare-simulator/Authentication"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { Effect, Fiber, Option } from "effect"
import { compare, sourceOf, verify, windowsOf, zoneOf } from "./Comparison.ts"
import { archiveAll, drain, hour, minute, noon, onRoad, type Process, type Road, second, start, token } from "./Road.ts"

const turnOff = (road: Road) => road.cloudflare.setRetention(false, road.clock.currentTimeMillisUnsafe())
const turnOn = (road: Road) => road.cloudflare.setRetention(true, road.clock.currentTimeMillisUnsafe())

/** Plans and archives once. */
const turn = Effect.fnUntraced(function*(process: Process) {
  yield* process.planner.round
  return yield* drain(process)
})

const blockedFor = Effect.fnUntraced(function*(road: Road) {
  const { status } = yield* zoneOf(road)
  return status.state === "blocked" ? status : yield* Effect.die(new Error("the zone is active"))
})

describe("a zone whose log retention is turned off", { timeout: 60_000 }, () => {
  it.live("is blocked with the reason and the remedy, and left alone until it is on again: the lost time is one gap", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        assert.deepStrictEqual(yield* turn(process), ["committed"])
        // The last good answer of Cloudflare's, remembered for five minutes.
        const checkedAt = road.clock.currentTimeMillisUnsafe()
        road.clock.jump(2 * minute)
        turnOff(road)
        road.clock.jump(18 * minute)
        assert.deepStrictEqual(yield* turn(process), ["blocked", "unavailable"])
        const status = yield* blockedFor(road)
        assert.strictEqual(status.reason, "retention-off")
        assert.match(status.remedy, /Turn on log retention/)
        assert.isAtMost(Math.abs(status.since - checkedAt), 2 * second)
        const asked = road.pulls().length
        for (let later = 0; later < 3; later++) {
          road.clock.jump(hour)
          assert.deepStrictEqual(yield* turn(process), [], "nothing is leased")
          assert.strictEqual(yield* process.blocked.recheck, 0, "still off")
        }
        assert.strictEqual(road.pulls().length, asked)
        turnOn(road)
        assert.strictEqual(yield* process.blocked.recheck, 1)
        const onAt = road.clock.currentTimeMillisUnsafe()
        assert.strictEqual((yield* zoneOf(road)).status.state, "active")
        assert.strictEqual(yield* process.blocked.recheck, 0)
        road.clock.jump(30 * minute)
        yield* archiveAll(road, process)
        const { gaps, views, wrong } = yield* compare(road, process)
        assert.deepStrictEqual(wrong, [])
        assert.strictEqual(gaps.length, 1)
        assert.strictEqual(gaps[0]!.gapReason, "blocked")
        const { from, to } = gaps[0]!.job.window
        assert.isTrue(from <= status.since && status.since - from < second, `${from} ${status.since}`)
        assert.isTrue(Math.abs(to - onAt) < 2 * second, `${to} ${onAt}`)
        const before = views.filter(({ job }) => job.window.to <= from)
        assert.strictEqual(before.length, 3, "the window that was under way is kept up to the last good answer")
        for (const { job, object } of views) if (job.state === "committed") assert.isAbove(object!.records, 0)
        const report = yield* verify(road, process)
        assert.strictEqual(report.verdict.completeness, "PASS", JSON.stringify(report.findings))
        assert.strictEqual(report.coverage[0]!.gaps.length, 1)
        assert.strictEqual(report.coverage[0]!.empty, 0)
      })))

  it.live("and on again before anybody noticed the answer was old is lost from that answer on, not from the attempt on", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        yield* turn(process)
        const checkedAt = road.clock.currentTimeMillisUnsafe()
        // Attempts on a remembered answer must not move the last good moment.
        for (let later = 0; later < 2; later++) {
          road.clock.jump(2 * minute)
          yield* turn(process)
        }
        turnOff(road)
        road.clock.jump(10 * minute)
        yield* turn(process)
        assert.isAtMost(Math.abs((yield* blockedFor(road)).since - checkedAt), 2 * second)
      })))

  it.live("before it was ever on has no log at all: everything up to now is lost", () =>
    onRoad({ zone: { retention: false } }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        assert.deepStrictEqual(yield* turn(process), ["blocked"])
        assert.strictEqual((yield* blockedFor(road)).since, 0)
        assert.strictEqual(road.pulls().length, 0)
        turnOn(road)
        assert.strictEqual(yield* process.blocked.recheck, 1)
        road.clock.jump(20 * minute)
        yield* archiveAll(road, process)
        const { gaps, source, wrong } = yield* compare(road, process)
        assert.deepStrictEqual(wrong, [])
        assert.deepStrictEqual(gaps.map(({ job }) => job.window.from), [source.startsAt])
      })))

  it.live("keeps its backlog from before, which is still collected", () =>
    onRoad({ backfillMs: 5 * hour }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road, { mostQueued: 2 })
        assert.deepStrictEqual(yield* turn(process), ["committed", "committed"])
        road.clock.jump(10 * minute)
        turnOff(road)
        road.clock.jump(10 * minute)
        assert.include(yield* turn(process), "blocked")
        turnOn(road)
        yield* process.blocked.recheck
        yield* archiveAll(road, process)
        const { gaps, views, wrong } = yield* compare(road, process)
        assert.deepStrictEqual(wrong, [])
        assert.strictEqual(gaps.length, 1)
        assert.isAtLeast(gaps[0]!.job.window.from, noon)
        assert.isAtLeast(views.length, 7)
      })))

  it.live("before the planner came to the last good moment: what was kept until then is planned and collected", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        yield* turn(process)
        road.clock.jump(3 * minute)
        turnOff(road)
        assert.deepStrictEqual(yield* turn(process), ["blocked"])
        const { since } = yield* blockedFor(road)
        assert.isAbove(since, (yield* windowsOf(road)).at(-1)!.job.window.to, "nothing is planned up to there")
        turnOn(road)
        yield* process.blocked.recheck
        const soon = yield* turn(process)
        assert.deepStrictEqual(soon, ["committed", "retried"], "what has not settled is not asked for yet")
        assert.match((yield* windowsOf(road)).at(-2)!.job.lastError ?? "", /^unsettled: /)
        yield* archiveAll(road, process)
        const { gaps, wrong } = yield* compare(road, process)
        assert.deepStrictEqual(wrong, [])
        assert.deepStrictEqual(gaps.map(({ job }) => job.window.from), [Math.floor(since / second) * second])
        const ages = road.pulls().map(({ atMs, toMs }) => toMs === undefined ? Infinity : atMs - toMs)
        assert.isAtLeast(Math.min(...ages), 5 * minute)
      })))

  it.live("again, right after it was released: only the time since the release is lost", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        yield* turn(process)
        road.clock.jump(10 * minute)
        turnOff(road)
        yield* turn(process)
        road.clock.jump(10 * minute)
        turnOn(road)
        yield* process.blocked.recheck
        const releasedAt = road.clock.currentTimeMillisUnsafe()
        road.clock.jump(20 * minute)
        turnOff(road)
        assert.include(yield* turn(process), "blocked")
        assert.isAtMost(Math.abs((yield* blockedFor(road)).since - releasedAt), 2 * second)
      })))

  it.live("while the token is refused too, and in whichever order, still loses the time", () =>
    Effect.forEach(["token first", "retention first"] as const, (order) => {
      const tokens: Array<TokenOptions> = [{ token, status: "active", zones: "all", permissions: ["Logs Read"] }]
      const grant = (allowed: boolean) =>
        tokens.splice(0, 1, {
          token,
          status: allowed ? "active" : "disabled",
          zones: "all",
          permissions: ["Logs Read"]
        })
      return onRoad({ simulator: { tokens } }, (road) =>
        Effect.gen(function*() {
          const process = yield* start(road)
          yield* turn(process)
          road.clock.jump(10 * minute)
          if (order === "token first") grant(false)
          turnOff(road)
          yield* turn(process)
          assert.strictEqual(
            (yield* blockedFor(road)).reason,
            order === "token first" ? "unauthorised" : "retention-off"
          )
          const { since } = yield* blockedFor(road)
          grant(order === "token first")
          yield* process.blocked.recheck
          const status = yield* blockedFor(road)
          assert.strictEqual(status.reason, "retention-off", order)
          assert.strictEqual(status.since, since)
          assert.match(status.remedy, order === "token first" ? /retention/ : /token/, "what to do now")
          grant(true)
          turnOn(road)
          road.clock.jump(10 * minute)
          assert.strictEqual(yield* process.blocked.recheck, 1)
          yield* archiveAll(road, process)
          const { gaps, wrong } = yield* compare(road, process)
          assert.deepStrictEqual(wrong, [])
          assert.deepStrictEqual(gaps.map(({ gapReason }) => gapReason), ["blocked"])
        }))
    }))

  it.live("with a dead worker's lease in the lost time: its window is lost too, not collected as an empty one", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const ledger = yield* WindowLedger
        const process = yield* start(road)
        yield* turn(process)
        road.clock.jump(20 * minute)
        turnOff(road)
        const offAt = road.clock.currentTimeMillisUnsafe()
        road.clock.jump(20 * minute)
        yield* process.planner.round
        const now = road.clock.currentTimeMillisUnsafe()
        const { job } = (yield* windowsOf(road)).at(-1)!
        const dead = { customer: road.customer, job: job.id }
        assert.isTrue(Option.isSome(yield* ledger.lease(dead, "dead", now, now + minute)))
        yield* drain(process)
        // Another zone's check cannot be the one that notices: the flag is asked for once more.
        yield* (yield* CustomerStore).block(road.customer, job.source, {
          reason: "retention-off",
          remedy: "turn it on"
        })
        turnOn(road)
        road.clock.jump(5 * minute)
        assert.strictEqual(yield* process.blocked.recheck, 1)
        yield* archiveAll(road, process)
        const { gaps, views, wrong } = yield* compare(road, process)
        assert.deepStrictEqual(wrong, [])
        assert.strictEqual(gaps.length, 1)
        const claimed = views.filter(({ job }) => job.state === "committed" && job.window.to > offAt)
        assert.isAbove(
          Math.min(...claimed.map(({ job }) => job.window.from)),
          offAt + 20 * minute,
          "no lost time in them"
        )
        for (const { job, object } of views) if (job.state === "committed") assert.isAbove(object!.records, 0)
      })))

  it.live("rechecked by two processes at once is released once, with one gap", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const [one, other] = [yield* start(road), yield* start(road)]
        yield* turn(one)
        road.clock.jump(10 * minute)
        turnOff(road)
        yield* turn(one)
        turnOn(road)
        road.clock.jump(10 * minute)
        // The other's answer comes more than a second later, when the first has released the zone.
        road.simulator.faults.next({ kind: "drip", bytesPerSecond: 60 }, { target: "retention" })
        const late = yield* Effect.forkChild(other.blocked.recheck)
        while (!road.simulator.faults.injected.has("drip")) yield* Effect.sleep("5 millis")
        assert.strictEqual(yield* one.blocked.recheck, 1)
        assert.strictEqual(yield* Fiber.join(late), 0)
        assert.isTrue(
          road.simulator.truth.served().some(({ fault, ending }) => fault === "drip" && ending === "complete")
        )
        yield* archiveAll(road, one)
        const { gaps, wrong } = yield* compare(road, one)
        assert.deepStrictEqual(wrong, [])
        assert.strictEqual(gaps.length, 1)
      })))
})

describe("a zone whose token is refused", { timeout: 60_000 }, () => {
  it.live("is blocked with what the token needs; when it works again nothing is missing", () => {
    const tokens: Array<TokenOptions> = [{ token, status: "active", zones: "all", permissions: ["Logs Read"] }]
    const grant = (status: TokenOptions["status"]) =>
      tokens.splice(0, 1, { token, status, zones: "all", permissions: ["Logs Read"] })
    return onRoad({ simulator: { tokens } }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        yield* turn(process)
        road.clock.jump(6 * minute)
        grant("disabled")
        assert.deepStrictEqual(yield* turn(process), ["blocked"])
        const status = yield* blockedFor(road)
        assert.strictEqual(status.reason, "unauthorised")
        assert.match(status.remedy, /Logs Read/)
        const { lastError } = (yield* windowsOf(road)).at(-1)!.job
        assert.match(lastError ?? "", /^authentication-error: /)
        assert.notInclude(JSON.stringify([status, lastError, road.log]), token)
        road.clock.jump(2 * hour)
        assert.deepStrictEqual(yield* turn(process), [])
        grant("active")
        assert.strictEqual(yield* process.blocked.recheck, 1)
        yield* archiveAll(road, process)
        const { gaps, wrong } = yield* compare(road, process)
        assert.deepStrictEqual(wrong, [])
        assert.strictEqual(gaps.length, 0)
        assert.strictEqual((yield* verify(road, process)).verdict.completeness, "PASS")
      }))
  })

  it.live("for records alone is not released by a remembered answer about retention", () => {
    const tokens: Array<TokenOptions> = [{ token, status: "active", zones: "all", permissions: ["Logs Read"] }]
    return onRoad({ simulator: { tokens } }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road, { retentionTtlMs: hour })
        yield* turn(process)
        tokens.splice(0, 1, { token, status: "disabled", zones: "all", permissions: ["Logs Read"] })
        road.clock.jump(5 * minute)
        assert.deepStrictEqual(yield* turn(process), ["blocked"])
        assert.strictEqual(yield* process.blocked.recheck, 0)
        assert.strictEqual((yield* blockedFor(road)).reason, "unauthorised")
      }))
  })
})

describe("rechecking blocked zones", { timeout: 60_000 }, () => {
  it.live("goes on with the next zone when one ends in a defect, and tries that one again", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        yield* turn(process)
        road.clock.jump(10 * minute)
        turnOff(road)
        yield* turn(process)
        turnOn(road)
        process.hooks.beforePut = () => Effect.die("a bug")
        assert.strictEqual(yield* process.blocked.recheck, 0)
        assert.isTrue(road.log.some(({ text }) => text.includes("blocked source not rechecked")))
        process.hooks.beforePut = undefined
        assert.strictEqual(yield* process.blocked.recheck, 1)
        assert.strictEqual((yield* sourceOf(road)).zone, road.zone)
      })))
})
