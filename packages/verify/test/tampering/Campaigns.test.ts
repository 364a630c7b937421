import { assert, describe, it } from "vitest"
import { newHash } from "../../src/node/BundleFile.ts"
import { verify as verifySignature } from "../../src/node/NativeEd25519.ts"
import { sha256 } from "../../src/node/NativeSha256.ts"
import { bundleJudge, tryMutations } from "../../src/tampering/BundleCampaign.ts"
import { mutationNames, mutationTarget } from "../../src/tampering/BundleMutations.ts"
import { falseAlarm, filesJudge, liveArchives } from "../../src/tampering/ValidArchives.ts"

const platform = { newHash, sha256, verifySignature }

describe("random mutations of a bundle", () => {
  const judge = bundleJudge(platform)

  it("are never accepted, whatever is changed and however it is packed again", async () => {
    const target = await mutationTarget()
    for (const { bytes } of [target.original, target.other]) {
      assert.strictEqual((await judge(bytes)).verdict.integrity, "PASS")
    }
    const outcome = await tryMutations(target, judge, { seed: 20_260_101, first: 0, count: 3000 })
    assert.deepStrictEqual([outcome.falseAccepts, outcome.crashes], [[], []])
    assert.strictEqual(Object.keys(outcome.mutations).length, mutationNames.length, "every mutation is tried")
    assert.isTrue(["1", "2", "3"].every((code) => (outcome.exits[code] ?? 0) > 0))
    assert.isUndefined(outcome.exits["0"])
  }, 120_000)

  it("are the same for the same seed, whole or in parts, and others for another seed", async () => {
    const target = await mutationTarget()
    const whole = await tryMutations(target, judge, { seed: 1, first: 0, count: 60 })
    const parts = await Promise.all(
      [0, 20, 40].map((first) => tryMutations(target, judge, { seed: 1, first, count: 20 }))
    )
    const sum: Record<string, number> = {}
    for (const { mutations } of parts) {
      for (const [name, times] of Object.entries(mutations)) sum[name] = (sum[name] ?? 0) + times
    }
    assert.deepStrictEqual(sum, whole.mutations)
    const other = await tryMutations(target, judge, { seed: 2, first: 0, count: 60 })
    assert.notDeepEqual(other.mutations, whole.mutations)
  }, 60_000)

  it("would be seen: a verifier that accepts is caught, and one that throws", async () => {
    const target = await mutationTarget()
    const right = await judge(target.original.bytes)
    const blind = await tryMutations(target, () => Promise.resolve(right), { seed: 1, first: 0, count: 50 })
    assert.strictEqual(blind.falseAccepts.length, 50)
    assert.match(blind.falseAccepts[0] ?? "", /^mutation 0 of seed 1, /)
    const broken = await tryMutations(target, () => Promise.reject(new Error("no")), { seed: 1, first: 0, count: 5 })
    assert.strictEqual(broken.crashes.length, 5)
  }, 60_000)

  it("would be seen: a verifier that takes any signature accepts what a stranger signed", async () => {
    const target = await mutationTarget()
    const gullible = bundleJudge({ ...platform, verifySignature: () => true })
    const outcome = await tryMutations(target, gullible, { seed: 1, first: 0, count: 3000 })
    assert.isAbove(outcome.falseAccepts.length, 0)
  }, 120_000)
})

describe("random valid archives", () => {
  const judge = filesJudge(platform)

  it("are never an alarm, killed between any two writes of a publication", async () => {
    const outcome = await liveArchives(judge, { seed: 20_260_101, first: 0, count: 60 })
    assert.deepStrictEqual(outcome.falseAlarms, [])
    assert.strictEqual(outcome.verifications, 60 * 13)
    assert.isAbove(outcome.complete, 0, "some are complete")
    assert.isAbove(outcome.withFullTiles, 0, "some have full tiles")
  }, 120_000)

  it("would be seen: a report that accuses, or that does not pass", async () => {
    const outcome = await liveArchives(
      async (files) => {
        const key = [...files.keys()].find((name) => name.startsWith("logs/"))
        if (key !== undefined) files.set(key, new Uint8Array(1))
        return judge(files)
      },
      { seed: 1, first: 0, count: 2 }
    )
    assert.match(outcome.falseAlarms.join(), /OBJECT_HASH_MISMATCH/)
    const untold = await judge(new Map())
    assert.match(falseAlarm(untold, { served: true }) ?? "", /is INCONCLUSIVE|inconclusive/)
  })
})
