import { assert, describe, it } from "vitest"
import { ArchiveBuilder, firstEpoch, hour, hourOfWindows, minute, start } from "../ArchiveBuilder.ts"
import { entryAt, expectCodes, notices, republished } from "../Verification.ts"

describe("coverage", () => {
  const base = () => new ArchiveBuilder().begin()
  const windowAt = (builder: ArchiveBuilder, from: number, to: number, horizon: number | null = 7 * 24 * hour) =>
    builder.window({ from: start + from * minute, to: start + to * minute, lines: null, horizon })

  it("a hole is pending while the source can be read again, a gap afterwards", async () => {
    const short = windowAt(windowAt(base(), 0, 10, 30 * minute), 20, 30, 30 * minute).publish()
    await expectCodes(short.files, ["COVERAGE_PENDING"], 2)
    // Pending until the hole's end (20) + horizon (30) + one hour: minute 110.
    const close = (at: number) => {
      const builder = windowAt(windowAt(base(), 0, 10, 30 * minute), 20, 30, 30 * minute).heartbeat(firstEpoch)
      const end = { from: start + 30 * minute, to: start + 40 * minute, lines: null, horizon: 30 * minute }
      return builder.window({ ...end, time: start + at * minute }).publish()
    }
    await expectCodes(close(109).files, ["COVERAGE_PENDING"], 2)
    await expectCodes(close(110).files, ["COVERAGE_GAP"], 1)
  })

  it("the largest horizon of the source counts; without one a hole is a gap at once", async () => {
    const mixed = windowAt(windowAt(base(), 0, 10, null), 20, 30).publish()
    await expectCodes(mixed.files, ["COVERAGE_PENDING"], 2)
    const none = windowAt(windowAt(base(), 0, 10, null), 20, 30, null).publish()
    await expectCodes(none.files, ["COVERAGE_GAP"], 1)
  })

  it("a hole between gaps alone is pending: no window says how long the source can be read", async () => {
    const declare = (builder: ArchiveBuilder, from: number, to: number) =>
      builder.gap({ from: start + from * minute, to: start + to * minute }, start + hour / 2)
    const gaps = declare(declare(base(), 0, 10), 20, 30).publish()
    await expectCodes(gaps.files, ["COVERAGE_PENDING"], 2)
    await expectCodes(
      windowAt(declare(declare(base(), 0, 10), 20, 30), 30, 40, null).publish().files,
      ["COVERAGE_GAP"],
      1
    )
  })

  it("overlapping windows and gaps are WINDOW_OVERLAP, in any order", async () => {
    await expectCodes(windowAt(windowAt(base(), 0, 10), 9, 20).publish().files, ["WINDOW_OVERLAP"], 1)
    await expectCodes(windowAt(windowAt(base(), 10, 20), 0, 11).publish().files, ["WINDOW_OVERLAP"], 1)
    await expectCodes(windowAt(windowAt(base(), 0, 10), 0, 10).publish().files, ["WINDOW_OVERLAP"], 1)
    const gap = windowAt(base(), 0, 10).gap({ from: start + 5 * minute, to: start + hour / 2 }, start + hour / 2)
      .publish()
    await expectCodes(gap.files, ["WINDOW_OVERLAP"], 1)
  })

  it("windows may arrive in any order, newest first or around a gap", async () => {
    const order = [[40, 50], [10, 20], [50, 60], [0, 10], [30, 40]] as const
    const builder = order.reduce((built, [from, to]) => windowAt(built, from, to), base())
    builder.gap({ from: start + 20 * minute, to: start + 30 * minute, reason: "expired" }, start + 55 * minute)
    const report = await expectCodes(builder.publish().files, [], 0)
    assert.deepStrictEqual(notices(report), ["GAP_DECLARED"])
    assert.deepStrictEqual(report.coverage.map(({ from, to, windows }) => [from, to, windows]), [
      [start, start + hour, 5]
    ])
  })

  it("a sampled window is noticed", async () => {
    const builder = hourOfWindows(base(), start)
    const index = builder.entries.findIndex((entry) => entry.kind === "object")
    const entry = entryAt(builder, index)
    if (entry.kind === "object") builder.entries[index] = { ...entry, fidelity: "sampled" }
    const report = await expectCodes(republished(builder), [], 0)
    assert.deepStrictEqual(notices(report), ["FIDELITY_LIMITED"])
  })

  it("a ledger without any window proves nothing about completeness", async () => {
    await expectCodes(base().publish().files, ["NOTHING_VERIFIED"], 2)
  })
})
