import { assert, describe, it } from "@effect/vitest"
import { parseReceiptPath, receiptPath } from "@rainlogs/verify/Anchored"
import { anchorSource } from "@rainlogs/verify/Gap"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { ledgerKey } from "@rainlogs/verify/Layout"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { type LedgerWorld, ledgerWorld } from "../ledger/LedgerWorld.ts"
import { ledger } from "../ledger/MemoryLedger.ts"
import { anchoredOf, anchoring, gapsOf, hour, minute, pass } from "./AnchorWorld.ts"
import { FakeAnchor } from "./FakeAnchor.ts"

const start = 100 * hour

// A ledger that was never anchored for longer than its lag, and then is: gap, receipt and event.
const prepared = Effect.gen(function*() {
  const world = yield* ledgerWorld
  yield* TestClock.setTime(start)
  yield* pass(minute).pipe(Effect.provide(anchoring(world, []), { local: true }))
  yield* TestClock.setTime(start + 2 * hour + 10 * minute)
  return { world, tsa: new FakeAnchor("tsa") }
})

const run = (world: LedgerWorld, tsa: FakeAnchor) => {
  const anchor = {
    ...tsa.anchor,
    stamp: (request: Parameters<typeof tsa.anchor.stamp>[0]) => world.faults.hook("stamp", tsa.anchor.stamp(request))
  }
  return pass(3 * minute).pipe(Effect.provide(anchoring(world, [anchor]), { local: true }))
}

describe("an anchoring process killed at any step, then started again", () => {
  for (const moment of ["before", "after"] as const) {
    it.effect(`dying ${moment} each step leaves every receipt chained once`, () =>
      Effect.gen(function*() {
        const whole = yield* prepared
        whole.world.faults.restart()
        yield* run(whole.world, whole.tsa)
        const steps = whole.world.faults.steps
        assert.strictEqual(anchoredOf(whole.world).length, 1)
        assert.include(steps, "stamp")
        // What came before is the publisher's, and killed in its own tests.
        const first = steps.indexOf("stamp") - 3
        const last = steps.lastIndexOf("sql append") + 2
        assert.isAtLeast(last - first, 8)
        for (let step = first; step <= last; step++) {
          const what = `${moment} step ${step}: ${steps[step - 1]}`
          const { tsa, world } = yield* prepared
          world.faults.restart({ step, moment })
          yield* Effect.exit(run(world, tsa))
          assert.isTrue(world.faults.dead, what)
          const left = yield* world.report
          assert.notStrictEqual(left.verdict.integrity, "FAIL", `${what}: ${JSON.stringify(left.findings)}`)
          world.rows.publishing = false
          world.faults.restart()
          yield* run(world, tsa)

          const anchored = anchoredOf(world)
          const receipts = world.paths("anchor/").map((path) => ({ path, size: parseReceiptPath(path)?.size }))
          assert.isAtLeast(anchored.length, 1, what)
          assert.sameMembers(anchored.map(receiptPath), receipts.map(({ path }) => path), what)
          assert.strictEqual(new Set(anchored.map(({ size }) => size)).size, anchored.length, what)
          for (const one of anchored) {
            assert.strictEqual(one.receipt, Hex.encode(sha256(world.file(receiptPath(one))!)), what)
          }
          const gaps = gapsOf(world).filter(({ source }) => source === anchorSource)
          assert.deepStrictEqual(
            gaps.map(({ from, to }) => ({ from, to })),
            [{ from: start, to: anchored[0]!.time }],
            what
          )
          const { findings, verdict } = yield* world.report
          assert.strictEqual(verdict.integrity, "PASS", `${what}: ${JSON.stringify(findings)}`)
          assert.strictEqual(world.rows.of(ledger.origin)[0]?.entry.time, start, what)
        }
      }), 120_000)
  }

  it.effect("a receipt kept by a process that died is chained, though the ledger has grown since", () =>
    Effect.gen(function*() {
      const whole = yield* prepared
      whole.world.faults.restart()
      yield* run(whole.world, whole.tsa)
      const put = whole.world.faults.steps.findIndex((step) => step.startsWith("put ") && step.includes("/anchor/"))
      const { tsa, world } = yield* prepared
      world.faults.restart({ step: put + 1, moment: "after" })
      yield* Effect.exit(run(world, tsa))
      assert.deepStrictEqual(anchoredOf(world), [])
      const [orphan] = world.paths("anchor/")
      for (let index = 0; index < 20; index++) world.rows.appendWindow(ledger.origin, index, start + 3 * hour)
      world.rows.publishing = false
      world.faults.restart()
      yield* pass(minute).pipe(Effect.provide(anchoring(world, []), { local: true }))
      yield* run(world, tsa)
      assert.strictEqual(orphan, receiptPath(anchoredOf(world)[0]!))
    }))

  it.effect("a stored receipt that is none is left out, those after it are chained, and the ledger is anchored on", () =>
    Effect.gen(function*() {
      const { tsa, world } = yield* prepared
      const put = (path: string, text: string) =>
        world.files.set(ledgerKey(ledger.origin, path), new TextEncoder().encode(text))
      put("anchor/1/tsa.cosig", "no checkpoint is archived for this size")
      put("anchor/2/tsa.cosig", "garbage")
      world.rows.appendWindow(ledger.origin, 0, start + 2 * hour)
      world.faults.restart()
      yield* pass(minute).pipe(Effect.provide(anchoring(world, []), { local: true }))
      yield* run(world, tsa)
      assert.deepStrictEqual(anchoredOf(world).map(({ size }) => size), [world.rows.of(ledger.origin).length - 2])
    }))
})
