/**
 * Planners and workers on the same timelines at once: they wait for each other, never in a circle, and what they leave
 * is one timeline and one ledger.
 */
import { assert, describe, layer } from "@effect/vitest"
import { DatabaseError, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import type { Source } from "@rainlogs/core/domain/Source"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { parseEntry } from "@rainlogs/verify/Entry"
import { Effect, Option, Random, Ref, Stream } from "effect"
import {
  digest,
  eventFor,
  Live,
  live,
  makeCustomer,
  makeSource,
  objectFor,
  plan,
  readTiles,
  start,
  step
} from "./fixtures.ts"

/** Extends the timeline and declares gaps at random places. */
const planner = Effect.fnUntraced(function*(source: Source, rounds: number) {
  const ledger = yield* WindowLedger
  for (let round = 0; round < rounds; round++) {
    const [timeline] = yield* ledger.timelinesOf(source.customer, source.zone)
    if (timeline === undefined) return yield* Effect.die("no timeline")
    const { plannedTo } = timeline
    const windows = [{ from: plannedTo, to: plannedTo + step }, { from: plannedTo + step, to: plannedTo + 3 * step }]
    yield* Effect.ignore(ledger.plan(timeline, windows, start).pipe(dieUnlessMoved))
    const from = start + (yield* Random.nextIntBetween(0, plannedTo - start + step))
    const range = { from, to: from + (yield* Random.nextIntBetween(1, 2 * step)) }
    const document = { sha256: digest(`${source.id} ${range.from} ${range.to}`), size: 9 }
    yield* Effect.ignore(
      ledger.declareGap({ source, range, reason: "outage", detected: start, document }).pipe(dieUnlessMoved)
    )
  }
})

/** A wait in a circle or a broken constraint comes as a `DatabaseError`; here it is the end. */
const dieUnlessMoved = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.tapError(effect, (error) => error instanceof DatabaseError ? Effect.die(error) : Effect.void)

/** Takes due jobs and does with them whatever a worker may do. */
const worker = Effect.fnUntraced(function*(clock: Ref.Ref<number>, rounds: number) {
  const ledger = yield* WindowLedger
  for (let round = 0; round < rounds; round++) {
    const now = yield* Ref.updateAndGet(clock, (now) => now + 1)
    const due = yield* ledger.due(now, 8)
    const target = due[due.length === 0 ? 0 : yield* Random.nextIntBetween(0, due.length)]
    if (target === undefined) continue
    const leased = yield* ledger.lease(target, "w", now, now + (yield* Random.nextIntBetween(1, 30)))
    if (Option.isNone(leased)) continue
    const { window } = leased.value.job
    const choice = yield* Random.nextIntBetween(0, 5)
    const object = objectFor(leased.value)
    const work = choice === 0
      ? ledger.retry(leased.value, { code: "c", detail: "d", counts: "failure" }, now + 5, now)
      : choice === 1 && window.to - window.from > 1
      ? ledger.split(leased.value, window.from + Math.ceil((window.to - window.from) / 2), now)
      : choice === 2
      ? ledger.stored(leased.value, object, now)
      : Effect.andThen(ledger.stored(leased.value, object, now), ledger.commit(leased.value, object, now))
    yield* Effect.ignore(dieUnlessMoved(work))
  }
})

describe("planners and workers at once", { timeout: 120_000 }, () => {
  layer(Live, live)((it) => {
    it.effect("leave whole timelines, one unforked ledger and true counts, and never block each other for good", () =>
      Effect.gen(function*() {
        const ledger = yield* WindowLedger
        const store = yield* LedgerStore
        const customer = yield* makeCustomer
        const owner = { customer: customer.id, origin: customer.origin }
        const sources = [yield* makeSource(customer), yield* makeSource(customer)]
        for (const source of sources) yield* plan(source, [{ from: start, to: start + 4 * step }])
        const clock = yield* Ref.make(start)
        const heartbeats = Effect.forEach(
          Array.from({ length: 20 }, (_, i) => i),
          (i) =>
            store.appendAt(
              owner,
              start,
              () => Effect.succeedSome(eventFor(owner.origin, `heartbeat ${i}`, "heartbeat"))
            )
        )
        yield* Effect.all([
          ...sources.flatMap((source) => [planner(source, 25), planner(source, 25)]),
          ...Array.from({ length: 6 }, () => worker(clock, 50)),
          heartbeats
        ], { concurrency: "unbounded" })

        const entries = (yield* Stream.runCollect(store.rows(owner, 0, Number.MAX_SAFE_INTEGER)))
          .map((row) => parseEntry(row.entry))
        const heads = new Map<string, string>()
        for (const entry of entries) {
          if (heads.has(entry.chain)) assert.strictEqual(entry.prev, heads.get(entry.chain))
          heads.set(entry.chain, entry.hash)
        }
        const progress = yield* ledger.progress(customer.id)
        const archived: Array<string> = []
        for (const source of sources) {
          const tiles = yield* readTiles(source)
          tiles.forEach((tile, i) => assert.strictEqual(tile.from, i === 0 ? start : tiles[i - 1]?.to))
          const counted = progress.find((one) => one.source.id === source.id)
          assert.isDefined(counted)
          assert.strictEqual(counted.plannedTo, tiles.at(-1)?.to)
          for (const state of ["planned", "leased", "stored", "committed", "gap"] as const) {
            assert.strictEqual(counted.windows[state], tiles.filter((tile) => tile.state === state).length, state)
          }
          for (const { job, state } of tiles) if (state === "committed" || state === "gap") archived.push(job)
        }
        const inLedger = entries.filter(({ kind }) => kind !== "heartbeat").map(({ job }): string => job)
        assert.deepStrictEqual(inLedger.toSorted(), archived.toSorted())
        assert.isAbove(entries.filter(({ kind }) => kind === "object").length, 10)
        assert.isAbove(entries.filter(({ kind }) => kind === "gap").length, 0)
      }))
  })
})
