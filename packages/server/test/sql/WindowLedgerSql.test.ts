import { assert, describe, layer } from "@effect/vitest"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { Effect, Option } from "effect"
import { randomUUID } from "node:crypto"
import {
  gapAt,
  jobAt,
  leaseOrDie,
  Live,
  live,
  makeOne,
  makeSource,
  objectFor,
  plan,
  start,
  step,
  windowAt,
  windows
} from "./fixtures.ts"

describe("WindowLedgerSql", { timeout: 60_000 }, () => {
  layer(Live, live)((it) => {
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
          yield* customers.block(customer.id, other.id, { reason: "unauthorised", remedy: "a new token" })
          const sources = (yield* ledger.timelines).map(({ source }) => source.id)
          assert.include(sources, source.id)
          assert.notInclude(sources, other.id)
          assert.deepStrictEqual(yield* ledger.timelinesOf(customer.id, other.zone), [{
            source: {
              ...other,
              status: { state: "blocked", reason: "unauthorised", since: 0, remedy: "a new token" }
            },
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
