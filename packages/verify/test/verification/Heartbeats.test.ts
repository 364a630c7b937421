import { assert, describe, it } from "vitest"
import { heartbeatSource } from "../../src/Gap.ts"
import { ArchiveBuilder, firstEpoch, hour, hourOfWindows, minute, start, zone } from "../ArchiveBuilder.ts"
import { contested, expectCodes, notices } from "../Verification.ts"

describe("heartbeats", () => {
  const dueAt = (at: number, ...epochs: ReadonlyArray<number>) => {
    const builder = hourOfWindows(new ArchiveBuilder().begin(), start)
    for (const epoch of epochs) builder.heartbeat(firstEpoch + epoch)
    return builder.window({ from: start + hour, to: start + hour + minute, lines: null, time: start + at }).publish()
  }

  it("the next one is missing only after its epoch and the tolerance", async () => {
    await expectCodes(dueAt(hour + 10 * minute).files, [], 0)
    await expectCodes(dueAt(hour + 10 * minute + 1).files, ["HEARTBEAT_GAP"], 1)
    await expectCodes(dueAt(2 * hour + 10 * minute, 0).files, [], 0)
    await expectCodes(dueAt(2 * hour + 10 * minute + 1, 0).files, ["HEARTBEAT_GAP"], 1)
  })

  it("a missing epoch is HEARTBEAT_GAP, a repeated one is out of order", async () => {
    const report = await expectCodes(dueAt(3 * hour, 0, 2).files, ["HEARTBEAT_GAP"], 1)
    assert.match(contested(report)[0]?.detail ?? "", new RegExp(`epoch ${firstEpoch + 1} is missing`))
    await expectCodes(dueAt(2 * hour, 0, 0).files, ["HEARTBEAT_OUT_OF_ORDER"], 1)
    await expectCodes(dueAt(3 * hour, 1).files, ["HEARTBEAT_GAP"], 1)
  })

  it("a declared gap excuses exactly the epochs it covers", async () => {
    const outage = (from: number, to: number) => {
      const builder = hourOfWindows(new ArchiveBuilder().begin(), start).heartbeat(firstEpoch)
      const gap = { chain: "control", source: heartbeatSource, from: start + from * hour, to: start + to * hour }
      builder.gap(gap, start + 4 * hour)
      return builder.heartbeat(firstEpoch + 4, { time: start + 5 * hour + 1000 }).publish()
    }
    const report = await expectCodes(outage(1, 4).files, [], 0)
    assert.deepStrictEqual(notices(report), ["HEARTBEAT_EXCUSED"])
    assert.lengthOf(report.coverage, 1)
    const partly = await expectCodes(outage(2, 3).files, ["HEARTBEAT_GAP"], 1)
    assert.lengthOf(contested(partly), 2)
    await expectCodes(outage(1, 3.5).files, ["HEARTBEAT_GAP"], 1)
  })

  it("a wrong tree size or head is HEARTBEAT_HEAD_MISMATCH", async () => {
    const beat = (change: Parameters<ArchiveBuilder["heartbeat"]>[1]) =>
      hourOfWindows(new ArchiveBuilder().begin(), start).heartbeat(firstEpoch, change).publish().files
    await expectCodes(beat({}), [], 0)
    await expectCodes(beat({ treeSize: 7 }), ["HEARTBEAT_HEAD_MISMATCH"], 1)
    await expectCodes(beat({ heads: [] }), ["HEARTBEAT_HEAD_MISMATCH"], 1)
    const wrong = [{ chain: zone, nextSeq: 6, hash: "11".repeat(32) }]
    await expectCodes(beat({ heads: wrong }), ["HEARTBEAT_HEAD_MISMATCH"], 1)
  })

  it("one written long before its epoch ended is HEARTBEAT_EARLY, one written late is noticed", async () => {
    const at = (time: number) =>
      hourOfWindows(new ArchiveBuilder().begin(), start).heartbeat(firstEpoch, { time: start + time }).publish().files
    await expectCodes(at(50 * minute), [], 0)
    await expectCodes(at(50 * minute - 1), ["HEARTBEAT_EARLY"], 1)
    const late = await expectCodes(at(hour + 11 * minute), [], 0)
    assert.deepStrictEqual(notices(late), ["HEARTBEAT_LATE"])
  })

  it("the policy's epoch and tolerance hold", async () => {
    const builder = hourOfWindows(
      new ArchiveBuilder().begin(start, { heartbeat: { epoch: 2 * hour, tolerance: 0 } }),
      start
    )
    await expectCodes(builder.publish().files, [], 0)
    const epoch = Math.floor(start / (2 * hour))
    builder.heartbeat(epoch, { time: start + 2 * hour }).publish()
    await expectCodes(builder.files, [], 0)
  })
})
