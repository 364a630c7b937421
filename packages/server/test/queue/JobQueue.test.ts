import { assert, describe, it } from "@effect/vitest"
import { JobQueue } from "@rainlogs/core/archive/JobQueue"
import { Context, Effect, Fiber, Layer, Redacted } from "effect"
import * as JobQueueBull from "../../src/queue/JobQueueBull.ts"
import { jobOf, suite, until } from "./JobQueueSuite.ts"
import { type RedisServer, redisServer } from "./RedisServer.ts"

const memory = Effect.map(Layer.build(Layer.fresh(JobQueue.layerMemory)), Context.get(JobQueue))

const on = (server: RedisServer, options: Partial<JobQueueBull.BullOptions> = {}) =>
  JobQueueBull.make({ url: Redacted.make(server.url), pollMs: 20, commandMs: 500, ...options })

describe("the queue in the process", () => suite(memory))

describe("the queue on Redis", () => {
  suite(Effect.flatMap(redisServer(), (server) => on(server)))

  it.live(
    "that is flushed loses nothing that is offered again, and hands nothing out twice at a time",
    () =>
      Effect.gen(function*() {
        const server = yield* redisServer()
        const queue = yield* on(server)
        const jobs = Array.from({ length: 40 }, jobOf)
        const done = new Set<string>()
        // As the planner does: what is not done is offered, again and again.
        const offering = yield* Effect.forkChild(Effect.forever(Effect.andThen(
          Effect.suspend(() => queue.offer(jobs.filter(({ job }) => !done.has(job)))),
          Effect.sleep("50 millis")
        )))
        const takers = yield* Effect.forEach(Array.from({ length: 3 }), () =>
          Effect.forkChild(Effect.forever(queue.take(({ job }) =>
            Effect.andThen(
              Effect.sleep("30 millis"),
              Effect.sync(() =>
                done.add(job)
              )
            )
          ))))
        for (let flush = 0; flush < 5; flush++) {
          yield* Effect.sleep("80 millis")
          yield* Effect.promise(() => server.command("FLUSHALL"))
        }
        yield* until("the last job", Effect.sync(() => done.size === jobs.length))
        yield* Effect.forEach([offering, ...takers], Fiber.interrupt)
      }).pipe(Effect.scoped),
    60_000
  )

  for (const persistent of [true, false]) {
    it.live(
      `that is killed with -9 and started again goes on by itself, ${persistent ? "with" : "without"} its keys`,
      () =>
        Effect.gen(function*() {
          const server = yield* redisServer({ persistent })
          const queue = yield* on(server)
          const jobs = Array.from({ length: 10 }, jobOf)
          yield* queue.offer(jobs)
          yield* Effect.promise(server.kill)
          // Away: nobody fails, nobody hangs for ever.
          yield* queue.offer(jobs)
          assert.strictEqual(yield* queue.size, 0)
          const taken: Array<string> = []
          const taker = yield* Effect.forkChild(
            Effect.forever(queue.take(({ job }) => Effect.sync(() => taken.push(job))))
          )
          yield* Effect.sleep("300 millis")
          assert.deepStrictEqual(taken, [])
          yield* Effect.promise(server.start)
          if (!persistent) {
            yield* until(
              "an offer that is taken",
              Effect.andThen(queue.offer(jobs), Effect.sync(() => taken.length > 0))
            )
          }
          yield* until("the last job", Effect.sync(() => new Set(taken).size === jobs.length))
          yield* Fiber.interrupt(taker)
        }).pipe(Effect.scoped),
      60_000
    )
  }

  it.live("that hangs holds nobody longer than a command may take", () =>
    Effect.gen(function*() {
      const server = yield* redisServer()
      const queue = yield* on(server)
      server.signal("SIGSTOP")
      const began = Date.now()
      yield* queue.offer([jobOf()])
      assert.strictEqual(yield* queue.size, 0)
      assert.isBelow(Date.now() - began, 5000)
      server.signal("SIGCONT")
      const job = jobOf()
      const taken: Array<string> = []
      const taker = yield* Effect.forkChild(Effect.forever(queue.take((one) => Effect.sync(() => taken.push(one.job)))))
      yield* until("the job", Effect.andThen(queue.offer([job]), Effect.sync(() => taken.includes(job.job))))
      yield* Fiber.interrupt(taker)
    }).pipe(Effect.scoped), 60_000)

  it.live(
    "that is full or only to be read refuses offers, and takes them when it can again",
    () =>
      Effect.gen(function*() {
        const server = yield* redisServer()
        const queue = yield* on(server)
        const job = jobOf()
        yield* Effect.promise(() => server.command("CONFIG", "SET", "maxmemory", "1"))
        yield* queue.offer([job])
        assert.strictEqual(yield* queue.size, 0)
        yield* Effect.promise(() => server.command("CONFIG", "SET", "maxmemory", "0"))
        yield* Effect.promise(() => server.command("REPLICAOF", "127.0.0.1", "1"))
        yield* queue.offer([job])
        assert.strictEqual(yield* queue.size, 0)
        yield* Effect.promise(() => server.command("REPLICAOF", "NO", "ONE"))
        yield* queue.offer([job])
        assert.deepStrictEqual(yield* queue.take(Effect.succeed), job)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "gives the job of a worker that is gone to another, and keeps one that takes long",
    () =>
      Effect.gen(function*() {
        const server = yield* redisServer()
        const options = { lockMs: 600 }
        const dead = yield* on(server, options)
        const alive = yield* on(server, options)
        const job = jobOf()
        const long = jobOf()
        yield* dead.offer([job, long])
        // A taker that is never let go of: as a process that was stopped in the middle, its lock runs out.
        const stuck = yield* Effect.forkChild(dead.take(() => Effect.never))
        yield* Effect.sleep("200 millis")
        let running = 0
        const working = yield* Effect.forkChild(alive.take((one) =>
          Effect.gen(function*() {
            running += 1
            yield* Effect.sleep("2500 millis")
            return one
          })
        ))
        yield* Fiber.interrupt(stuck)
        assert.deepStrictEqual(yield* Fiber.join(working), long)
        assert.strictEqual(running, 1)
        yield* alive.offer([job])
        assert.deepStrictEqual(yield* alive.take(Effect.succeed), job)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live("with a wrong password says so without it, and stops nobody", () =>
    Effect.gen(function*() {
      const server = yield* redisServer({ password: "right-horse" })
      const queue = yield* JobQueueBull.make({
        url: Redacted.make(server.url.replace("right-horse", "wr0ng-h0rse")),
        commandMs: 500
      })
      yield* queue.offer([jobOf()])
      assert.strictEqual(yield* queue.size, 0)
    }).pipe(Effect.scoped), 60_000)
})
