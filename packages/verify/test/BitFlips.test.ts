/**
 * One flipped bit anywhere in an archive is found. By default one bit of every byte of every file, chosen by seed;
 * `RAINLOGS_ALL_BITS=1` flips all eight, which takes eight times as long.
 */
import { assert, describe, it } from "vitest"
import { verify as verifySignature } from "../src/node/NativeEd25519.ts"
import { exitCode, type Report } from "../src/Report.ts"
import { verifyArchive } from "../src/VerifyArchive.ts"
import { ArchiveBuilder, firstEpoch, hour, log, start } from "./ArchiveBuilder.ts"
import { type ArchiveFiles, memoryReader } from "./MemoryReader.ts"

const seed = Number(process.env["RAINLOGS_SEED"] ?? 20_260_101)
const allBits = process.env["RAINLOGS_ALL_BITS"] === "1"

// Two objects, an empty window, a gap and a heartbeat, published twice, so that there are partial tiles of two sizes.
const archive = (): ArchiveFiles =>
  new ArchiveBuilder()
    .begin()
    .window({ from: start, to: start + hour / 4, lines: "{\"RayID\":\"a1\"}\n{\"RayID\":\"a2\"}\n" })
    .window({ from: start + hour / 4, to: start + hour / 2, lines: null })
    .publish()
    .gap({ from: start + hour / 2, to: start + (3 * hour) / 4, detail: "host restarted" }, start + hour / 2)
    .window({ from: start + (3 * hour) / 4, to: start + hour, lines: "{\"RayID\":\"b1\"}\n", time: start + hour + 500 })
    .heartbeat(firstEpoch)
    .publish()
    .files

const verify = (files: ArchiveFiles): Promise<Report> =>
  verifyArchive(memoryReader(files), { keys: [log.key], verifySignature })

// xorshift32: which bit of which byte depends on the seed alone.
const bits = (state: number) => () => {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return state & 7
}

describe("one flipped bit is never a pass", () => {
  const files = archive()

  it("the archive itself passes", async () => {
    assert.strictEqual(exitCode(await verify(files), ["integrity", "completeness"]), 0)
  })

  it.each([...files.keys()])("%s", async (key) => {
    const bytes = files.get(key) ?? new Uint8Array(0)
    const nextBit = bits(seed)
    assert.isAbove(bytes.length, 0)
    for (let at = 0; at < bytes.length; at++) {
      const chosen = allBits ? [0, 1, 2, 3, 4, 5, 6, 7] : [nextBit()]
      for (const bit of chosen) {
        const flipped = bytes.map((byte, index) => index === at ? byte ^ (1 << bit) : byte)
        const report = await verify(new Map(files).set(key, flipped))
        const outcome = `bit ${bit} of byte ${at}, seed ${seed}`
        assert.notStrictEqual(report.verdict.integrity, "PASS", outcome)
        assert.notStrictEqual(exitCode(report, ["integrity", "completeness"]), 0, outcome)
      }
    }
  }, 600_000)
})
