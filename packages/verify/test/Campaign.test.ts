import { assert, describe, it } from "vitest"
import { random } from "../src/tampering/Random.ts"
import { RandomArchive } from "../src/tampering/RandomArchive.ts"
import { type ArchiveBuilder, largeArchive, smallArchive } from "./ArchiveBuilder.ts"
import { difference, judge, runCampaign } from "./Campaign.ts"
import type { ArchiveFiles } from "./MemoryReader.ts"
import { mutations } from "./Mutations.ts"

// RAINLOGS_CAMPAIGN=<factor> runs that many times as many rounds, RAINLOGS_SEED another sequence.
const factor = Number(process.env["RAINLOGS_CAMPAIGN"] ?? "1")
const seed = Number(process.env["RAINLOGS_SEED"] ?? "20260101")
const bounded = 120_000 * factor

const randomArchive = (count: number, from: number): ArchiveBuilder => {
  const life = new RandomArchive(random(from))
  for (let part = 0; part < 3; part++) life.grow(count / 3).publish("whole")
  return life.builder
}

describe(`random damage, seed ${seed}`, () => {
  const archives: ReadonlyArray<readonly [string, () => ArchiveBuilder, () => ArchiveFiles, number]> = [
    ["a small archive", smallArchive, () => randomArchive(24, seed).files, 700],
    ["an archive with full tiles", () => largeArchive(6), () => largeArchive(5).files, 60],
    [
      "several chains with gaps and empty windows",
      () => randomArchive(45, seed + 1),
      () => randomArchive(45, seed + 2).files,
      450
    ],
    [
      "a random archive with full tiles",
      () => randomArchive(330, seed + 3),
      () => randomArchive(300, seed + 4).files,
      60
    ]
  ]

  it.each(archives)("never passes: %s", async (_, make, makeOther, rounds) => {
    const original = make()
    const untouched = await judge(original.files)
    assert.deepStrictEqual([untouched.verdict.integrity, untouched.size], ["PASS", original.entries.length])
    const outcome = await runCampaign({ original, other: makeOther() }, random(seed), rounds * factor)
    assert.isAbove(outcome.passed, 0, "some mutations change nothing that is committed")
    assert.isBelow(outcome.passed, outcome.tried / 2, "most mutations do")
    assert.isAbove(outcome.names.size, Object.keys(mutations).length / 2)
    assert.isAbove(outcome.exits.size, 1)
  }, bounded)

  it("would be seen: the judge of the campaign finds every changed object, document and entry", () => {
    const { entries, files } = smallArchive()
    const builder = smallArchive()
    assert.isNull(difference(builder, entries.length, files))
    assert.isNull(difference(builder, 9, files))
    for (const [key, bytes] of files) {
      if (/checkpoint|tile\/\d/.test(key)) continue
      const flipped = bytes.map((byte, index) => index === bytes.length - 1 ? byte ^ 1 : byte)
      assert.isNotNull(difference(builder, entries.length, new Map(files).set(key, flipped)), key)
    }
  })
})
