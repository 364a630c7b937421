import { assert, describe, it } from "@effect/vitest"
import { decode } from "@rainlogs/verify/Ascii"
import { parseGap } from "@rainlogs/verify/Gap"
import { parseHeartbeat } from "@rainlogs/verify/Heartbeat"
import { eventPath } from "@rainlogs/verify/Layout"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { ZoneId } from "../../src/domain/Identifier.ts"
import { eventJobIdOf } from "../../src/domain/LogJob.ts"
import { nextStep } from "../../src/ledger/HeartbeatSchedule.ts"
import * as LedgerEventsModule from "../../src/ledger/LedgerEvents.ts"
import { LedgerEvents } from "../../src/ledger/LedgerEvents.ts"
import { Publisher } from "../../src/ledger/Publisher.ts"
import { type LedgerWorld, ledgerWorld } from "./LedgerWorld.ts"
import { ledger } from "./MemoryLedger.ts"

const { origin } = ledger
const hour = 3_600_000
const minute = 60_000
// An exact border of epochs.
const start = 490_896 * hour
const first = 490_896

const openAt = (time: number) =>
  Effect.andThen(TestClock.setTime(time), LedgerEvents.use((events) => events.open(ledger)))
const beatAt = (time: number) => LedgerEvents.use((events) => events.heartbeats(ledger, time))
const publish = Publisher.use((publisher) => publisher.publish(ledger))

const written = (world: LedgerWorld): Array<string> =>
  world.rows.of(origin).flatMap(({ entry }) => {
    const text = () => decode(world.file(eventPath(entry.object))!)
    if (entry.kind === "heartbeat") return [`heartbeat ${parseHeartbeat(text()).epoch - first}`]
    if (entry.kind !== "gap") return []
    const gap = parseGap(text())
    return [`gap ${gap.from / hour - first} ${gap.to / hour - first}`]
  })

const verified = (world: LedgerWorld) =>
  Effect.gen(function*() {
    const outcome = yield* world.run(publish)
    assert.notStrictEqual(outcome.outcome, "halted")
    const { findings, verdict } = yield* world.report
    const codes = findings.filter(({ severity }) => severity !== "inconclusive").map(({ code }) => code)
    assert.strictEqual(verdict.integrity, "PASS", JSON.stringify(findings))
    return codes
  })

describe("which heartbeat is due", () => {
  const rules = { epochMs: hour, toleranceMs: 10 * minute }
  it("none before the epoch's end, the epoch's own within its tolerance, a gap after it", () => {
    assert.deepStrictEqual(nextStep(9, 11 * hour - 1, rules), { step: "none" })
    assert.deepStrictEqual(nextStep(9, 11 * hour, rules), { step: "heartbeat", epoch: 10 })
    assert.deepStrictEqual(nextStep(9, 11 * hour + 10 * minute, rules), { step: "heartbeat", epoch: 10 })
    assert.deepStrictEqual(nextStep(9, 11 * hour + 10 * minute + 1, rules), { step: "gap", first: 10, last: 10 })
    assert.deepStrictEqual(nextStep(9, 12 * hour, rules), { step: "gap", first: 10, last: 10 })
    assert.deepStrictEqual(nextStep(10, 12 * hour, rules), { step: "heartbeat", epoch: 11 })
    assert.deepStrictEqual(nextStep(10, 5 * hour, rules), { step: "none" })
  })
})

describe("heartbeats", () => {
  it.effect("three hours give three, with the state of every chain, and the verifier agrees", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const zones = ["ffffffff-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000000"].map((id) =>
        ZoneId.make(id)
      )
      yield* world.run(Effect.gen(function*() {
        yield* openAt(start + 5 * minute)
        for (let at = start + 5 * minute; at <= start + 3 * hour + minute; at += minute) {
          if (at % (20 * minute) === 0) {
            for (const zone of zones) world.rows.appendWindow(origin, at / minute, at, zone)
          }
          yield* beatAt(at)
          if (at % (30 * minute) === 0) yield* publish
        }
      }))
      assert.deepStrictEqual(written(world), ["heartbeat 0", "heartbeat 1", "heartbeat 2"])
      const last = world.rows.of(origin).findLast(({ entry }) => entry.kind === "heartbeat")!
      const { heads } = parseHeartbeat(decode(world.file(eventPath(last.entry.object))!))
      assert.deepStrictEqual(heads.map(({ chain }) => chain), [zones[1], "control", zones[0]])
      assert.strictEqual(last.entry.time, start + 3 * hour)
      const codes = yield* verified(world)
      assert.deepStrictEqual(codes.filter((code) => code.startsWith("HEARTBEAT")), [])
    }))

  it.effect("a two-day outage is one gap and the heartbeat that is still in time", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      yield* world.run(Effect.gen(function*() {
        yield* openAt(start)
        assert.isTrue(yield* beatAt(start + hour))
      }))
      yield* world.run(beatAt(start + 50 * hour + 9 * minute))
      assert.deepStrictEqual(written(world), ["heartbeat 0", "gap 1 49", "heartbeat 49"])
      yield* world.run(beatAt(start + 51 * hour))
      assert.deepStrictEqual(written(world).slice(3), ["heartbeat 50"])
      const codes = yield* verified(world)
      assert.deepStrictEqual(codes.filter((code) => code.startsWith("HEARTBEAT")), ["HEARTBEAT_EXCUSED"])
    }))

  it.effect("an outage that ends past the tolerance is one gap up to the last ended epoch", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      yield* world.run(Effect.andThen(openAt(start), beatAt(start + 50 * hour + 10 * minute + 1)))
      assert.deepStrictEqual(written(world), ["gap 0 50"])
      // A new process finds the gap and does not excuse the same epochs twice.
      yield* world.run(beatAt(start + 50 * hour + 30 * minute))
      assert.deepStrictEqual(written(world), ["gap 0 50"])
      yield* world.run(beatAt(start + 51 * hour))
      assert.deepStrictEqual(written(world), ["gap 0 50", "heartbeat 50"])
      const codes = yield* verified(world)
      assert.deepStrictEqual(codes.filter((code) => code.startsWith("HEARTBEAT")), ["HEARTBEAT_EXCUSED"])
    }))

  it.effect("a second outage right after the first is excused from where the first excuse ends", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      yield* world.run(Effect.andThen(openAt(start), beatAt(start + 10 * hour + 30 * minute)))
      yield* world.run(beatAt(start + 20 * hour + 30 * minute))
      yield* world.run(beatAt(start + 21 * hour))
      assert.deepStrictEqual(written(world), ["gap 0 10", "gap 10 20", "heartbeat 20"])
      const codes = yield* verified(world)
      assert.notInclude(codes, "HEARTBEAT_GAP")
    }))

  it.effect("at the exact borders: not a moment before the end, still at end + tolerance, not after", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      yield* world.run(Effect.gen(function*() {
        yield* openAt(start + hour - 1)
        assert.isFalse(yield* beatAt(start + hour - 1))
        assert.isTrue(yield* beatAt(start + hour))
        assert.isFalse(yield* beatAt(start + hour))
        assert.isFalse(yield* beatAt(start + 2 * hour - 1))
        assert.isTrue(yield* beatAt(start + 2 * hour + 10 * minute))
        assert.isTrue(yield* beatAt(start + 3 * hour + 10 * minute + 1))
      }))
      assert.deepStrictEqual(written(world), ["heartbeat 0", "heartbeat 1", "gap 2 3"])
      const codes = yield* verified(world)
      assert.deepStrictEqual(codes.filter((code) => code.startsWith("HEARTBEAT")), ["HEARTBEAT_EXCUSED"])
    }))

  it.effect("a gap of a zone or of another source does not pass for an excuse of heartbeats", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const chains = ["ffffffff-0000-4000-8000-000000000000", "control"]
      yield* world.run(Effect.gen(function*() {
        yield* openAt(start)
        const events = yield* LedgerEvents
        const facts = {
          source: "cloudflare/logpull/http_requests",
          from: start,
          to: start + 100 * hour,
          detected: start
        }
        for (const chain of chains) {
          const document = yield* events.gap(ledger, { ...facts, chain, reason: "expired", detail: null })
          const job = eventJobIdOf(origin, document.sha256)
          world.rows.append(origin, { kind: "gap", chain: "control", job, document }, start)
        }
        yield* beatAt(start + hour)
      }))
      assert.deepStrictEqual(written(world), ["gap 0 100", "gap 0 100", "heartbeat 0"])
    }))

  it.effect("nothing before the ledger is open", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      assert.isFalse(yield* world.run(beatAt(start)))
      assert.lengthOf(world.rows.of(origin), 0)
    }))

  it.effect("several processes at once write each one once", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const process = yield* Layer.build(Layer.provideMerge(world.services(), world.signer))
      const others = yield* Effect.forEach([1, 2, 3], () =>
        Layer.build(Layer.fresh(LedgerEventsModule.layer)).pipe(Effect.provide(process)))
      yield* Effect.provide(openAt(start), process)
      for (const now of [hour, 5 * hour, 6 * hour, 9 * hour + 30 * minute]) {
        yield* Effect.forEach([process, ...others], (each) =>
          Effect.provide(beatAt(start + now), each), {
          concurrency: "unbounded"
        })
      }
      assert.deepStrictEqual(written(world), ["heartbeat 0", "gap 1 4", "heartbeat 4", "heartbeat 5", "gap 6 9"])
    }))

  for (const moment of ["before", "after"] as const) {
    it.effect(`dying ${moment} any step after an outage and starting again excuses each epoch once`, () =>
      Effect.gen(function*() {
        const journey = (now: number) => Effect.andThen(openAt(start), beatAt(now))
        const whole = yield* ledgerWorld
        yield* whole.run(journey(start + 5 * hour))
        assert.deepStrictEqual(written(whole), ["gap 0 4", "heartbeat 4"])
        const { steps } = whole.faults
        for (let step = 1; step <= steps.length; step++) {
          const world = yield* ledgerWorld
          world.faults.restart({ step, moment })
          yield* Effect.exit(world.run(journey(start + 5 * hour)))
          assert.isTrue(world.faults.dead)
          world.faults.restart()
          // Hours later the missed epochs are others than the ones the dead process saw.
          yield* world.run(journey(start + 8 * hour + minute))
          const covered = written(world).flatMap((line) => {
            const [kind, from = "", to = ""] = line.split(" ")
            if (kind === "heartbeat") return [Number(from)]
            return Array.from({ length: Number(to) - Number(from) }, (_, i) => Number(from) + i)
          })
          assert.deepStrictEqual(
            covered,
            [0, 1, 2, 3, 4, 5, 6, 7],
            `${moment} ${steps[step - 1]}: ${written(world).join()}`
          )
        }
      }))
  }
})
