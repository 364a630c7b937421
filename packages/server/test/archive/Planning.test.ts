/**
 * How a new zone is planned and in which order it is archived.
 */
import { assert, describe, it } from "@effect/vitest"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { Effect, Fiber } from "effect"
import { compare, sourceOf, verify, windowsOf } from "./Comparison.ts"
import { archiveAll, drain, hour, minute, noon, onRoad, start } from "./Road.ts"

/** The hours before noon in which the windows asked for begin. */
const starts = (pulls: ReadonlyArray<{ readonly fromMs?: number | undefined }>) =>
  pulls.map(({ fromMs }) => Math.floor((fromMs! - noon) / hour))

describe("a new zone", { timeout: 60_000 }, () => {
  it.live("is archived from both ends, line for line the truth, in windows that tile up to what is settled", () =>
    onRoad({ backfillMs: 6 * hour }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        const outcomes = yield* archiveAll(road, process)
        // From two past six to five to twelve: the first and the last window are cut.
        assert.deepStrictEqual(starts(road.pulls()), [-6, -1, -5, -2, -4, -3])
        assert.isTrue(outcomes.every((outcome) => outcome === "committed"))
        const { gaps, lines, reached, source, wrong } = yield* compare(road, process)
        assert.deepStrictEqual(wrong, [])
        assert.strictEqual(gaps.length, 0)
        assert.isAbove(lines, 500)
        assert.strictEqual(source.startsAt, noon - 6 * hour + 2 * minute)
        assert.strictEqual(reached, noon - 5 * minute)
        const report = yield* verify(road, process)
        assert.strictEqual(report.verdict.integrity, "PASS", JSON.stringify(report.findings))
        assert.strictEqual(report.verdict.completeness, "PASS", JSON.stringify(report.findings))
      })))

  it.live("stays fresh while its backlog is long: each new window goes before the middle of the backlog", () =>
    onRoad({ backfillMs: 100 * hour, zone: { recordsPerSecond: 0.01 } }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road, { mostQueued: 4 })
        for (let turn = 0; turn < 6; turn++) {
          road.clock.jump(5 * minute)
          yield* process.planner.round
          yield* drain(process)
        }
        const asked = starts(road.pulls())
        const now = (road.clock.currentTimeMillisUnsafe() - noon) / hour
        assert.isAtLeast(Math.max(...asked), Math.floor(now - 0.3), "the newest settled window is in the archive")
        assert.isBelow(Math.min(...asked), -99)
        const oldest = asked.filter((at) => at < -50)
        assert.isAtLeast(oldest.length, 10)
        assert.deepStrictEqual(oldest, oldest.toSorted((one, other) => one - other), "the backlog goes oldest first")
      })))

  it.live("is planned once by many planners at once", () =>
    onRoad({ backfillMs: 30 * hour, zone: { recordsPerSecond: 0.01 } }, (road) =>
      Effect.gen(function*() {
        const processes = yield* Effect.forEach([1, 2, 3, 4], () => start(road))
        for (let turn = 0; turn < 3; turn++) {
          const rounds = yield* Effect.forEach(processes, ({ planner }) => planner.round, { concurrency: "unbounded" })
          assert.isAbove(rounds.filter(({ planned }) => planned > 0).length, 0)
          assert.strictEqual(rounds.reduce((sum, { planned }) => sum + planned, 0), turn === 0 ? 30 : 1)
          road.clock.jump(5 * minute)
        }
        const windows = (yield* windowsOf(road)).map(({ job }) => job.window)
        for (const [index, { from }] of windows.entries()) {
          assert.strictEqual(from, index === 0 ? noon - 30 * hour + 2 * minute : windows[index - 1]!.to)
        }
        const jobs = yield* Effect.forEach(processes, (process) => Effect.forkChild(drain(process)))
        yield* Effect.forEach(jobs, Fiber.join)
        const { wrong } = yield* compare(road, processes[0]!)
        assert.deepStrictEqual(wrong, [])
        assert.strictEqual(road.pulls().length, windows.length, "no window was asked for twice")
      })))

  it.live("asked for by hand is planned at once; the newest and the oldest go first, the others wait their turn", () =>
    onRoad({ backfillMs: 20 * hour, zone: { recordsPerSecond: 0.01 } }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        const jobs = yield* process.planner.pullNow(road.customer, road.zone)
        assert.strictEqual(jobs.length, 20)
        const newestFirst = (yield* windowsOf(road)).map(({ job }) => job.id).toReversed()
        assert.deepStrictEqual(jobs, newestFirst)
        assert.strictEqual(yield* process.queue.size, 4)
        assert.deepStrictEqual(yield* drain(process), ["committed", "committed", "committed", "committed"])
        assert.deepStrictEqual(starts(road.pulls()), [-1, -20, -2, -19])
        assert.strictEqual((yield* process.planner.pullNow(road.customer, road.zone)).length, 16)
        yield* process.planner.round
        yield* drain(process)
        assert.deepStrictEqual((yield* compare(road, process)).wrong, [])
      })))

  it.live("asked for by hand again and again does not fill the queue", () =>
    onRoad({ backfillMs: 50 * hour, zone: { recordsPerSecond: 0.01 } }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road, { mostQueued: 3 })
        for (let turn = 0; turn < 5; turn++) yield* process.planner.pullNow(road.customer, road.zone)
        assert.strictEqual(yield* process.queue.size, 3)
      })))

  it.live("a source whose planning fails does not stop the others", () =>
    onRoad({ backfillMs: 2 * hour }, (road) =>
      Effect.gen(function*() {
        const ledger = yield* WindowLedger
        const process = yield* start(road)
        const source = yield* sourceOf(road)
        assert.strictEqual((yield* ledger.timelines).length, 1)
        process.hooks.beforeLedger = (step) => step === "jobs" ? Effect.die("a bug") : Effect.void
        road.clock.jump(8 * 24 * hour)
        // The expired start needs the jobs, which die: the round itself goes on.
        assert.deepStrictEqual(yield* process.planner.round, { planned: 0, gaps: 0, offered: 0 })
        assert.isTrue(road.log.some(({ text }) => text.includes("planning failed")))
        process.hooks.beforeLedger = undefined
        const round = yield* process.planner.round
        assert.strictEqual(round.gaps, 1)
        assert.isAbove(round.planned, 100)
        assert.strictEqual((yield* windowsOf(road))[0]!.job.window.from, source.startsAt)
      })))
})
