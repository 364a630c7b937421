import { assert, describe, layer } from "@effect/vitest"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { LeaseLost, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { JobId } from "@rainlogs/core/domain/Identifier"
import { emptyLogObject, emptyObject } from "@rainlogs/core/domain/LogObject"
import { Effect, Option } from "effect"
import { randomUUID } from "node:crypto"
import {
  entriesOf,
  jobAt,
  leaseOrDie,
  Live,
  live,
  makeCustomer,
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

describe("LeaseSql", { timeout: 60_000 }, () => {
  layer(Live, live)((it) => {
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
          yield* customers.block(source.customer, source.id, { reason: "retention-off", remedy: "switch it on" })
          assert.isTrue(Option.isNone(yield* ledger.lease(target, "w", start + 50, start + 100)))
          yield* customers.unblock(source.customer, source.id)
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
            recordsRoot: object.recordsRoot
          })
        }))

      it.effect("an empty window is committed with nothing stored", () =>
        Effect.gen(function*() {
          const ledger = yield* WindowLedger
          const { source } = yield* makeOne
          yield* plan(source, windows(1))
          const leased = yield* leaseOrDie(source.customer, jobAt(source, 0), start)
          yield* ledger.commit(leased, { ...emptyLogObject, fidelity: "complete", params: null }, start)
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
  })
})
