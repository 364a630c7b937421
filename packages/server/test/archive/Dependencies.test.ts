/**
 * What Rainlogs itself stands on fails: the store, the keys, the database, its own code. Nothing is lost, the reason
 * stays visible, and it goes on by itself.
 */
import { assert, describe, it } from "@effect/vitest"
import { DatabaseError } from "@rainlogs/core/archive/WindowLedger"
import { KmsError } from "@rainlogs/core/secrets/Kms"
import { type StorageCategory, StorageError } from "@rainlogs/core/storage/ObjectStore"
import { Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import { TestDatabase } from "../TestDatabase.ts"
import { compare, verify, windowsOf } from "./Comparison.ts"
import { archiveAll, drain, minute, onRoad, type Process, type Road, second, start } from "./Road.ts"

const failingPut = (category: StorageCategory) => (key: string) =>
  key.startsWith("logs/")
    ? Effect.fail(new StorageError({ operation: "put", key, category, detail: "no space left" }))
    : Effect.void

const assertAllThere = Effect.fnUntraced(function*(road: Road, process: Process) {
  const { gaps, lines, wrong } = yield* compare(road, process)
  assert.deepStrictEqual(wrong, [])
  assert.strictEqual(gaps.length, 0)
  assert.isAbove(lines, 0)
  assert.strictEqual((yield* verify(road, process)).verdict.completeness, "PASS")
})

describe("a full store", { timeout: 60_000 }, () => {
  it.live("postpones the window, does not count as its failure, is not asked hotly, and nothing is lost", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        process.hooks.beforePut = failingPut("full")
        for (let turn = 1; turn <= 6; turn++) {
          yield* process.planner.round
          assert.include(yield* drain(process), "retried")
          const { job } = (yield* windowsOf(road))[0]!
          assert.deepInclude(job, { state: "planned", failures: 0, attempts: turn })
          assert.match(job.lastError ?? "", /^storage-full: put logs\/.*: no space left$/)
          assert.isAtLeast(job.notBefore, road.clock.currentTimeMillisUnsafe() + 29 * second)
          assert.strictEqual((yield* process.planner.round).offered, 0)
          road.clock.jump(31 * second)
        }
        assert.deepStrictEqual(road.objects(), [])
        process.hooks.beforePut = undefined
        yield* archiveAll(road, process)
        yield* assertAllThere(road, process)
      })))

  it.live("or one that fails otherwise is tried again later and later, and the window is never split for it", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        process.hooks.beforePut = failingPut("transient")
        for (let turn = 1; turn <= 8; turn++) {
          yield* process.planner.round
          assert.include(yield* drain(process), "retried")
          assert.strictEqual((yield* windowsOf(road))[0]!.job.failures, turn)
          road.clock.jump(2 ** (turn - 1) * second + 1)
        }
        process.hooks.beforePut = undefined
        const outcomes = yield* archiveAll(road, process)
        assert.isFalse(outcomes.includes("split"))
        yield* assertAllThere(road, process)
      })))
})

describe("keys that cannot be had", { timeout: 60_000 }, () => {
  it.live("fail the attempt with the reason; nothing is stored without its key", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        process.hooks.beforeWrap = () =>
          Effect.fail(new KmsError({ operation: "wrap", kek: "kek-1", detail: "the key service is away" }))
        yield* process.planner.round
        assert.deepStrictEqual(yield* drain(process), ["retried"])
        const { job } = (yield* windowsOf(road))[0]!
        assert.strictEqual(job.lastError, "kms: wrap with key kek-1: the key service is away")
        assert.deepStrictEqual(road.objects(), [])
        process.hooks.beforeWrap = undefined
        road.clock.jump(2 * second)
        yield* archiveAll(road, process)
        yield* assertAllThere(road, process)
      })))
})

describe("a database that restarts", { timeout: 60_000 }, () => {
  for (const step of ["stored", "commit"] as const) {
    it.live(`before ${step}, all its sessions ended: the attempt goes on with what it has`, () =>
      onRoad({}, (road) =>
        Effect.gen(function*() {
          const { asOwner } = yield* TestDatabase
          const endSessions = asOwner(Effect.gen(function*() {
            const sql = yield* SqlClient.SqlClient
            yield* sql`
              SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND pid <> pg_backend_pid()`
          })).pipe(Effect.orDie)
          const process = yield* start(road)
          let times = 0
          process.hooks.beforeLedger = (named) => named === step && times++ === 0 ? endSessions : Effect.void
          yield* process.planner.round
          assert.deepStrictEqual(yield* drain(process), ["committed"])
          assert.isAtLeast(times, 1)
          assert.strictEqual(road.pulls().length, 1)
          yield* assertAllThere(road, process)
        })))
  }

  it.live("after the commit, before its answer came: the window is committed once and known to be", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        let times = 0
        process.hooks.afterLedger = (named) =>
          named === "commit" && times++ === 0
            ? Effect.fail(new DatabaseError({ operation: "commit", detail: "transient: the connection is gone" }))
            : Effect.void
        yield* process.planner.round
        assert.deepStrictEqual(yield* drain(process), ["committed"])
        assert.strictEqual(times, 2)
        yield* assertAllThere(road, process)
      })))

  it.live("for longer than an attempt has patience: the lease runs out, and the orphan is adopted", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        const away = new DatabaseError({ operation: "any", detail: "transient: away" })
        let refused = 0
        process.hooks.beforeLedger = (named) => {
          if (named !== "commit" && named !== "retry") return Effect.void
          refused++
          return Effect.fail(away)
        }
        yield* process.planner.round
        const fiber = yield* Effect.forkChild(Effect.flip(drain(process)))
        while (fiber.pollUnsafe() === undefined) {
          if (refused > 0) road.clock.jump(second)
          yield* Effect.sleep("10 millis")
        }
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "DatabaseError")
        process.hooks.beforeLedger = undefined
        road.clock.jump(minute)
        assert.include(yield* archiveAll(road, process), "committed")
        const [first, ...others] = road.pulls()
        assert.isFalse(others.some(({ fromMs }) => fromMs === first!.fromMs), "it is not pulled again")
        yield* assertAllThere(road, process)
      })))
})

describe("a defect in an attempt", { timeout: 60_000 }, () => {
  it.live("gives the window back with the reason, to be tried again later", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        process.hooks.afterSeal = () => Effect.die(new TypeError("secret text"))
        yield* process.planner.round
        assert.deepStrictEqual(yield* drain(process), ["retried"])
        const { job } = (yield* windowsOf(road))[0]!
        assert.deepInclude(job, { state: "planned", failures: 1 })
        assert.strictEqual(job.lastError, "defect: TypeError: a bug in Rainlogs; the log has the details")
        process.hooks.afterSeal = undefined
        road.clock.jump(2 * second)
        yield* archiveAll(road, process)
        yield* assertAllThere(road, process)
      })))
})
