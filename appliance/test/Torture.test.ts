import { assert, describe, it } from "@effect/vitest"
import { run } from "../torture/TortureRun.ts"

describe("with every fault on, three workers and kill -9 at random moments", () => {
  // More seeds: npm run torture.
  const seed = 11
  it(`seed ${seed}: no line is lost, none is there twice, the ledger is unforked`, async () => {
    const result = await run({
      seed,
      kills: 8,
      hours: 26,
      speed: 30,
      recordsPerSecond: 0.5,
      faultProbability: 0.25,
      workers: 3,
      windowMs: 1_200_000,
      log: (text) => process.stderr.write(`${text}\n`)
    })
    process.stderr.write(`${JSON.stringify(result)}\n`)
    assert.deepStrictEqual(result.different, [])
    assert.deepStrictEqual(result.untiled, [])
    assert.strictEqual(result.gaps, 0)
    assert.isAtLeast(result.windows, 70)
    assert.isAbove(result.lines, 30_000)
    assert.isAbove(Object.values(result.faults).reduce((sum, count) => sum + count, 0), 5, "the faults were on")
    assert.strictEqual(result.integrity, "PASS", result.findings.join("\n"))
    assert.strictEqual(result.completeness, "PASS", result.findings.join("\n"))
  }, 300_000)
})
