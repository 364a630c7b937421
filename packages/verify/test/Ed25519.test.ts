import { assert, describe, it } from "vitest"
import * as Ed25519 from "../src/Ed25519.ts"
import * as Hex from "../src/Hex.ts"
import * as NativeEd25519 from "../src/node/NativeEd25519.ts"
import { cctvVectors, wycheproof } from "./Vectors.ts"

const strictFlags = new Set([
  "low_order_A",
  "low_order_R",
  "low_order_component_A",
  "low_order_component_R",
  "non_canonical_A",
  "non_canonical_R"
])

describe.each([
  { name: "Ed25519", verify: Ed25519.verify },
  { name: "NativeEd25519", verify: NativeEd25519.verify }
])("$name", ({ verify }) => {
  it("accepts of the 914 CCTV vectors exactly those with torsion-free canonical points", () => {
    assert.strictEqual(cctvVectors.length, 914)
    const message = (text: string) => new TextEncoder().encode(text)
    const wrong = cctvVectors.filter(({ key, sig, msg, flags }) => {
      const strict = !(flags ?? []).some((flag) => strictFlags.has(flag))
      return verify(Hex.decode(key), message(msg), Hex.decode(sig)) !== strict
    })
    assert.deepStrictEqual(wrong, [])
    // Vector 305 is the one without any flag.
    const strict = cctvVectors.filter(({ flags }) => flags === null)
    assert.deepStrictEqual(strict.map(({ number }) => number), [305])
  }, 60_000)

  it("agrees with all 151 Wycheproof vectors", () => {
    let checked = 0
    for (const { publicKey, tests } of wycheproof.testGroups) {
      for (const { msg, sig, result, tcId } of tests) {
        checked += 1
        const valid = verify(Hex.decode(publicKey.pk), Hex.decode(msg), Hex.decode(sig))
        assert.strictEqual(valid, result === "valid", `tcId ${tcId}`)
      }
    }
    assert.strictEqual(checked, 151)
  })

  it("signs what it verifies, and nothing else", () => {
    const seed = new Uint8Array(32).fill(7)
    const message = new TextEncoder().encode("a window")
    const signature = Ed25519.sign(seed, message)
    assert.isTrue(verify(Ed25519.publicKey(seed), message, signature))
    assert.isFalse(verify(Ed25519.publicKey(seed), new TextEncoder().encode("A window"), signature))
    assert.isFalse(verify(Ed25519.publicKey(new Uint8Array(32).fill(8)), message, signature))
    assert.isFalse(verify(Ed25519.publicKey(seed).subarray(1), message, signature))
    assert.isFalse(verify(Ed25519.publicKey(seed), message, signature.subarray(1)))
  })
})
