import { assert, it } from "@effect/vitest"
import { run } from "../torture/OutageRun.ts"

const day = 86_400_000

it("an outage of eight days archives everything within seven days and declares the rest as one gap", async () => {
  const { after, before, caughtUpAt, outageFrom, outageTo, report, stoppedAt } = await run({ seed: 7, speed: 60 })

  assert.deepStrictEqual([...before.different, ...before.untiled], [])
  assert.strictEqual(before.gaps, 0)

  assert.deepStrictEqual([...after.different, ...after.untiled], [], "every archived window equals the truth")
  assert.strictEqual(after.gaps, 1)
  const gaps = report.coverage.flatMap((source) => source.gaps)
  assert.strictEqual(gaps.length, 1)
  const [gap] = gaps
  assert.strictEqual(gap!.reason, "expired")
  // It begins where the archive stood when the first appliance ended, and ends at what Cloudflare still had when the
  // second one asked: bounds by the clock of the run, for a slow machine archives further in both halves.
  assert.isAtLeast(gap!.from, outageFrom)
  assert.isAtMost(gap!.from, stoppedAt)
  assert.isAtLeast(gap!.to, outageTo - 7 * day)
  assert.isAtMost(gap!.to, caughtUpAt - 7 * day + 20 * 60_000)

  assert.strictEqual(report.verdict.integrity, "PASS")
  assert.strictEqual(report.verdict.completeness, "PASS")
  const declared = report.findings.filter(({ code }) => code === "GAP_DECLARED")
  assert.strictEqual(declared.length, 1, JSON.stringify(report.findings))
}, 300_000)
