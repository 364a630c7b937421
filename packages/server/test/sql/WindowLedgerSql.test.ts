import { assert, describe, layer } from "@effect/vitest"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { type JobView, LeaseLost, TimelineMoved, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { CustomerId, JobId } from "@rainlogs/core/domain/Identifier"
import { jobIdOf } from "@rainlogs/core/domain/LogJob"
import { emptyObject } from "@rainlogs/core/domain/LogObject"
import type { Source } from "@rainlogs/core/domain/Source"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { parseEntry } from "@rainlogs/verify/Entry"
import { Effect, Option, Stream } from "effect"
import { randomUUID } from "node:crypto"
import {
  digest,
  leaseOrDie,
  Live,
  live,
  makeCustomer,
  makeOne,
  makeSource,
  objectFor,
  plan,
  readTiles,
  shape,
  start,
  step,
  windowAt
} from "./fixtures.ts"

const jobAt = (source: Source, index: number, length = 1) =>
  jobIdOf(source.origin, source.zone, source.name, windowAt(index, length))

const windows = (count: number, from = 0) => Array.from({ length: count }, (_, i) => windowAt(from + i))

const gapAt = (source: Source, from: number, to: number, text = `gap ${from} ${to}`) => ({
  source,
  range: { from: start + from * step, to: start + to * step },
  reason: "expired" as const,
  detected: start + 1000,
  document: { sha256: digest(text), size: text.length }
})

const entriesOf = Effect.fnUntraced(function*({ customer, origin }: Source) {
  const store = yield* LedgerStore
  const rows = yield* Stream.runCollect(store.rows({ customer, origin }, 0, Number.MAX_SAFE_INTEGER))
  return rows.map((row) => parseEntry(row.entry))
})

const stateOf = Effect.fnUntraced(function*(source: Source, job: JobId) {
  const view = yield* (yield* WindowLedger).job(source.customer, job)
  return Option.map(view, ({ job }) => job.state)
})

describe("WindowLedgerSql", { timeout: 60_000 }, () => {
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
            gapReason: null
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

    describe("lease", () => {
      it.effect("gives all a worker needs, and nobody else gets it until it runs out", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(1))
          const target = { customer: source.customer, job: jobAt(source, 0) }
          const leased = Option.getOrThrow(yield* ledger.lease(target, "one", start, start + 100))
          assert.deepStrictEqual(leased.source, source)
          assert.strictEqual(leased.fence, 1)
          assert.strictEqual(leased.job.state, "leased")
          assert.strictEqual(leased.job.attempts, 1)
          assert.isNull(leased.stored)
          assert.isTrue(Option.isNone(yield* ledger.lease(target, "two", start + 99, start + 200)))
          const second = Option.getOrThrow(yield* ledger.lease(target, "two", start + 100, start + 200))
          assert.strictEqual(second.fence, 2)
          assert.strictEqual(second.job.attempts, 2)
        }))

      it.effect("two workers that want the same job: always exactly one gets it", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(100))
          for (let i = 0; i < 100; i++) {
            const target = { customer: source.customer, job: jobAt(source, i) }
            const both = yield* Effect.all(
              [ledger.lease(target, "one", start, start + 100), ledger.lease(target, "two", start, start + 100)],
              { concurrency: 2 }
            )
            assert.strictEqual(both.filter(Option.isSome).length, 1)
          }
        }))

      it.effect("is refused before its time, for a blocked zone, for an unknown job and for another customer", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const customers = yield* CustomerStore
          const { source } = yield* makeOne
          yield* plan(source, windows(1))
          const target = { customer: source.customer, job: jobAt(source, 0) }
          const leased = yield* leaseOrDie(target.customer, target.job, start)
          yield* ledger.retry(leased, { code: "c", detail: "d", counts: "failure" }, start + 50, start)
          assert.isTrue(Option.isNone(yield* ledger.lease(target, "w", start + 49, start + 100)))
          yield* customers.block(source.customer, source.zone, { reason: "retention-off", remedy: "switch it on" })
          assert.isTrue(Option.isNone(yield* ledger.lease(target, "w", start + 50, start + 100)))
          yield* customers.unblock(source.customer, source.zone)
          const other = yield* makeCustomer
          assert.isTrue(
            Option.isNone(yield* ledger.lease({ ...target, customer: other.id }, "w", start + 50, start + 100))
          )
          const unknown = { ...target, job: JobId.make(randomUUID()) }
          assert.isTrue(Option.isNone(yield* ledger.lease(unknown, "w", start + 50, start + 100)))
          assert.isTrue(Option.isSome(yield* ledger.lease(target, "w", start + 50, start + 100)))
        }))

      it.effect("renewing keeps others out", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(1))
          const target = { customer: source.customer, job: jobAt(source, 0) }
          const leased = yield* leaseOrDie(target.customer, target.job, start, start + 100)
          yield* ledger.renew(leased, start + 300)
          assert.isTrue(Option.isNone(yield* ledger.lease(target, "two", start + 200, start + 400)))
          assert.isTrue(Option.isSome(yield* ledger.lease(target, "two", start + 300, start + 400)))
        }))
    })

    describe("a worker's writes", () => {
      it.effect("store, commit: the window is archived with its ledger entry", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(2))
          const leased = yield* leaseOrDie(source.customer, jobAt(source, 0), start)
          const object = objectFor(leased)
          yield* ledger.stored(leased, object, start + 1)
          assert.deepStrictEqual(yield* stateOf(source, leased.job.id), Option.some("stored" as const))
          yield* ledger.commit(leased, object, start + 2)
          const view = Option.getOrThrow(yield* ledger.job(source.customer, leased.job.id))
          assert.strictEqual(view.job.state, "committed")
          assert.deepStrictEqual(view.object, object)
          assert.deepStrictEqual(view.entry, { leafIndex: 0, seq: 0 })
          const [entry] = yield* entriesOf(source)
          assert.deepInclude(entry, {
            kind: "object",
            chain: source.zone,
            job: leased.job.id,
            object: object.sha256,
            size: object.size,
            time: start + 2,
            key: object.key,
            codec: "zstd",
            dek: object.dek,
            records: 2,
            plainSize: 300,
            window: windowAt(0),
            source: source.name,
            fidelity: "complete",
            params: object.params,
            recordsRoot: null
          })
        }))

      it.effect("an empty window is committed with nothing stored", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(1))
          const leased = yield* leaseOrDie(source.customer, jobAt(source, 0), start)
          yield* ledger.commit(leased, {
            key: null,
            sha256: emptyObject,
            size: 0,
            codec: "identity",
            encryption: "none",
            dek: null,
            records: 0,
            plainSize: 0,
            fidelity: "complete",
            params: null
          }, start)
          const [entry] = yield* entriesOf(source)
          assert.deepInclude(entry, { kind: "object", key: null, records: 0, object: emptyObject })
        }))

      it.effect("the next attempt learns of the object that was stored and not committed", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(1))
          const first = yield* leaseOrDie(source.customer, jobAt(source, 0), start, start + 100)
          const object = objectFor(first)
          yield* ledger.stored(first, object, start)
          const second = yield* leaseOrDie(source.customer, jobAt(source, 0), start + 100)
          assert.deepStrictEqual(second.stored, object)
          yield* ledger.commit(second, object, start + 100)
          assert.strictEqual((yield* entriesOf(source)).length, 1)
        }))

      it.effect("whoever lost the lease to another writes nothing", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, [windowAt(0, 2)])
          const job = jobAt(source, 0, 2)
          const old = yield* leaseOrDie(source.customer, job, start, start + 100)
          const current = yield* leaseOrDie(source.customer, job, start + 100)
          const before = yield* ledger.job(source.customer, job)
          const failure = { code: "c", detail: "d", counts: "failure" } as const
          for (
            const write of [
              ledger.renew(old, start + 900),
              ledger.stored(old, objectFor(old), start + 101),
              ledger.commit(old, objectFor(old), start + 101),
              ledger.retry(old, failure, start, start + 101),
              ledger.split(old, start + step, start + 101)
            ]
          ) assert.instanceOf(yield* Effect.flip(write), LeaseLost)
          assert.deepStrictEqual(yield* ledger.job(source.customer, job), before)
          assert.deepStrictEqual(yield* entriesOf(source), [])
          yield* ledger.commit(current, objectFor(current), start + 102)
        }))

      it.effect("a step whose answer was lost may be repeated, with the same object only", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(2))
          const leased = yield* leaseOrDie(source.customer, jobAt(source, 0), start)
          const object = objectFor(leased)
          yield* ledger.stored(leased, object, start)
          yield* ledger.stored(leased, object, start)
          assert.instanceOf(yield* Effect.flip(ledger.stored(leased, objectFor(leased, "x"), start)), LeaseLost)
          yield* ledger.commit(leased, object, start)
          yield* ledger.commit(leased, object, start)
          assert.instanceOf(yield* Effect.flip(ledger.commit(leased, objectFor(leased, "x"), start)), LeaseLost)
          assert.strictEqual((yield* entriesOf(source)).length, 1)
          const failure = { code: "c", detail: "d", counts: "failure" } as const
          assert.instanceOf(yield* Effect.flip(ledger.retry(leased, failure, start, start)), LeaseLost)
          const other = yield* leaseOrDie(source.customer, jobAt(source, 1), start)
          yield* ledger.retry(other, failure, start, start)
          yield* ledger.retry(other, failure, start, start)
          assert.strictEqual(Option.getOrThrow(yield* ledger.job(source.customer, other.job.id)).job.failures, 1)
        }))

      it.effect("retry gives the job back and counts failures, not postponements", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(1))
          const first = yield* leaseOrDie(source.customer, jobAt(source, 0), start)
          const failure = { code: "throttled", detail: "a \0 byte and half a \uD83D", counts: "failure" } as const
          yield* ledger.retry(first, failure, start + 10, start + 1)
          const second = yield* leaseOrDie(source.customer, jobAt(source, 0), start + 10)
          yield* ledger.retry(
            second,
            { code: "later", detail: "x".repeat(9000), counts: "postponement" },
            start + 20,
            start
          )
          const { job } = Option.getOrThrow(yield* ledger.job(source.customer, first.job.id))
          assert.deepInclude(job, { state: "planned", attempts: 2, failures: 1, notBefore: start + 20, fence: 2 })
          assert.strictEqual(job.lastError?.length, 2000)
          assert.isTrue(job.lastError?.startsWith("later: x"))
        }))

      it.effect("split replaces the job by two that fill its window", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, [windowAt(0, 2), windowAt(2)])
          const leased = yield* leaseOrDie(source.customer, jobAt(source, 0, 2), start)
          yield* ledger.split(leased, start + step, start)
          yield* ledger.split(leased, start + step, start)
          const tiles = yield* readTiles(source)
          assert.deepStrictEqual(shape(tiles), [[0, 1, "planned"], [1, 2, "planned"], [2, 3, "planned"]])
          assert.deepStrictEqual(tiles.map(({ job }) => job), [jobAt(source, 0), jobAt(source, 1), jobAt(source, 2)])
          assert.deepStrictEqual(yield* stateOf(source, leased.job.id), Option.some("split" as const))
          const outside = yield* leaseOrDie(source.customer, jobAt(source, 2), start)
          assert.isTrue((yield* Effect.exit(ledger.split(outside, start, start)))._tag === "Failure")
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

    describe("what the API and the planner read", () => {
      it.effect("pages of a zone's jobs, newest first, one a window", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, [windowAt(0, 2), ...windows(5, 2)])
          const leased = yield* leaseOrDie(source.customer, jobAt(source, 0, 2), start)
          yield* ledger.split(leased, start + step, start)
          const seen: Array<number> = []
          let before: number | null = null
          for (;;) {
            const page: ReadonlyArray<{ readonly job: { readonly window: { readonly from: number } } }> = yield* ledger
              .jobs(
                source.customer,
                source.zone,
                { limit: 3, before }
              )
            if (page.length === 0) break
            assert.isAtMost(page.length, 3)
            for (const { job } of page) seen.push((job.window.from - start) / step)
            before = page.at(-1)?.job.window.from ?? null
          }
          assert.deepStrictEqual(seen, [6, 5, 4, 3, 2, 1, 0])
        }))

      it.effect("progress counts what is where", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, [...windows(6), windowAt(6, 2)])
          for (const index of [0, 1]) {
            const leased = yield* leaseOrDie(source.customer, jobAt(source, index), start)
            yield* ledger.commit(leased, objectFor(leased), start)
          }
          yield* leaseOrDie(source.customer, jobAt(source, 3), start)
          const stored = yield* leaseOrDie(source.customer, jobAt(source, 4), start)
          yield* ledger.stored(stored, objectFor(stored), start)
          const split = yield* leaseOrDie(source.customer, jobAt(source, 6, 2), start)
          yield* ledger.split(split, start + 7 * step, start)
          yield* ledger.declareGap(gapAt(source, 8, 9))
          const [progress] = yield* ledger.progress(source.customer)
          assert.deepStrictEqual(progress, {
            source,
            plannedTo: start + 9 * step,
            windows: { planned: 4, leased: 1, stored: 1, committed: 2, gap: 1, split: 1 },
            records: 4,
            plainBytes: 600,
            storedBytes: 236,
            oldestUncommitted: start + 2 * step
          })
          assert.deepInclude(yield* ledger.progress(null), progress)
        }))

      it.effect("timelines are of active zones only; one zone's are there also when it is blocked", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const customers = yield* CustomerStore
          const { customer, source } = yield* makeOne
          const other = yield* makeSource(customer)
          yield* customers.block(customer.id, other.zone, { reason: "unauthorised", remedy: "a new token" })
          const sources = (yield* ledger.timelines).map(({ source }) => source.id)
          assert.include(sources, source.id)
          assert.notInclude(sources, other.id)
          assert.deepStrictEqual(yield* ledger.timelinesOf(customer.id, other.zone), [{
            source: other,
            plannedTo: start
          }])
          yield* ledger.resize(source.id, customer.id, 60_000)
          assert.strictEqual((yield* ledger.timelinesOf(customer.id, source.zone))[0]?.source.windowMs, 60_000)
        }))

      it.effect("nothing is shown to another customer", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(1))
          const other = CustomerId.make(randomUUID())
          assert.isTrue(Option.isNone(yield* ledger.job(other, jobAt(source, 0))))
          assert.deepStrictEqual(yield* ledger.jobs(other, source.zone, { limit: 9, before: null }), [])
          assert.deepStrictEqual(yield* ledger.progress(other), [])
          assert.deepStrictEqual(yield* ledger.timelinesOf(other, source.zone), [])
        }))
    })
  })
})
