import { createHash } from "node:crypto"
import { assert, describe, it } from "vitest"
import { multisetDigest, MultisetDigester } from "../src/MultisetDigest.ts"

const lines = (...texts: ReadonlyArray<string>): ReadonlyArray<Uint8Array> => texts.map((text) => Buffer.from(text))

const sha256 = (text: string): bigint => BigInt(`0x${createHash("sha256").update(text).digest("hex")}`)

describe("MultisetDigest", () => {
  it("is the sum of the lines' SHA-256 values modulo 2^256", () => {
    const texts = Array.from({ length: 50 }, (_, index) => `line ${index}`)
    const expected = texts.reduce((sum, text) => BigInt.asUintN(256, sum + sha256(text)), 0n)
    const result = multisetDigest(lines(...texts))
    assert.strictEqual(result.digest, expected.toString(16).padStart(64, "0"))
    assert.strictEqual(result.count, 50)
    assert.strictEqual(result.bytes, texts.join("").length)
  })

  it("ignores order and sees a lost, doubled, changed or swapped-in line", () => {
    const whole = multisetDigest(lines("a", "b", "c"))
    assert.deepStrictEqual(multisetDigest(lines("c", "a", "b")), whole)
    for (const other of [lines("a", "b"), lines("a", "b", "c", "c"), lines("a", "b", "d"), lines("a", "a", "c")]) {
      assert.notStrictEqual(multisetDigest(other).digest, whole.digest)
    }
  })

  it("adds chunks of lines and digests of parts", () => {
    const whole = multisetDigest(lines("a", "", "b", "c"))
    assert.deepStrictEqual(new MultisetDigester().addLines(Buffer.from("a\n\nb\nc\n")).finish(), whole)
    assert.deepStrictEqual(
      new MultisetDigester().merge(multisetDigest(lines("b", "a"))).merge(multisetDigest(lines("", "c"))).finish(),
      whole
    )
    assert.deepStrictEqual(multisetDigest([]), { digest: "0".repeat(64), count: 0, bytes: 0 })
  })
})
