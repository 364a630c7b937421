/**
 * What every job queue must do, whatever carries it.
 */
import { assert, it } from "@effect/vitest"
import type { JobQueue, QueuedJob } from "@rainlogs/core/archive/JobQueue"
import { CustomerId, JobId } from "@rainlogs/core/domain/Identifier"
import { Deferred, Effect, Fiber, type Scope } from "effect"
import { randomUUID } from "node:crypto"

/** A job of a number. */
export const jobOf = (): QueuedJob => ({ customer: CustomerId.make(randomUUID()), job: JobId.make(randomUUID()) })

/** Waits until `done`. */
export const until = (what: string, done: Effect.Effect<boolean>) =>
  Effect.gen(function*() {
    for (let tries = 0; tries < 200; tries++) {
      if (yield* done) return
      yield* Effect.sleep("50 millis")
    }
    return yield* Effect.die(new Error(`${what} did not come within 10 s`))
  })

/** The tests; `make` gives a new empty queue. */
export const suite = (make: Effect.Effect<JobQueue["Service"], never, Scope.Scope>) => {
  const test = <E>(name: string, body: (queue: JobQueue["Service"]) => Effect.Effect<void, E>) =>
    it.live(name, () => Effect.scoped(Effect.flatMap(make, body)), 60_000)

  test("hands jobs out in the order they were offered", (queue) =>
    Effect.gen(function*() {
      const jobs = Array.from({ length: 20 }, jobOf)
      yield* queue.offer(jobs)
      assert.strictEqual(yield* queue.size, 20)
      const taken: Array<QueuedJob> = []
      for (const _ of jobs) yield* queue.take((job) => Effect.sync(() => taken.push(job)))
      assert.deepStrictEqual(taken, jobs)
      assert.strictEqual(yield* queue.size, 0)
    }))

  test("does not take a job twice that waits or runs, and takes it again when it has ended", (queue) =>
    Effect.gen(function*() {
      const job = jobOf()
      yield* queue.offer([job, job])
      yield* queue.offer([job])
      assert.strictEqual(yield* queue.size, 1)
      yield* queue.take(() =>
        Effect.andThen(queue.offer([job]), queue.size).pipe(Effect.map((size) => assert.strictEqual(size, 0)))
      )
      yield* queue.offer([job])
      assert.deepStrictEqual(yield* queue.take(Effect.succeed), job)
    }))

  test("gives each job to one of many takers", (queue) =>
    Effect.gen(function*() {
      const jobs = Array.from({ length: 60 }, jobOf)
      const taken: Array<string> = []
      const taker = Effect.forever(
        queue.take((one) => Effect.andThen(Effect.sync(() => taken.push(one.job)), Effect.sleep("5 millis")))
      )
      const takers = yield* Effect.forEach(Array.from({ length: 6 }), () => Effect.forkChild(taker))
      yield* queue.offer(jobs.slice(0, 30))
      yield* queue.offer(jobs.slice(30))
      yield* until("the last job", Effect.sync(() => taken.length >= jobs.length))
      yield* Effect.forEach(takers, Fiber.interrupt)
      assert.deepStrictEqual(taken.toSorted(), jobs.map(({ job }) => job).toSorted())
    }))

  test("lets go of a job whose work fails, dies, or is interrupted", (queue) =>
    Effect.gen(function*() {
      const job = jobOf()
      yield* queue.offer([job])
      assert.strictEqual(yield* Effect.flip(queue.take(() => Effect.fail("no" as const))), "no")
      yield* queue.offer([job])
      yield* Effect.exit(queue.take(() => Effect.die("a bug")))
      yield* queue.offer([job])
      const begun = yield* Deferred.make<void>()
      const working = yield* Effect.forkChild(
        queue.take(() => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
      )
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(working)
      yield* queue.offer([job])
      assert.deepStrictEqual(yield* queue.take(Effect.succeed), job)
    }))

  test("an interrupted taker takes nothing with it", (queue) =>
    Effect.gen(function*() {
      const waiting = yield* Effect.forkChild(queue.take(Effect.succeed))
      yield* Effect.sleep("100 millis")
      yield* Fiber.interrupt(waiting)
      const job = jobOf()
      yield* queue.offer([job])
      assert.deepStrictEqual(yield* queue.take(Effect.succeed), job)
    }))
}
