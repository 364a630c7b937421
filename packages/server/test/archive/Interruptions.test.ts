/**
 * A worker dies, is stopped or is overtaken between any two steps of a window.
 */
import { assert, describe, it } from "@effect/vitest"
import { DatabaseError } from "@rainlogs/core/archive/WindowLedger"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import { TestDatabase } from "../TestDatabase.ts"
import { compare, verify, windowsOf } from "./Comparison.ts"
import type { Hooks } from "./Interference.ts"
import { day, drain, minute, onRoad, type Process, type Road, start } from "./Road.ts"

const leaseMs = minute

/** Where a worker can be caught, and whether its object is in the store by then. */
const steps: ReadonlyArray<{
  readonly name: string
  readonly stored: boolean
  readonly hook: (hold: Effect.Effect<void>) => Partial<Hooks>
}> = [
  { name: "before it collects", stored: false, hook: (hold) => ({ beforeCollect: () => hold }) },
  { name: "after it sealed", stored: false, hook: (hold) => ({ afterSeal: () => hold }) },
  {
    name: "after the key record",
    stored: false,
    hook: (hold) => ({ afterPut: (key) => key.startsWith("keys/") ? hold : Effect.void })
  },
  {
    name: "after the object",
    stored: true,
    hook: (hold) => ({ afterPut: (key) => key.startsWith("logs/") ? hold : Effect.void })
  },
  {
    name: "after it said so",
    stored: true,
    hook: (hold) => ({ afterLedger: (step) => step === "stored" ? hold : Effect.void })
  },
  {
    name: "before the commit",
    stored: true,
    hook: (hold) => ({ beforeLedger: (step) => step === "commit" ? hold : Effect.void })
  }
]

/** Starts archiving the one window of the road and waits until the process has come to the step, where it stays. */
const catchAt = Effect.fnUntraced(function*(process: Process, hook: (hold: Effect.Effect<void>) => Partial<Hooks>) {
  const there = yield* Deferred.make<void>()
  const go = yield* Deferred.make<void>()
  Object.assign(process.hooks, hook(Effect.andThen(Deferred.succeed(there, undefined), Deferred.await(go))))
  yield* process.planner.round
  const fiber = yield* Effect.forkChild(process.queue.take((job) => process.archiver.archive(job)))
  yield* Deferred.await(there)
  return { fiber, go: Deferred.succeed(go, undefined) }
})

/** As kill -9 leaves it: nothing is renewed or given back any more. */
const freeze = (process: Process) => {
  const { beforeLedger } = process.hooks
  process.hooks.beforeLedger = (step) =>
    step === "renew" || step === "retry" ? Effect.never : beforeLedger?.(step) ?? Effect.void
}

const assertArchivedOnce = Effect.fnUntraced(function*(road: Road, process: Process, pulls: number) {
  const { gaps, lines, views, wrong } = yield* compare(road, process)
  assert.deepStrictEqual(wrong, [])
  assert.strictEqual(gaps.length, 0)
  assert.isAbove(lines, 50)
  assert.strictEqual(views.length, 1)
  assert.strictEqual(road.pulls().filter(({ ending }) => ending === "complete").length, pulls)
  const report = yield* verify(road, process)
  assert.strictEqual(report.verdict.integrity, "PASS", JSON.stringify(report.findings))
  assert.strictEqual(report.verdict.completeness, "PASS", JSON.stringify(report.findings))
  assert.strictEqual(report.coverage[0]?.windows, 1)
})

describe("a worker killed", { timeout: 60_000 }, () => {
  for (const { hook, name, stored } of steps) {
    it.live(`${name}: the window is taken over when the lease has run out${stored ? ", and the orphan adopted" : ""}`, () =>
      onRoad({}, (road) =>
        Effect.gen(function*() {
          const first = yield* start(road, { owner: "first", leaseMs })
          const { fiber } = yield* catchAt(first, hook)
          freeze(first)
          const second = yield* start(road, { owner: "second", leaseMs })
          yield* second.planner.round
          assert.deepStrictEqual(yield* drain(second), [], "the lease still holds")
          road.clock.jump(leaseMs)
          yield* second.planner.round
          assert.deepStrictEqual(yield* drain(second), ["committed"])
          yield* assertArchivedOnce(road, second, stored || name === "before it collects" ? 1 : 2)
          assert.strictEqual(road.objects().length, 1)
          first.hooks.beforeLedger = undefined
          yield* Fiber.interrupt(fiber)
        })))
  }

  it.live("after the commit, before it knew: the window is done, and nothing is left to do", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const first = yield* start(road, { owner: "first", leaseMs })
        yield* catchAt(first, (hold) => ({ afterLedger: (step) => step === "commit" ? hold : Effect.void }))
        freeze(first)
        const second = yield* start(road, { owner: "second", leaseMs })
        road.clock.jump(leaseMs)
        assert.strictEqual((yield* second.planner.round).offered, 0)
        yield* assertArchivedOnce(road, second, 1)
        first.hooks.beforeLedger = undefined
      })))

  it.live("and gone for eight days: the object it stored is adopted, although its window has expired; the rest is one gap", () =>
    onRoad({ zone: { recordsPerSecond: 0.02 } }, (road) =>
      Effect.gen(function*() {
        const first = yield* start(road, { owner: "first", leaseMs })
        yield* catchAt(first, steps[3]!.hook)
        freeze(first)
        road.clock.jump(8 * day)
        const pulled = road.pulls().length
        const second = yield* start(road, { owner: "second", leaseMs })
        yield* second.planner.round
        assert.deepStrictEqual(yield* drain(second), ["committed"], "nothing but the orphan before it is decided")
        assert.strictEqual(road.pulls().length, pulled, "and not by asking again")
        assert.strictEqual((yield* second.planner.round).gaps, 1)
        const views = yield* windowsOf(road)
        assert.deepStrictEqual(views.slice(0, 3).map(({ job }) => job.state), ["committed", "gap", "planned"])
        first.hooks.beforeLedger = undefined
      })))
})

describe("a worker stopped", { timeout: 60_000 }, () => {
  for (const { hook, name, stored } of steps) {
    it.live(`${name}: it gives the window back at once, and the next has it${stored ? " without a second pull" : ""}`, () =>
      onRoad({}, (road) =>
        Effect.gen(function*() {
          const first = yield* start(road, { owner: "first", leaseMs })
          const { fiber } = yield* catchAt(first, hook)
          yield* Fiber.interrupt(fiber)
          assert.deepInclude((yield* windowsOf(road))[0]!.job, {
            state: "planned",
            failures: 0,
            lastError: "stopped: the worker was stopped"
          })
          const second = yield* start(road, { owner: "second", leaseMs })
          yield* second.planner.round
          assert.deepStrictEqual(yield* drain(second), ["committed"])
          yield* assertArchivedOnce(road, second, stored || name === "before it collects" ? 1 : 2)
        })))
  }

  it.live("inside the commit: the transaction is undone or done, never half", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const { asOwner } = yield* TestDatabase
        const first = yield* start(road, { owner: "first", leaseMs })
        const { fiber, go } = yield* catchAt(first, steps[5]!.hook)
        // Somebody else holds the customer's ledger: the commit waits for it inside its transaction.
        yield* asOwner(Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const key = `rainlogs/ledger/${road.customer}`
          yield* sql`SELECT pg_advisory_lock(hashtextextended(${key}, 0))`
          yield* go
          for (let waits = 0; waits === 0;) {
            const [row] = yield* sql<{ waits: bigint }>`
              SELECT count(*) AS waits FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
            waits = Number(row!.waits)
          }
          yield* Fiber.interrupt(fiber)
        }))
        assert.strictEqual((yield* windowsOf(road))[0]!.job.state, "planned")
        const second = yield* start(road, { owner: "second", leaseMs })
        yield* second.planner.round
        assert.deepStrictEqual(yield* drain(second), ["committed"])
        yield* assertArchivedOnce(road, second, 1)
      })))

  it.live("with a failure behind it keeps the failure's reason", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const first = yield* start(road, { owner: "first", leaseMs })
        road.simulator.faults.next("html")
        yield* first.planner.round
        yield* drain(first)
        for (let turn = 0; turn < 2; turn++) {
          road.clock.jump(2000)
          const { fiber } = yield* catchAt(first, (hold) => ({ beforeCollect: () => hold }))
          yield* Fiber.interrupt(fiber)
        }
        const { lastError } = (yield* windowsOf(road))[0]!.job
        assert.match(lastError ?? "", /^stopped: the worker was stopped; before: html-page: [^;]*$/)
      })))

  it.live("whose database is gone does not wait for it for ever", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const first = yield* start(road, { owner: "first", leaseMs })
        const { fiber } = yield* catchAt(first, steps[1]!.hook)
        first.hooks.beforeLedger = (step) => step === "retry" ? Effect.never : Effect.void
        const stopping = yield* Effect.forkChild(Fiber.interrupt(fiber))
        yield* Effect.sleep("50 millis")
        assert.isUndefined(stopping.pollUnsafe())
        road.clock.jump(6000)
        yield* Fiber.join(stopping)
      })))
})

describe("a lease", { timeout: 60_000 }, () => {
  it.live("is renewed while a pull lasts longer than it", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const first = yield* start(road, { owner: "first", leaseMs })
        const second = yield* start(road, { owner: "second", leaseMs })
        let renewals = 0
        const renewed = yield* Deferred.make<void>()
        const { fiber, go } = yield* catchAt(first, steps[1]!.hook)
        first.hooks.afterLedger = (step) =>
          Effect.sync(() => {
            if (step === "renew" && ++renewals === 6) Deferred.doneUnsafe(renewed, Exit.void)
          })
        for (let third = 0; third < 6; third++) {
          road.clock.jump(leaseMs / 3)
          while (renewals <= third) yield* Effect.sleep("5 millis")
          yield* second.planner.round
          assert.deepStrictEqual(yield* drain(second), [], "nobody else gets it, though two leases' time passes")
        }
        yield* Deferred.await(renewed)
        yield* go
        assert.strictEqual(yield* Fiber.join(fiber), "committed")
        yield* assertArchivedOnce(road, first, 1)
      })))

  it.live("survives a renewal that the database did not take", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const first = yield* start(road, { owner: "first", leaseMs })
        const { fiber, go } = yield* catchAt(first, steps[1]!.hook)
        let refused = 0
        first.hooks.beforeLedger = (step) =>
          step === "renew" && refused++ === 0
            ? Effect.fail(new DatabaseError({ operation: "renew", detail: "transient: away" }))
            : Effect.void
        road.clock.jump(leaseMs / 3)
        while (refused < 1) yield* Effect.sleep("5 millis")
        yield* Effect.sleep("5 millis")
        road.clock.jump(leaseMs / 3)
        while (refused < 2) yield* Effect.sleep("5 millis")
        yield* go
        assert.strictEqual(yield* Fiber.join(fiber), "committed")
        assert.isTrue(road.log.some(({ text }) => text.includes("lease not renewed")))
      })))

  for (const step of [steps[1]!, steps[3]!, steps[4]!, steps[5]!]) {
    it.live(`taken over while its worker was paused ${step.name}: the first comes back and writes nothing`, () =>
      onRoad({}, (road) =>
        Effect.gen(function*() {
          const first = yield* start(road, { owner: "first", leaseMs })
          const { fiber, go } = yield* catchAt(first, step.hook)
          const paused = first.hooks.beforeLedger
          // It does not renew, so what tells it that the lease is lost can only be its next write.
          first.hooks.beforeLedger = (ledgerStep) =>
            ledgerStep === "renew" ? Effect.never : paused?.(ledgerStep) ?? Effect.void
          road.clock.jump(leaseMs)
          const second = yield* start(road, { owner: "second", leaseMs })
          yield* second.planner.round
          assert.deepStrictEqual(yield* drain(second), ["committed"])
          const [before] = yield* windowsOf(road)
          yield* go
          assert.strictEqual(yield* Fiber.join(fiber), "lost")
          assert.deepStrictEqual(road.log.filter(({ level }) => level === "Error"), [])
          assert.deepStrictEqual((yield* windowsOf(road))[0], before)
          yield* assertArchivedOnce(road, second, step.stored ? 1 : 2)
        })))
  }

  it.live("lost to another is noticed by the renewal: the pull is broken off, and nothing is given back", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const first = yield* start(road, { owner: "first", leaseMs })
        const { fiber } = yield* catchAt(first, steps[1]!.hook)
        // Its first renewal hangs for longer than the lease lasts.
        first.hooks.beforeLedger = (step) => step === "renew" ? Effect.sleep(leaseMs) : Effect.void
        road.clock.jump(leaseMs / 3)
        yield* Effect.sleep("20 millis")
        road.clock.jump(leaseMs * 2 / 3 - 100)
        yield* Effect.sleep("120 millis")
        const second = yield* start(road, { owner: "second", leaseMs })
        const { fiber: holder, go } = yield* catchAt(second, steps[1]!.hook)
        road.clock.jump(leaseMs)
        assert.strictEqual(yield* Fiber.join(fiber), "lost")
        assert.strictEqual((yield* windowsOf(road))[0]!.job.state, "leased", "it is still the second's")
        yield* go
        assert.strictEqual(yield* Fiber.join(holder), "committed")
        yield* assertArchivedOnce(road, second, 2)
      })))

  it.live("given to two workers at the same moment is one's alone", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const processes = yield* Effect.forEach([1, 2, 3], (owner) => start(road, { owner: String(owner), leaseMs }))
        yield* Effect.forEach(processes, ({ planner }) => planner.round)
        const outcomes = yield* Effect.forEach(processes, drain, { concurrency: "unbounded" })
        assert.deepStrictEqual(outcomes.flat().toSorted(), ["committed", "unavailable", "unavailable"])
        yield* assertArchivedOnce(road, processes[0]!, 1)
      })))
})
