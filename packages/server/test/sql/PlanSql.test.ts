import { assert, describe, layer } from "@effect/vitest"
import { type JobView, TimelineMoved, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { Effect, Option } from "effect"
import {
  digest,
  entriesOf,
  gapAt,
  jobAt,
  leaseOrDie,
  Live,
  live,
  makeOne,
  objectFor,
  plan,
  readTiles,
  shape,
  start,
  stateOf,
  step,
  windowAt,
  windows
} from "./fixtures.ts"

describe("PlanSql", { timeout: 60_000 }, () => {
  layer(Live, live)((it) => {
    describe("plan", () => {
      it.effect("tiles the timeline from its start, each window with its planned job", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(3), start + 7)
          yield* plan(source, [windowAt(3, 4)])
          assert.deepStrictEqual(shape(yield* readTiles(source)), [
            [0, 1, "planned"],
            [1, 2, "planned"],
            [2, 3, "planned"],
            [3, 7, "planned"]
          ])
          const found = yield* ledger.job(source.customer, jobAt(source, 1))
          const expected: JobView = {
            job: {
              id: jobAt(source, 1),
              customer: source.customer,
              zone: source.zone,
              source: source.id,
              sourceName: source.name,
              window: windowAt(1),
              state: "planned",
              attempts: 0,
              failures: 0,
              fence: 0,
              notBefore: 0,
              lastError: null,
              createdAt: start + 7,
              updatedAt: start + 7
            },
            object: null,
            entry: null,
            gapReason: null,
            erasure: null
          }
          assert.deepStrictEqual(found, Option.some(expected))
        }))

      it.effect("a planner that read an older end of the timeline plans nothing", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          const stale = { source, plannedTo: start }
          yield* ledger.plan(stale, windows(1), start)
          assert.instanceOf(yield* Effect.flip(ledger.plan(stale, windows(1), start)), TimelineMoved)
          assert.strictEqual((yield* readTiles(source)).length, 1)
        }))

      it.effect("of eight planners at once one wins", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          const outcomes = yield* Effect.forEach(
            Array.from({ length: 8 }, (_, i) => i),
            (i) => Effect.result(ledger.plan({ source, plannedTo: start }, windows(i + 1), start)),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(outcomes.filter(({ _tag }) => _tag === "Success").length, 1)
          for (const outcome of outcomes) {
            if (outcome._tag === "Failure") assert.instanceOf(outcome.failure, TimelineMoved)
          }
        }))

      it.effect("windows that leave a hole or overlap are refused by the database, whole", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          const timeline = { source, plannedTo: start }
          for (const wrong of [[windowAt(1)], [windowAt(0), windowAt(2)], [windowAt(0, 2), windowAt(1)]]) {
            const error = yield* Effect.flip(ledger.plan(timeline, wrong, start))
            assert.strictEqual(error._tag, "DatabaseError")
            assert.include(String(error._tag === "DatabaseError" && error.detail), "rejected")
          }
          assert.deepStrictEqual(yield* readTiles(source), [])
        }))
    })

    describe("gaps", () => {
      it.effect("a run of planned windows becomes one tile, with one entry in the control chain", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(4))
          yield* ledger.declareGap(gapAt(source, 1, 3))
          assert.deepStrictEqual(shape(yield* readTiles(source)), [[0, 1, "planned"], [1, 3, "gap"], [3, 4, "planned"]])
          const [entry] = yield* entriesOf(source)
          assert.deepInclude(entry, { kind: "gap", chain: "control", object: digest("gap 1 3"), time: start + 1000 })
          for (const index of [1, 2]) {
            const covered = Option.getOrThrow(yield* ledger.job(source.customer, jobAt(source, index)))
            assert.strictEqual(covered.job.state, "gap")
            assert.strictEqual(covered.gapReason, "expired")
            assert.deepStrictEqual(covered.entry, { leafIndex: 0, seq: 0 })
          }
          const [view] = yield* ledger.jobs(source.customer, source.zone, { limit: 1, before: start + 3 * step })
          assert.strictEqual(view?.job.state, "gap")
          assert.deepStrictEqual(view?.entry, { leafIndex: 0, seq: 0 })
        }))

      it.effect("declared again after a crash it is the same gap", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(2))
          yield* ledger.declareGap(gapAt(source, 0, 1))
          const tiles = yield* readTiles(source)
          yield* ledger.declareGap(gapAt(source, 0, 1))
          assert.deepStrictEqual(yield* readTiles(source), tiles)
          assert.strictEqual((yield* entriesOf(source)).length, 1)
        }))

      it.effect("cuts the first and the last window it covers; the rests stay planned", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, [windowAt(0, 4), windowAt(4, 4), windowAt(8)])
          yield* ledger.declareGap(gapAt(source, 1, 6))
          assert.deepStrictEqual(shape(yield* readTiles(source)), [
            [0, 1, "planned"],
            [1, 6, "gap"],
            [6, 8, "planned"],
            [8, 9, "planned"]
          ])
          assert.isTrue(Option.isSome(yield* stateOf(source, jobAt(source, 6, 2))))
          yield* leaseOrDie(source.customer, jobAt(source, 0), start)
        }))

      it.effect("inside one window it leaves a rest on both sides", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, [windowAt(0, 9)])
          yield* ledger.declareGap(gapAt(source, 3, 5))
          assert.deepStrictEqual(shape(yield* readTiles(source)), [[0, 3, "planned"], [3, 5, "gap"], [5, 9, "planned"]])
        }))

      it.effect("moves the end of the timeline, also of an empty one", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* ledger.declareGap(gapAt(source, 0, 2))
          yield* plan(source, [windowAt(2)])
          yield* ledger.declareGap(gapAt(source, 2, 5))
          yield* ledger.declareGap(gapAt(source, 5, 6))
          assert.deepStrictEqual(shape(yield* readTiles(source)), [[0, 2, "gap"], [2, 5, "gap"], [5, 6, "gap"]])
          const [timeline] = yield* ledger.timelinesOf(source.customer, source.zone)
          assert.strictEqual(timeline?.plannedTo, start + 6 * step)
        }))

      it.effect("never covers what is committed, leased, stored or a gap, nor leaves a hole", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(9))
          const committed = yield* leaseOrDie(source.customer, jobAt(source, 1), start)
          yield* ledger.commit(committed, objectFor(committed), start)
          yield* leaseOrDie(source.customer, jobAt(source, 3), start)
          const stored = yield* leaseOrDie(source.customer, jobAt(source, 5), start)
          yield* ledger.stored(stored, objectFor(stored), start)
          yield* ledger.declareGap(gapAt(source, 7, 8))
          const before = yield* readTiles(source)
          for (
            const [from, to] of [[0, 2], [1, 2], [2, 4], [4, 6], [6, 8], [7, 8.5], [8, 8], [10, 12], [-1, 1]] as const
          ) {
            const error = yield* Effect.flip(ledger.declareGap(gapAt(source, from, to, `again ${from} ${to}`)))
            assert.include(["TimelineMoved", "DatabaseError"], error._tag)
            if (from !== to) assert.strictEqual(error._tag, "TimelineMoved", `${from} ${to}`)
          }
          assert.deepStrictEqual(yield* readTiles(source), before)
          assert.strictEqual((yield* entriesOf(source)).length, 2)
        }))

      it.effect("a worker and a gap that want the same window: one of them gets it", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(40))
          for (let i = 0; i < 40; i++) {
            const [leased, gap] = yield* Effect.all([
              ledger.lease({ customer: source.customer, job: jobAt(source, i) }, "w", start, start + 100),
              Effect.result(ledger.declareGap(gapAt(source, i, i + 1)))
            ], { concurrency: 2 })
            assert.notStrictEqual(Option.isSome(leased), gap._tag === "Success")
            if (gap._tag === "Failure") assert.instanceOf(gap.failure, TimelineMoved)
          }
        }))
    })

    describe("uncollected", () => {
      it.effect("finds contiguous runs and says which cannot grow", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(10))
          const committed = yield* leaseOrDie(source.customer, jobAt(source, 2), start)
          yield* ledger.commit(committed, objectFor(committed), start)
          yield* leaseOrDie(source.customer, jobAt(source, 4), start)
          yield* ledger.declareGap(gapAt(source, 7, 8))
          const runs = yield* ledger.uncollected(source, start + 8.5 * step)
          assert.deepStrictEqual(
            runs.map(({ closed, range }) => [(range.from - start) / step, (range.to - start) / step, closed] as const),
            [[0, 2, true], [3, 4, false], [5, 7, true], [8, 9, false]]
          )
          assert.deepStrictEqual(yield* ledger.uncollected(source, start), [])
          assert.strictEqual((yield* ledger.uncollected(source, start + 1))[0]?.range.to, start + step)
        }))
    })
  })
})
