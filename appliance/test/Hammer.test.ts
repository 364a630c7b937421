import { assert, it } from "@effect/vitest"
import { run } from "../torture/hammer/HammerRun.ts"
import { moments, publisherSteps, writerSteps } from "../torture/hammer/Steps.ts"

it(
  "three workers and a publisher, killed at every step on a store that fails: one ledger, nothing lost, no fork",
  async () => {
    const result = await run({
      processes: 3,
      appends: 60,
      seed: 7,
      faultProbability: 0.05,
      rounds: 0.5,
      log: (text) => process.stderr.write(`${text}\n`)
    })
    process.stderr.write(`${JSON.stringify(result)}\n`)
    assert.deepStrictEqual(result.broken, [])
    assert.strictEqual(result.objectEntries, 180)
    assert.isAtMost(result.acknowledged, 180)
    // A kill after the commit is the only way in which an append is not acknowledged.
    assert.isAtLeast(result.acknowledged, 180 - result.kills)
    for (const step of publisherSteps) {
      for (const moment of moments) assert.property(result.killed, `${step} ${moment}`)
    }
    for (const step of writerSteps) {
      assert.isTrue(moments.some((moment) => `${step} ${moment}` in result.killed), `nobody died at ${step}`)
    }
    assert.isAbove(result.checkpointsServed, 10)
    assert.isAbove(Object.values(result.faults).reduce((sum, count) => sum + count, 0), 10, "the faults were on")
  },
  300_000
)
