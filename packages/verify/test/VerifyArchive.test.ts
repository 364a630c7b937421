import { assert, describe, it } from "vitest"
import { encode as ascii } from "../src/Ascii.ts"
import { ledgerPrefix } from "../src/Layout.ts"
import { exitCode } from "../src/Report.ts"
import { tilePath } from "../src/Tile.ts"
import {
  ArchiveBuilder,
  firstEpoch,
  hour,
  hourOfWindows,
  largeArchive,
  minute,
  origin,
  smallArchive,
  source,
  start,
  zone
} from "./ArchiveBuilder.ts"
import { both, contested, expectCodes, key, notices, verify, without } from "./Verification.ts"

describe("a valid archive", () => {
  it("passes, and says that nothing anchors it", async () => {
    const report = await verify(smallArchive().files)
    assert.deepStrictEqual(contested(report), [])
    assert.deepStrictEqual(report.verdict, {
      integrity: "PASS",
      completeness: "PASS",
      anchoring: "INCONCLUSIVE",
      erasures: "PASS"
    })
    assert.deepStrictEqual([exitCode(report, both), exitCode(report), exitCode(report, [])], [0, 2, 2])
    assert.deepStrictEqual(notices(report), ["GAP_DECLARED"])
    const open = report.findings.filter(({ severity }) => severity === "inconclusive").map(({ code }) => code)
    assert.deepStrictEqual(open, ["NO_ANCHOR"])
    assert.deepStrictEqual(report.coverage, [{
      chain: zone,
      source,
      from: start,
      to: start + 3 * hour,
      windows: 12,
      empty: 2,
      records: 20,
      bytes: 1440,
      gaps: [{ from: start + hour, to: start + 2 * hour, reason: "outage", detail: "host restarted" }]
    }])
    assert.deepStrictEqual([report.size, report.counts.heartbeats, report.counts.objects], [18, 3, 10])
    assert.deepStrictEqual([report.headTime, report.clockTime], [
      start + 3 * hour + 5 * minute,
      start + 3 * hour + 2000
    ])
  })

  it("passes with full tiles and two levels, and when superseded partial tiles were cleaned up", async () => {
    const { files } = largeArchive(6)
    assert.isTrue(files.has(key(tilePath(0, 0))) && files.has(key(tilePath(1, 0, 1))))
    const report = await expectCodes(files, [], 0)
    assert.deepStrictEqual([report.size, report.counts.tiles], [368, 8])
    const stale = [...files.keys()].filter((name) => name.includes("/000.p/") && !name.includes("tile/1/"))
    assert.isAbove(stale.length, 4)
    await expectCodes(without(files, ...stale), [], 0)
  })

  it("counts several chains and sources on their own", async () => {
    const builder = hourOfWindows(new ArchiveBuilder().begin(), start)
    const other = "0d2a6c1e-58a7-4f2f-9b0e-6d7f4c8b1a23"
    builder.window({ chain: other, from: start, to: start + hour, lines: "{}\n" })
    builder.window({ source: "cloudflare/security-events", from: start, to: start + hour, lines: null })
    const report = await expectCodes(builder.heartbeat(firstEpoch).publish().files, [], 0)
    assert.deepStrictEqual(report.coverage.map(({ chain, source }) => [chain, source]), [
      [other, source],
      [zone, source],
      [zone, "cloudflare/security-events"]
    ])
  })
})

it("keeps the ledger of every tenant apart in one archive", async () => {
  const tenant = origin.replace("6f1c", "7a2d")
  const files = smallArchive().files
  const prefix = ledgerPrefix(tenant)
  assert.notStrictEqual(prefix, ledgerPrefix(origin))
  const both2 = new Map([...files, [`${prefix}/checkpoint`, ascii("another tenant's\n")] as const])
  await expectCodes(both2, [], 0)
})
