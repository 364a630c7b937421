import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { LedgerEvents } from "../../src/ledger/LedgerEvents.ts"
import { Publisher } from "../../src/ledger/Publisher.ts"
import { type LedgerWorld, ledgerWorld } from "./LedgerWorld.ts"
import { ledger } from "./MemoryLedger.ts"

const { origin } = ledger
const publish = Publisher.use((publisher) => publisher.publish(ledger))
const grow = (world: LedgerWorld, to: number): void => {
  for (let index = world.rows.of(origin).length; index < to; index++) world.rows.appendWindow(origin, index, 0)
}

// Publishes twice: up to 250 and up to 270 entries, with a full tile on the way.
const journey = (world: LedgerWorld) =>
  Effect.gen(function*() {
    const events = yield* LedgerEvents
    yield* events.open(ledger)
    grow(world, 250)
    yield* publish
    grow(world, 270)
    return yield* publish
  })

// Not `checkpoint.d/`: a size at which a process died before signing is not signed by the next one.
const treeOf = (world: LedgerWorld) => new Map([...world.files].filter(([key]) => !key.includes("/checkpoint")).sort())

describe("killed at any step, then started again", () => {
  for (const moment of ["before", "after"] as const) {
    it.effect(`dying ${moment} each step leaves the same archive in the end`, () =>
      Effect.gen(function*() {
        const whole = yield* ledgerWorld
        yield* whole.run(journey(whole))
        const steps = whole.faults.steps
        assert.isAbove(steps.length, 30)
        for (let step = 1; step <= steps.length; step++) {
          const what = `${moment} step ${step}: ${steps[step - 1]}`
          const world = yield* ledgerWorld
          world.faults.restart({ step, moment })
          yield* Effect.exit(world.run(journey(world)))
          assert.isTrue(world.faults.dead, what)
          // What it left can be verified as it is: nothing served is missing its tiles or its archived checkpoint.
          const left = yield* world.report
          assert.notStrictEqual(left.verdict.integrity, "FAIL", `${what}: ${JSON.stringify(left.findings)}`)
          world.rows.publishing = false
          world.faults.restart()
          const last = yield* world.run(journey(world))
          assert.strictEqual(
            last.outcome === "halted" ? last.reason : last.outcome === "busy" ? "busy" : last.size,
            270,
            what
          )
          const partial = (tree: Map<string, Uint8Array>) => [...tree.keys()].filter((key) => !key.includes(".p/"))
          assert.deepStrictEqual(partial(treeOf(world)), partial(treeOf(whole)), what)
          for (const [key, bytes] of treeOf(whole)) {
            assert.deepStrictEqual(world.files.get(key) ?? bytes, bytes, `${what}: ${key}`)
          }
          assert.deepStrictEqual(world.file("checkpoint"), whole.file("checkpoint"), what)
          assert.includeMembers(world.paths("checkpoint.d/"), ["checkpoint.d/00000000000000000270"], what)
          const { findings, verdict } = yield* world.report
          assert.strictEqual(verdict.integrity, "PASS", `${what}: ${JSON.stringify(findings)}`)
        }
      }), 300_000)
  }

  it.effect("a size that was signed when the process died is archived and served by the next one", () =>
    Effect.gen(function*() {
      const whole = yield* ledgerWorld
      yield* whole.run(journey(whole), whole.signerLocal)
      const sign = whole.faults.steps.indexOf("sign") + 1
      const world = yield* ledgerWorld
      world.faults.restart({ step: sign, moment: "after" })
      yield* Effect.exit(world.run(journey(world), world.signerLocal))
      assert.deepStrictEqual(world.paths("checkpoint"), [])
      world.rows.publishing = false
      world.faults.restart()
      yield* world.run(journey(world), world.signerLocal)
      assert.deepStrictEqual(world.paths("checkpoint"), whole.paths("checkpoint"))
      for (const path of whole.paths("checkpoint")) assert.deepStrictEqual(world.file(path), whole.file(path), path)
    }))
})
