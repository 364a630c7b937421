/**
 * The worker's loops and the queue between planner and workers.
 */
import { assert, describe, it } from "@effect/vitest"
import { JobQueue } from "@rainlogs/core/archive/JobQueue"
import { type JobView, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { CustomerId, JobId } from "@rainlogs/core/domain/Identifier"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { randomUUID } from "node:crypto"
import { compare, verify, windowsOf, zoneOf } from "./Comparison.ts"
import { hour, minute, onRoad, type Process, type Road, start } from "./Road.ts"

const worker = { concurrency: 2, planEveryMs: 20, recheckEveryMs: 50 }

const until = Effect.fnUntraced(function*<E, R>(condition: Effect.Effect<boolean, E, R>) {
  for (let waited = 0; waited < 1000; waited++) {
    if (yield* condition) return
    yield* Effect.sleep("10 millis")
  }
  return yield* Effect.die(new Error("it did not happen within ten seconds"))
})

const allDone = (road: Road) =>
  Effect.map(windowsOf(road), (views) => views.length > 0 && views.every(({ job }) => job.state === "committed"))

const stop = ({ scope }: Process) => Scope.close(scope, Exit.void)

describe("a running worker", { timeout: 60_000 }, () => {
  it.live("backfills, follows, blocks and releases by itself", () =>
    onRoad({ backfillMs: 4 * hour, zone: { recordsPerSecond: 0.02 } }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road, { worker })
        yield* until(allDone(road))
        road.clock.jump(20 * minute)
        yield* until(Effect.map(windowsOf(road), (views) => views.length > 5))
        yield* until(allDone(road))
        road.cloudflare.setRetention(false, road.clock.currentTimeMillisUnsafe())
        road.clock.jump(10 * minute)
        yield* until(Effect.map(zoneOf(road), ({ status }) => status.state === "blocked"))
        road.cloudflare.setRetention(true, road.clock.currentTimeMillisUnsafe())
        yield* until(Effect.map(zoneOf(road), ({ status }) => status.state === "active"))
        road.clock.jump(10 * minute)
        const isDone = ({ job }: JobView) => job.state === "committed" || job.state === "gap"
        yield* until(
          Effect.map(windowsOf(road), (views) => views.at(-1)!.job.state === "committed" && views.every(isDone))
        )
        const { gaps, wrong } = yield* compare(road, process)
        assert.deepStrictEqual(wrong, [])
        assert.deepStrictEqual(gaps.map(({ gapReason }) => gapReason), ["blocked"])
        assert.strictEqual((yield* verify(road, process)).verdict.integrity, "PASS")
      })))

  it.live("that is stopped gives its windows back at once and takes no other", () =>
    onRoad({ backfillMs: 6 * hour }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road, { worker })
        process.hooks.beforeCollect = () => Effect.never
        const leased = Effect.map(windowsOf(road), (views) => views.filter(({ job }) => job.state === "leased").length)
        yield* until(Effect.map(leased, (count) => count === 2))
        yield* stop(process)
        const views = yield* windowsOf(road)
        assert.deepStrictEqual(new Set(views.map(({ job }) => job.state)), new Set(["planned"]))
        assert.strictEqual(views.reduce((sum, { job }) => sum + job.attempts, 0), 2, "no job was offered once more")
        const now = road.clock.currentTimeMillisUnsafe()
        assert.strictEqual((yield* (yield* WindowLedger).due(now, 100)).length, views.length)
      })))

  it.live("goes on with the other windows when one ends in a defect each time", () =>
    onRoad({ backfillMs: 4 * hour, zone: { recordsPerSecond: 0.02 } }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road, { worker })
        let cursed: number | undefined
        process.hooks.beforeCollect = ({ from }) => {
          cursed ??= from
          return from === cursed ? Effect.die(new Error("a bug")) : Effect.void
        }
        const open = Effect.map(windowsOf(road), (views) => views.filter(({ job }) => job.state !== "committed"))
        yield* until(Effect.map(open, (jobs) => jobs.length === 1))
        const [job] = yield* open
        assert.strictEqual(job!.job.window.from, cursed)
        assert.match(job!.job.lastError ?? "", /^defect: /)
        process.hooks.beforeCollect = undefined
        road.clock.jump(5 * minute)
        yield* until(allDone(road))
        assert.deepStrictEqual((yield* compare(road, process)).wrong, [])
      })))

  it.live("goes on when the lease itself ends in a defect: the loop survives", () =>
    onRoad({ backfillMs: 2 * hour, zone: { recordsPerSecond: 0.02 } }, (road) =>
      Effect.gen(function*() {
        let deaths = 0
        const process = yield* start(road, { worker })
        process.hooks.beforeLedger = (step) => step === "lease" && deaths++ < 3 ? Effect.die("a bug") : Effect.void
        yield* until(Effect.sync(() => deaths >= 3))
        road.clock.jump(2 * minute)
        yield* until(allDone(road))
        assert.deepStrictEqual((yield* compare(road, process)).wrong, [])
      })))
})

const queued = () => ({ customer: CustomerId.make(randomUUID()), job: JobId.make(randomUUID()) })

describe("the queue in memory", () => {
  const inQueue = <A, E>(test: (queue: JobQueue["Service"]) => Effect.Effect<A, E>) =>
    Effect.flatMap(JobQueue, test).pipe(Effect.provide(JobQueue.layerMemory, { local: true }))

  it.live("holds a job once while it waits or runs, and takes it again afterwards", () =>
    inQueue((queue) =>
      Effect.gen(function*() {
        const job = queued()
        yield* queue.offer([job, job])
        yield* queue.offer([job])
        assert.strictEqual(yield* queue.size, 1)
        const running = yield* Deferred.make<void>()
        const end = yield* Deferred.make<void>()
        const fiber = yield* Effect.forkChild(
          queue.take(() => Effect.andThen(Deferred.succeed(running, undefined), Deferred.await(end)))
        )
        yield* Deferred.await(running)
        yield* queue.offer([job])
        assert.strictEqual(yield* queue.size, 0, "it runs")
        yield* Deferred.succeed(end, undefined)
        yield* Fiber.join(fiber)
        yield* queue.offer([job])
        assert.strictEqual(yield* queue.size, 1)
      })
    ))

  it.live("lets go of a job whose work failed, died or was stopped", () =>
    inQueue((queue) =>
      Effect.gen(function*() {
        const job = queued()
        for (const end of [Effect.fail("no"), Effect.die("a bug"), Effect.interrupt]) {
          yield* queue.offer([job])
          assert.strictEqual(yield* queue.size, 1)
          assert.isTrue(Exit.isFailure(yield* Effect.exit(queue.take(() => end))))
        }
        yield* queue.offer([job])
        const fiber = yield* Effect.forkChild(queue.take(() => Effect.never))
        yield* Effect.sleep("1 millis")
        yield* Fiber.interrupt(fiber)
        yield* queue.offer([job])
        assert.strictEqual(yield* queue.size, 1)
      })
    ))

  it.live("loses no job to takers that are stopped at any moment", () =>
    inQueue((queue) =>
      Effect.gen(function*() {
        for (let turn = 0; turn < 300; turn++) {
          const job = queued()
          const taker = yield* Effect.forkChild(queue.take(() => Effect.never))
          yield* Effect.yieldNow
          yield* queue.offer([job])
          for (let step = 0; step < turn % 4; step++) yield* Effect.yieldNow
          yield* Fiber.interrupt(taker)
          // Taken or not, it can be had (again).
          yield* queue.offer([job])
          assert.strictEqual(yield* queue.size, 1, `turn ${turn}`)
          assert.deepStrictEqual(yield* queue.take(Effect.succeed), job)
        }
      })
    ))

  it.live("delivers in the order of the offers, each job to one taker", () =>
    inQueue((queue) =>
      Effect.gen(function*() {
        const jobs = Array.from({ length: 50 }, queued)
        const taken: Array<JobId> = []
        const takers = yield* Effect.forEach(
          [1, 2, 3],
          () => Effect.forkChild(Effect.forever(queue.take(({ job }) => Effect.sync(() => taken.push(job)))))
        )
        yield* queue.offer(jobs)
        while (taken.length < jobs.length) yield* Effect.sleep("1 millis")
        yield* Effect.forEach(takers, Fiber.interrupt)
        assert.deepStrictEqual(taken, jobs.map(({ job }) => job))
      })
    ))
})
