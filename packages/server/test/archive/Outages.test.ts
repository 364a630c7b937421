/**
 * Outages longer than Cloudflare keeps logs, theirs and ours: everything it still has is archived, the rest is one gap,
 * found by jumping over it and not by asking.
 */
import { assert, describe, it } from "@effect/vitest"
import { type JobView, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import type { Window } from "@rainlogs/core/domain/Window"
import { defaultBreakerOptions } from "@rainlogs/core/resilience/CircuitBreaker"
import { Effect, Fiber } from "effect"
import { compare, sourceOf, verify, windowsOf } from "./Comparison.ts"
import { archiveAll, day, drain, hour, minute, onRoad, type Process, type Road, second, start } from "./Road.ts"

const week = 7 * day

/** Records every window that is asked for, with how old its start was, ms. */
const watchAges = (road: Road, { hooks }: Process) => {
  const asked: Array<{ readonly window: Window; readonly age: number }> = []
  hooks.beforeCollect = (window) =>
    Effect.sync(() => {
      asked.push({ window, age: road.clock.currentTimeMillisUnsafe() - window.from })
    })
  return asked
}

/** One gap, whose end is within minutes of what Cloudflare has; all else is the truth, and the verifier agrees. */
const assertOneGap = Effect.fnUntraced(function*(road: Road, process: Process, from: number, endedAt: number) {
  const { gaps, views, wrong } = yield* compare(road, process)
  assert.deepStrictEqual(wrong, [])
  assert.strictEqual(gaps.length, 1)
  const [gap] = gaps
  assert.strictEqual(gap!.gapReason, "expired")
  assert.strictEqual(gap!.job.window.from, from)
  assert.isAtLeast(gap!.job.window.to, endedAt - week)
  assert.isAtMost(gap!.job.window.to, endedAt - week + hour)
  assert.strictEqual(views.filter(({ job }) => job.state !== "committed").length, 1)
  const report = yield* verify(road, process)
  assert.strictEqual(report.verdict.integrity, "PASS", JSON.stringify(report.findings))
  assert.strictEqual(report.verdict.completeness, "PASS", JSON.stringify(report.findings))
  assert.deepStrictEqual(
    report.coverage[0]!.gaps.map(({ from, reason, to }) => ({ from, reason, to })),
    [{ ...gap!.job.window, reason: "expired" }]
  )
})

describe("an outage of Cloudflare's for eight days", { timeout: 120_000 }, () => {
  it.live("is one gap when it ends, and no window that has expired was ever asked for", () =>
    onRoad({ zone: { recordsPerSecond: 0.003 } }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road, { breaker: defaultBreakerOptions, mostQueued: 8 })
        yield* archiveAll(road, process)
        const lastGood = (yield* compare(road, process)).reached
        const asked = watchAges(road, process)
        yield* Effect.promise(() => road.simulator.faults.outage("unavailable"))
        for (let step = 0; step < 16; step++) {
          road.clock.jump(12 * hour)
          assert.strictEqual((yield* process.planner.round).gaps, 0, "the outage lasts: its gap may still grow")
          yield* drain(process)
        }
        const forgotten = Effect.map(windowsOf(road), (views) =>
          views.filter(({ job }) =>
            job.state === "planned" && job.window.from < road.clock.currentTimeMillisUnsafe() - week
          ))
        const looked = (views: ReadonlyArray<JobView>) =>
          views.every(({ job }) =>
            (job.lastError ?? "").startsWith("expired: ")
          )
        for (let turn = 0; turn < 40 && !looked(yield* forgotten); turn++) {
          assert.strictEqual((yield* process.planner.round).gaps, 0)
          yield* drain(process)
          road.clock.jump(15 * second)
        }
        const marked = yield* forgotten
        assert.isAbove(marked.length, 20)
        assert.isTrue(looked(marked), "each was looked at for what an attempt may have left")
        assert.isTrue(
          marked.some(({ job }) => job.lastError?.includes("; before: ")),
          "with the reason why it was not collected in time"
        )
        assert.strictEqual((yield* process.planner.round).gaps, 0, "the outage still lasts")
        const during = asked.length
        assert.isBelow(during, 600, "the breaker keeps most of them away")
        yield* Effect.promise(() => road.simulator.faults.outage("none"))
        road.clock.jump(6 * minute)
        const endedAt = road.clock.currentTimeMillisUnsafe()
        yield* archiveAll(road, process)
        for (const { age, window } of asked) assert.isAtMost(age, week, `${window.from} was asked for`)
        assert.isTrue(road.pulls().slice(during).every(({ status }) => status === 200))
        assert.strictEqual((yield* sourceOf(road)).windowMs, hour, "nor are the windows cut up for it")
        const [progress] = yield* (yield* WindowLedger).progress(road.customer)
        assert.isAtMost(progress!.windows.split, 3)
        yield* assertOneGap(road, process, lastGood, endedAt)
      })))
})

/** Plans until the timeline goes on after a gap; the one gap's window. */
const gapOf = Effect.fnUntraced(function*(road: Road, processes: ReadonlyArray<Process>) {
  for (let turn = 0; turn < 5; turn++) {
    yield* Effect.forEach(processes, ({ planner }) => planner.round, { concurrency: "unbounded" })
    const states = (yield* windowsOf(road)).map(({ job }) => job.state)
    if (states.at(-1) === "planned" && states.includes("gap")) break
    for (const process of processes) yield* drain(process)
  }
  const views = yield* windowsOf(road)
  const gaps = views.filter(({ job }) => job.state === "gap")
  assert.strictEqual(gaps.length, 1)
  assert.isAbove(views.length, 168)
  return gaps[0]!.job.window
})

describe("eight days without Rainlogs", { timeout: 120_000 }, () => {
  it.live("are one gap, though two windows were under way when it stopped", () =>
    onRoad({ zone: { recordsPerSecond: 0.003 } }, (road) =>
      Effect.gen(function*() {
        const first = yield* start(road)
        yield* archiveAll(road, first)
        const lastGood = (yield* compare(road, first)).reached
        road.clock.jump(20 * minute)
        yield* first.planner.round
        first.hooks.beforeCollect = () => Effect.never
        const fibers = yield* Effect.forEach([1, 2], () => Effect.forkChild(drain(first)))
        while ((yield* windowsOf(road)).filter(({ job }) => job.state === "leased").length < 2) {
          yield* Effect.sleep("5 millis")
        }
        yield* Effect.forEach(fibers, Fiber.interrupt)
        road.clock.jump(8 * day)
        const endedAt = road.clock.currentTimeMillisUnsafe()
        const second = yield* start(road, { owner: "second" })
        const asked = watchAges(road, second)
        const { from, to } = yield* gapOf(road, [second])
        assert.deepStrictEqual(asked, [], "found by jumping")
        assert.strictEqual(from, lastGood)
        assert.isAtLeast(to, endedAt - week)
        assert.isAtMost(to, endedAt - week + 12 * minute)
      })))

  it.live("after a kill -9 are one gap too, found by many processes at once", () =>
    onRoad({ zone: { recordsPerSecond: 0.003 } }, (road) =>
      Effect.gen(function*() {
        const ledger = yield* WindowLedger
        const first = yield* start(road)
        yield* archiveAll(road, first)
        const lastGood = (yield* compare(road, first)).reached
        road.clock.jump(20 * minute)
        yield* first.planner.round
        const { job } = (yield* windowsOf(road)).at(-1)!
        const now = road.clock.currentTimeMillisUnsafe()
        yield* ledger.lease({ customer: road.customer, job: job.id }, "killed", now, now + minute)
        road.clock.jump(8 * day)
        const processes = yield* Effect.forEach([1, 2, 3], (owner) => start(road, { owner: String(owner) }))
        assert.strictEqual((yield* gapOf(road, processes)).from, lastGood)
        const [process] = processes
        yield* process!.planner.round
        assert.strictEqual(yield* process!.queue.take((one) => process!.archiver.archive(one)), "committed")
        const report = yield* verify(road, processes[2]!)
        assert.strictEqual(report.verdict.integrity, "PASS", JSON.stringify(report.findings))
        assert.strictEqual(report.coverage[0]!.gaps.length, 1)
      })))
})

describe("the edge of what Cloudflare keeps", { timeout: 120_000 }, () => {
  it.live("leaves a cut window time to be collected: no crumbs of gaps while it waits", () =>
    onRoad({ zone: { recordsPerSecond: 0.003 } }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        yield* archiveAll(road, process)
        road.clock.jump(8 * day)
        assert.strictEqual((yield* process.planner.round).gaps, 1)
        for (let waited = 0; waited < 4; waited++) {
          road.clock.jump(minute)
          assert.strictEqual((yield* process.planner.round).gaps, 0)
        }
        const asked = watchAges(road, process)
        yield* process.queue.take((job) => process.archiver.archive(job))
        assert.strictEqual(asked.length, 1)
        assert.isAbove(asked[0]!.age, week - 10 * minute)
        assert.strictEqual(road.pulls().at(-1)!.status, 200)
      })))
})
