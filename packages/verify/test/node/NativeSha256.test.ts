import { assert, describe, it } from "vitest"
import * as Bytes from "../../src/Bytes.ts"
import { sha256 as javaScript } from "../../src/Hash.ts"
import * as Hex from "../../src/Hex.ts"
import { CompactRange, leafHash } from "../../src/Merkle.ts"
import { sha256 } from "../../src/node/NativeSha256.ts"

const bytes = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 7 + length) & 0xff)

describe("NativeSha256", () => {
  it("gives the known answers of FIPS 180-4", () => {
    const ascii = (text: string) => new TextEncoder().encode(text)
    assert.strictEqual(
      Hex.encode(sha256(ascii("abc"))),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    assert.strictEqual(Hex.encode(sha256()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  })

  it("agrees with the one in JavaScript at every length around a block and past its buffer, in any parts", () => {
    for (const length of [...Array(200).keys(), 65_535, 65_536, 65_599, 65_600, 65_601, 200_000]) {
      const whole = bytes(length)
      const expected = javaScript(whole)
      assert.isTrue(Bytes.equal(sha256(whole), expected), `${length} bytes`)
      for (const cut of [0, 1, length >> 1, length]) {
        const parts = [whole.subarray(0, cut), whole.subarray(cut)]
        assert.isTrue(Bytes.equal(sha256(...parts), expected), `${length} bytes cut at ${cut}`)
      }
    }
  })

  it("answers an array of its own each time", () => {
    const first = sha256(bytes(3), bytes(4))
    const kept = first.slice()
    sha256(bytes(5), bytes(6))
    assert.deepStrictEqual(first, kept)
    assert.strictEqual(first.buffer.byteLength, 32)
  })

  it("makes the same tree", () => {
    const [native, plain] = [CompactRange.empty(sha256), CompactRange.empty()]
    for (let index = 0; index < 300; index++) {
      native.append(leafHash(bytes(index), sha256))
      plain.append(leafHash(bytes(index)))
      assert.isTrue(Bytes.equal(native.root(), plain.root()), `${index + 1} leaves`)
    }
  })
})
