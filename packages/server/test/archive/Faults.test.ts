/**
 * What a window goes through before it is in the archive, and that nothing but the whole truth ever is.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Fault } from "@rainlogs/cloudflare-simulator/Faults"
import { failuresBeforeSplit, silencesBeforeSplit } from "@rainlogs/core/archive/FailureDecision"
import { successesBeforeGrowth } from "@rainlogs/core/archive/WindowGrowth"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { Effect } from "effect"
import { compare, sourceOf, verify, windowsOf } from "./Comparison.ts"
import { archiveAll, drain, hour, minute, onRoad, start } from "./Road.ts"

/** Each fault and the reason that must stay with the job. */
const faults: ReadonlyArray<readonly [string, Fault, string]> = [
  ["a trailer", { kind: "trailer", afterBytes: 3000 }, "truncated-stream"],
  ["a reset", { kind: "reset", afterBytes: 3000 }, "connection-lost"],
  ["a cut", { kind: "cut", afterBytes: 3000, framing: "chunked" }, "connection-lost"],
  ["half a line", { kind: "partial-line", afterBytes: 3000 }, "truncated-stream"],
  ["a stall", { kind: "stall", afterBytes: 3000, holdMs: 5000 }, "idle-timeout"],
  ["a drip", { kind: "drip", bytesPerSecond: 2000 }, "response-timeout"],
  ["429", { kind: "too-many-requests", retryAfterSeconds: 1 }, "rate-limited"],
  ["503", { kind: "server-error", status: 503 }, "server-error"],
  ["408", { kind: "timeout" }, "request-timeout"],
  ["a web page", { kind: "html" }, "html-page"],
  ["a line that is no JSON", { kind: "foreign-line" }, "not-json"],
  ["a line that is an array", { kind: "array-line" }, "not-object"]
]

describe("a fault", { timeout: 60_000 }, () => {
  it.live("of any kind fails the attempt with its reason, commits and stores nothing, and is over with the next", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        yield* process.planner.round
        yield* drain(process)
        for (const [name, fault, code] of faults) {
          road.clock.jump(5 * minute)
          road.simulator.faults.next(fault)
          const stored = road.objects().length
          yield* process.planner.round
          assert.deepStrictEqual(yield* drain(process), ["retried"], name)
          const { job } = (yield* windowsOf(road)).at(-1)!
          assert.strictEqual(job.state, "planned", name)
          assert.match(job.lastError ?? "", new RegExp(`^${code}: `), name)
          assert.strictEqual(job.failures, name === "429" ? 0 : 1, name)
          assert.strictEqual(road.objects().length, stored, name)
          road.clock.jump(2000)
          yield* process.planner.round
          assert.deepStrictEqual(yield* drain(process), ["committed"], name)
        }
        assert.strictEqual(Array.from(road.simulator.faults.injected.values()).length, faults.length)
        const { gaps, wrong } = yield* compare(road, process)
        assert.deepStrictEqual(wrong, [])
        assert.strictEqual(gaps.length, 0)
        assert.strictEqual((yield* verify(road, process)).verdict.completeness, "PASS")
      })))

  it.live("that is none, an odd content type, is no fault", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        road.simulator.faults.next("odd-content-type")
        assert.deepStrictEqual(yield* archiveAll(road, process), ["committed"])
        assert.deepStrictEqual((yield* compare(road, process)).wrong, [])
      })))

  it.live("waits longer with each failure, and as long as the server wishes", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        road.simulator.faults.next({ kind: "too-many-requests", retryAfterSeconds: 90 })
        yield* process.planner.round
        yield* drain(process)
        const wait = (yield* windowsOf(road))[0]!.job.notBefore - road.clock.currentTimeMillisUnsafe()
        assert.isAbove(wait, 80_000)
        assert.isAtMost(wait, 90_000)
        assert.strictEqual((yield* process.planner.round).offered, 0, "a postponed job is not offered")
      })))
})

describe("a window that keeps breaking", { timeout: 60_000 }, () => {
  it.live("is tried in halves after repeated failure, and the next windows are planned shorter, then longer again", () =>
    onRoad({ zone: { recordsPerSecond: 0.02 } }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        road.simulator.faults.next({ kind: "trailer", afterBytes: 100 }, { times: failuresBeforeSplit })
        const outcomes = yield* archiveAll(road, process)
        const failed = Array.from({ length: failuresBeforeSplit - 1 }, () => "retried")
        assert.deepStrictEqual(outcomes, [...failed, "split", "committed", "committed"])
        assert.strictEqual((yield* compare(road, process)).views.length, 2)
        // The window of 53 minutes was split: whole minutes, at most half of it.
        assert.strictEqual((yield* sourceOf(road)).windowMs, 26 * minute)
        road.clock.jump(successesBeforeGrowth * 26 * minute + 30 * minute)
        yield* archiveAll(road, process)
        const { gaps, views, wrong } = yield* compare(road, process)
        assert.deepStrictEqual(wrong, [])
        assert.strictEqual(gaps.length, 0)
        assert.isAtLeast(views.filter(({ job }) => job.window.to - job.window.from === 26 * minute).length, 11)
        assert.strictEqual((yield* sourceOf(road)).windowMs, 52 * minute, "they went well")
        road.clock.jump(12 * 52 * minute + hour)
        yield* archiveAll(road, process)
        assert.strictEqual((yield* sourceOf(road)).windowMs, hour, "never longer than the source allows")
      })))

  it.live("because its source does not answer at all is not cut up, nor are the next planned shorter", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        road.simulator.faults.next({ kind: "server-error", status: 503 }, { times: silencesBeforeSplit - 1 })
        const outcomes = yield* archiveAll(road, process)
        assert.strictEqual(outcomes.filter((outcome) => outcome === "retried").length, silencesBeforeSplit - 1)
        assert.isFalse(outcomes.includes("split"))
        assert.strictEqual(outcomes.at(-1), "committed")
        assert.strictEqual((yield* sourceOf(road)).windowMs, hour)
      })))

  it.live("because its object is too large is split until it fits, and nothing of the large one stays", () =>
    onRoad({ zone: { recordsPerSecond: 0.05 } }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road, { sealer: { maxStoredBytes: 24_000, frameBytes: 4096 } })
        const outcomes = yield* archiveAll(road, process)
        assert.isAtLeast(outcomes.filter((outcome) => outcome === "split").length, 1)
        assert.isFalse(outcomes.includes("retried"), "size alone is no failure to wait for")
        const { views, wrong } = yield* compare(road, process)
        assert.deepStrictEqual(wrong, [])
        assert.isAtLeast(views.length, 2)
        for (const { object } of views) assert.isAtMost(object!.size, 24_000)
        assert.strictEqual(road.objects().length, views.length)
        assert.isBelow((yield* sourceOf(road)).windowMs, hour)
      })))

  it.live("is committed although the length of the next windows cannot be written", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const ledger = yield* WindowLedger
        const process = yield* start(road)
        const source = yield* sourceOf(road)
        yield* ledger.resize(source.id, source.customer, minute)
        road.clock.jump(minute)
        process.hooks.resizeFails = true
        const outcomes = yield* archiveAll(road, process)
        assert.isAbove(outcomes.length, successesBeforeGrowth)
        assert.isTrue(outcomes.every((outcome) => outcome === "committed"), outcomes.join())
        assert.isTrue(road.log.some(({ text }) => text.includes("is not adapted")))
        assert.deepStrictEqual((yield* compare(road, process)).wrong, [])
      })))
})

describe("a window without a record", { timeout: 60_000 }, () => {
  it.live("is an entry with no records, and nothing is stored for it", () =>
    onRoad({ zone: { startedAt: Date.UTC(2030, 0, 1) } }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        assert.deepStrictEqual(yield* archiveAll(road, process), ["committed"])
        const [view] = yield* windowsOf(road)
        assert.deepInclude(view!.object, {
          key: null,
          size: 0,
          records: 0,
          plainSize: 0,
          encryption: "none",
          dek: null
        })
        assert.isNotNull(view!.entry)
        assert.deepStrictEqual(road.objects(), [])
        const report = yield* verify(road, process)
        assert.strictEqual(report.verdict.completeness, "PASS", JSON.stringify(report.findings))
        assert.deepInclude(report.coverage[0], { windows: 1, empty: 1, records: 0 })
      })))
})
