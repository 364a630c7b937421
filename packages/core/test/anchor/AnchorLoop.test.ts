import { assert, describe, it } from "@effect/vitest"
import { receiptPath } from "@rainlogs/verify/Anchored"
import { anchorSource } from "@rainlogs/verify/Gap"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { checkpointArchivePath } from "@rainlogs/verify/Layout"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Clock, Effect, Logger, Metric } from "effect"
import { TestClock } from "effect/testing"
import { AnchorLoop } from "../../src/anchor/AnchorLoop.ts"
import { makeOrigin } from "../../src/domain/Customer.ts"
import { CustomerId } from "../../src/domain/Identifier.ts"
import { defaultPolicy, type Policy } from "../../src/domain/Policy.ts"
import { LedgerEvents } from "../../src/ledger/LedgerEvents.ts"
import { ObjectStore, StorageError } from "../../src/storage/ObjectStore.ts"
import { type LedgerWorld, ledgerWorld } from "../ledger/LedgerWorld.ts"
import { ledger } from "../ledger/MemoryLedger.ts"
import golden from "../vectors/ledger.json" with { type: "json" }
import { anchoredOf, anchoring, day, gapsOf, hour, minute, pass } from "./AnchorWorld.ts"
import { FakeAnchor, witnessKey } from "./FakeAnchor.ts"

const { origin } = ledger
const start = 100 * hour

const openWith = (world: LedgerWorld, rules: Partial<Policy>) =>
  world.run(LedgerEvents.use((events) => events.open(ledger, { ...defaultPolicy, ...rules })))

const recorder = () => {
  const lines: Array<string> = []
  return { lines, logger: Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))]) }
}

const gaugesOf = (name: string) =>
  Effect.map(Metric.snapshot, (all) =>
    all.flatMap((metric) =>
      metric.id === name && metric.type === "Gauge"
        ? [{ value: Number(metric.state.value), attributes: { ...metric.attributes } }]
        : []
    ))

describe("the anchor loop", () => {
  it.effect("anchors a new ledger at once, and chains the receipt of exactly the archived checkpoint", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const tsa = new FakeAnchor("tsa")
      yield* TestClock.setTime(start)
      yield* pass(2 * minute).pipe(Effect.provide(anchoring(world, [tsa.anchor]), { local: true }))
      assert.strictEqual(anchoredOf(world).length, 1)
      const anchored = anchoredOf(world)[0]!
      assert.strictEqual(anchored.size, 2)
      assert.strictEqual(anchored.checkpoint, Hex.encode(sha256(world.file(checkpointArchivePath(2))!)))
      assert.strictEqual(anchored.receipt, Hex.encode(sha256(world.file(receiptPath(anchored))!)))
      assert.deepStrictEqual(gapsOf(world), [])
      assert.include(world.paths("checkpoint.d/"), checkpointArchivePath(3), "its own event is published")
    }))

  it.effect("an idle ledger is stamped with each heartbeat, not for its own events", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const tsa = new FakeAnchor("tsa")
      yield* TestClock.setTime(start)
      yield* pass(10 * hour, minute).pipe(Effect.provide(anchoring(world, [tsa.anchor]), { local: true }))
      const beats = world.rows.of(origin).filter(({ entry }) => entry.kind === "heartbeat").length
      assert.isAtLeast(beats, 8)
      assert.isAtMost(Math.abs(anchoredOf(world).length - beats), 2)
      const { findings, verdict } = yield* world.reportWith({
        keys: [parseVerifierKey(golden.keys.log.vkey), witnessKey]
      })
      assert.strictEqual(verdict.anchoring, "PASS", JSON.stringify(findings))
    }), 60_000)

  it.effect("a busy ledger is stamped once an interval, and every entry in time", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const tsa = new FakeAnchor("tsa")
      yield* TestClock.setTime(start)
      yield* Effect.gen(function*() {
        for (let index = 0; index < 120; index++) {
          yield* pass(2 * minute, minute)
          world.rows.appendWindow(origin, index, start + index * 2 * minute)
        }
      }).pipe(Effect.provide(anchoring(world, [tsa.anchor]), { local: true }))
      // Four hours, an interval of half an hour.
      assert.isAtLeast(tsa.stamped.length, 7)
      assert.isAtMost(tsa.stamped.length, 10)
      for (const { entry, row } of world.rows.of(origin)) {
        const over = tsa.stamped.find(({ size }) => size > row.leafIndex)
        if (entry.time < start + 3 * hour) assert.isAtMost(over?.time ?? Infinity, entry.time + 35 * minute)
      }
      const { findings, verdict } = yield* world.reportWith({
        keys: [parseVerifierKey(golden.keys.log.vkey), witnessKey]
      })
      assert.strictEqual(verdict.anchoring, "PASS", JSON.stringify(findings))
    }), 60_000)

  it.effect(
    "an outage longer than the lag is declared, and archiving and publishing went on meanwhile",
    () =>
      Effect.gen(function*() {
        const world = yield* ledgerWorld
        const tsa = new FakeAnchor("tsa")
        yield* TestClock.setTime(start)
        yield* Effect.gen(function*() {
          const { status } = yield* AnchorLoop
          yield* pass(5 * minute)
          assert.strictEqual(anchoredOf(world).length, 1)
          tsa.failure = { category: "transient", retryAfterMs: null }
          world.rows.appendWindow(origin, 0, start + 6 * minute)
          yield* pass(4 * hour, minute)
          const during = yield* status
          assert.isAbove(during.trustedDebtMs ?? 0, 3 * hour)
          assert.strictEqual(during.anchors[0]?.overdue, 1)
          assert.strictEqual(during.anchors[0]?.lastFailure?.category, "transient")
          assert.isAtLeast(world.paths("checkpoint.d/").length, 4)
          tsa.failure = null
          yield* pass(20 * minute)
          const after = yield* status
          assert.strictEqual(after.anchors[0]?.overdue, 0)
          assert.strictEqual(after.anchors[0]?.lastFailure, null)
        }).pipe(Effect.provide(anchoring(world, [tsa.anchor]), { local: true }))
        const [gap, ...more] = gapsOf(world).filter(({ source }) => source === anchorSource)
        assert.strictEqual(more.length, 0)
        const late = anchoredOf(world)[1]
        assert.strictEqual(gap?.to, late?.time)
        assert.isAtMost(gap?.from ?? Infinity, start + 6 * minute)
        const { findings, verdict } = yield* world.reportWith({
          keys: [parseVerifierKey(golden.keys.log.vkey), witnessKey]
        })
        assert.strictEqual(verdict.anchoring, "INCONCLUSIVE", JSON.stringify(findings))
        assert.include(findings.map(({ code }) => code), "ANCHOR_LATE")
        // Five failures in a row open the circuit: then only a probe every five minutes.
        assert.isAtMost(tsa.attempts, 4 * 12 + 20)
      }),
    60_000
  )

  it.effect("one anchor that hangs holds up nobody else", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const [good, bad] = [new FakeAnchor("good"), new FakeAnchor("bad")]
      bad.hangs = true
      yield* TestClock.setTime(start)
      yield* pass(3 * hour, minute).pipe(
        Effect.provide(anchoring(world, [bad.anchor, good.anchor]), { local: true })
      )
      assert.isAtLeast(good.stamped.length, 3)
      assert.isAtLeast(bad.attempts, 2)
    }), 60_000)

  it.effect("Retry-After is respected", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const tsa = new FakeAnchor("tsa")
      tsa.failure = { category: "throttled", retryAfterMs: 20 * minute }
      yield* TestClock.setTime(start)
      yield* Effect.gen(function*() {
        yield* pass(2 * minute)
        tsa.failure = null
        yield* pass(17 * minute)
        assert.strictEqual(tsa.attempts, 1)
        yield* pass(5 * minute)
        assert.strictEqual(tsa.attempts, 2)
      }).pipe(Effect.provide(anchoring(world, [tsa.anchor]), { local: true }))
      assert.strictEqual(anchoredOf(world).length, 1)
    }))

  it.effect("a receipt of a clock that is far off is not kept, for the verifier would take it for a lie", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const tsa = new FakeAnchor("tsa")
      tsa.skewMs = 6 * minute
      yield* TestClock.setTime(start)
      yield* Effect.gen(function*() {
        yield* pass(5 * minute)
        const { anchors: [state] } = yield* (yield* AnchorLoop).status
        assert.strictEqual(state?.lastFailure?.category, "untrusted")
        assert.include(state?.lastFailure?.detail, "360 s ahead of this machine's")
      }).pipe(Effect.provide(anchoring(world, [tsa.anchor]), { local: true }))
      assert.deepStrictEqual(anchoredOf(world), [])
      assert.deepStrictEqual(world.paths("anchor/"), [])
    }))

  it.effect(
    "a receipt about to expire is renewed on an idle ledger, once a day until the certificate is a new one",
    () =>
      Effect.gen(function*() {
        const world = yield* ledgerWorld
        const tsa = new FakeAnchor("tsa")
        yield* TestClock.setTime(start)
        tsa.expires = start + 40 * day
        const process = anchoring(world, [tsa.anchor], hour)
        yield* openWith(world, { heartbeatEpochMs: 400 * day, anchorLagMs: 300 * day })
        yield* pass(8 * day, hour).pipe(Effect.provide(process, { local: true }))
        assert.strictEqual(tsa.stamped.length, 1)
        // Another process learns from the stored receipt when it expires.
        yield* Effect.gen(function*() {
          yield* pass(4.5 * day, hour)
          assert.deepStrictEqual(tsa.stamped.map(({ size }) => size), [2, 3, 4, 5])
          tsa.expires = start + 100 * day
          yield* pass(10 * day, hour)
          assert.strictEqual(tsa.stamped.length, 5)
        }).pipe(Effect.provide(process, { local: true }))
      }),
    60_000
  )

  it.effect(
    "where no heartbeat comes within the lag, the anchors' own events are stamped in time too",
    () =>
      Effect.gen(function*() {
        const world = yield* ledgerWorld
        const tsa = new FakeAnchor("tsa")
        yield* TestClock.setTime(start)
        yield* openWith(world, { heartbeatEpochMs: 10 * day, anchorLagMs: 2 * hour })
        yield* pass(day, minute).pipe(Effect.provide(anchoring(world, [tsa.anchor], minute), { local: true }))
        assert.isAtLeast(tsa.stamped.length, 15)
        assert.isAtMost(tsa.stamped.length, 17)
        for (const { entry, row } of world.rows.of(origin)) {
          const over = tsa.stamped.find(({ size }) => size > row.leafIndex)
          if (entry.time < start + 21 * hour) assert.isAtMost(over?.time ?? Infinity, entry.time + 2 * hour)
        }
      }),
    60_000
  )

  it.effect("many ledgers: no more stamps a minute than the anchor allows, the longest debt first", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const tsa = new FakeAnchor("tsa", "witness", 2)
      yield* TestClock.setTime(start)
      const many = Array.from({ length: 6 }, (_, index) => {
        const customer = CustomerId.make(`6f1c1e0e-3b1a-4c37-8a55-0d5b7e9a2f1${index}`)
        return { customer, origin: makeOrigin("archive.example.eu", customer) }
      })
      world.rows.ledgers = many
      yield* Effect.gen(function*() {
        yield* pass(10 * minute)
        assert.sameMembers(tsa.stamped.map(({ origin }) => origin), many.map(({ origin }) => origin))
        tsa.failure = { category: "throttled", retryAfterMs: minute }
        // The later in the list, the older its entry.
        for (const { origin } of many.toReversed()) {
          yield* pass(7 * minute)
          world.rows.appendWindow(origin, 0, yield* Clock.currentTimeMillis)
        }
        yield* pass(5 * minute)
        tsa.failure = null
        yield* pass(10 * minute)
      }).pipe(Effect.provide(anchoring(world, [tsa.anchor]), { local: true }))
      const second = tsa.stamped.slice(many.length).map(({ origin }) => origin)
      assert.deepStrictEqual(second, many.map(({ origin }) => origin).toReversed())
      for (const [index, { at }] of tsa.stamped.entries()) {
        assert.isAbove((tsa.stamped[index + 2]?.at ?? Infinity) - at, minute)
      }
    }))

  it.effect(
    "an anchor that keeps another checkpoint of a size is asked again an hour later, and said to equivocate",
    () =>
      Effect.gen(function*() {
        const world = yield* ledgerWorld
        const bucket = new FakeAnchor("bucket", "bucket")
        bucket.failure = { category: "equivocation", retryAfterMs: null }
        yield* TestClock.setTime(start)
        const { lines, logger } = recorder()
        yield* pass(2 * hour, minute).pipe(
          Effect.provide(anchoring(world, [bucket.anchor]), { local: true }),
          Effect.provide(logger)
        )
        assert.isAtLeast(bucket.attempts, 2)
        assert.isAtMost(bucket.attempts, 3)
        assert.strictEqual(lines.filter((line) => line.includes("EQUIVOCATION")).length, bucket.attempts)
      }),
    60_000
  )

  it.effect("an anchor whose certificate is near its end is warned of once a day", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const tsa = new FakeAnchor("tsa")
      yield* TestClock.setTime(start)
      tsa.expires = start + 20 * day
      const { lines, logger } = recorder()
      yield* pass(2.5 * day, hour).pipe(
        Effect.provide(anchoring(world, [tsa.anchor], 10 * minute), { local: true }),
        Effect.provide(logger)
      )
      assert.strictEqual(lines.filter((line) => line.includes("expires at 1970-01-25")).length, 3)
      const gauges = yield* gaugesOf("rainlogs_anchor_certificate_expiry_seconds")
      assert.deepStrictEqual(gauges, [{
        value: (start + 20 * day) / 1000,
        attributes: { anchor: "tsa", type: "witness" }
      }])
    }), 60_000)

  it.effect(
    "a debt is a gauge per ledger, and an alarm once when it passes the lag and once when it is paid",
    () =>
      Effect.gen(function*() {
        const world = yield* ledgerWorld
        const tsa = new FakeAnchor("tsa")
        yield* TestClock.setTime(start)
        const { lines, logger } = recorder()
        const said = (text: string) => lines.filter((line) => line.includes(text)).length
        yield* Effect.gen(function*() {
          const debt = Effect.map(gaugesOf("rainlogs_anchor_debt_seconds"), ([gauge]) => gauge)
          const overdue = Effect.map(gaugesOf("rainlogs_anchor_overdue_ledgers"), ([gauge]) => gauge?.value)
          yield* pass(5 * minute)
          assert.deepStrictEqual(yield* debt, { value: 0, attributes: { origin } })
          tsa.failure = { category: "untrusted", retryAfterMs: null }
          world.rows.appendWindow(origin, 0, start + 6 * minute)
          yield* pass(3 * hour, minute)
          assert.isAbove((yield* debt)?.value ?? 0, 2.5 * 3600)
          assert.strictEqual(yield* overdue, 1)
          assert.strictEqual(said("1 ledgers wait for the anchor tsa longer than their policy allows"), 1)
          assert.strictEqual(said("(untrusted): told to fail"), 1)
          tsa.failure = null
          // The late receipt is preceded by a gap, which is stamped an interval later.
          yield* pass(40 * minute, minute)
          assert.strictEqual((yield* debt)?.value, 0)
          assert.strictEqual(yield* overdue, 0)
          assert.strictEqual(said("no ledger waits for the anchor tsa"), 1)
          assert.strictEqual(said("the anchor tsa gives receipts again"), 1)
        }).pipe(Effect.provide(anchoring(world, [tsa.anchor]), { local: true }), Effect.provide(logger))
      }),
    60_000
  )

  it.effect("without an anchor nothing is anchored, and that is said once", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const { lines, logger } = recorder()
      yield* TestClock.setTime(start)
      yield* Effect.gen(function*() {
        yield* pass(hour, minute)
        assert.deepStrictEqual(yield* (yield* AnchorLoop).status, {
          anchors: [],
          overdueLedgers: 0,
          trustedDebtMs: null
        })
      }).pipe(Effect.provide(anchoring(world, []), { local: true }), Effect.provide(logger))
      assert.strictEqual(lines.filter((line) => line.includes("No anchor is configured")).length, 1)
    }))

  it.effect("while the store is full no more receipts are asked for than a few, and then it goes on", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const tsa = new FakeAnchor("tsa")
      let full = true
      const objects = ObjectStore.of({
        ...world.objects,
        putBytes: (key, bytes) =>
          full && key.includes("/anchor/")
            ? Effect.fail(new StorageError({ operation: "putBytes", key, category: "full", detail: "no space" }))
            : world.objects.putBytes(key, bytes)
      })
      yield* TestClock.setTime(start)
      yield* Effect.gen(function*() {
        yield* pass(hour, minute)
        assert.isAtLeast(tsa.stamped.length, 3)
        assert.isAtMost(tsa.stamped.length, 20)
        assert.deepStrictEqual(anchoredOf(world), [])
        full = false
        yield* pass(10 * minute)
        assert.isAtLeast(anchoredOf(world).length, 1)
      }).pipe(Effect.provide(anchoring(world, [tsa.anchor], 30_000, objects), { local: true }))
    }))

  it.effect("two processes at once leave one receipt and one event for a checkpoint", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const tsa = new FakeAnchor("tsa")
      // Both ask before either has kept its receipt.
      tsa.takesMs = 5_000
      yield* TestClock.setTime(start)
      const process = pass(3 * hour, minute).pipe(
        Effect.provide(anchoring(world, [tsa.anchor]), { local: true })
      )
      yield* Effect.all([process, process], { concurrency: 2 })
      const anchored = anchoredOf(world)
      assert.isAbove(tsa.stamped.length, anchored.length)
      assert.isAtLeast(anchored.length, 3)
      assert.strictEqual(new Set(anchored.map(({ size }) => size)).size, anchored.length)
      for (const one of anchored) {
        assert.strictEqual(one.receipt, Hex.encode(sha256(world.file(receiptPath(one))!)))
      }
      const { findings } = yield* world.report
      assert.deepStrictEqual(findings.filter(({ severity }) => severity === "fail"), [])
    }), 60_000)
})
