import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { gzipSync } from "node:zlib"
import { BatchCheck, isDestinationCheck } from "../../src/receiver/BatchCheck.ts"
import { type BatchLimits, BatchRefused, defaultBatchLimits } from "../../src/receiver/BatchLimits.ts"

const check = async (bytes: Uint8Array, limits: Partial<BatchLimits> = {}, pieceBytes = 7) => {
  const batch = new BatchCheck({ ...defaultBatchLimits, ...limits })
  try {
    for (let at = 0; at < bytes.length; at += pieceBytes) await batch.push(bytes.subarray(at, at + pieceBytes))
    return await batch.end()
  } finally {
    batch.close()
  }
}

const reasonOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
    return "accepted"
  } catch (error) {
    if (error instanceof BatchRefused) return error.reason
    throw error
  }
}

const lines = Buffer.from("{\"RayID\":\"1\"}\n{\"RayID\":\"2\"}\n")

describe("a batch that comes", () => {
  it("is known by its content, gzip or not", async () => {
    const sha256 = createHash("sha256").update(lines).digest("hex")
    assert.deepInclude(await check(lines), { encoding: "identity", plainBytes: lines.length, sha256 })
    assert.deepInclude(await check(gzipSync(lines)), { encoding: "gzip", plainBytes: lines.length, sha256 })
    // Several members are one content (RFC 1952 §2.2).
    const members = Buffer.concat([gzipSync(lines.subarray(0, 5)), gzipSync(lines.subarray(5))])
    assert.deepInclude(await check(members), { encoding: "gzip", sha256 })
  })

  it("is refused when it is cut, damaged, or followed by something else", async () => {
    const whole = gzipSync(lines)
    for (let length = 1; length < whole.length; length++) {
      assert.strictEqual(await reasonOf(check(whole.subarray(0, length))), "damaged", String(length))
    }
    const flipped = Buffer.from(whole)
    flipped[whole.length - 6]! ^= 1
    assert.strictEqual(await reasonOf(check(flipped)), "damaged")
  })

  it("is refused beyond each limit, and accepted at it", async () => {
    assert.strictEqual(await reasonOf(check(lines, { sentBytes: lines.length })), "accepted")
    assert.strictEqual(await reasonOf(check(lines, { sentBytes: lines.length - 1 })), "too-large")
    assert.strictEqual(await reasonOf(check(gzipSync(lines), { plainBytes: lines.length })), "accepted")
    assert.strictEqual(
      await reasonOf(check(gzipSync(lines), { plainBytes: lines.length - 1 })),
      "decompressed-too-large"
    )
    assert.strictEqual(await reasonOf(check(lines, { lineBytes: 13 })), "accepted")
    for (const pieceBytes of [1, 5, 13, 1000]) {
      assert.strictEqual(await reasonOf(check(lines, { lineBytes: 12 }, pieceBytes)), "line-too-long")
    }
  })

  it("that decompresses to a thousand times its size costs neither its memory nor its time", async () => {
    const bomb = gzipSync(Buffer.alloc(256 * 1024 ** 2, "a"))
    assert.isBelow(bomb.length, 300_000)
    const before = process.memoryUsage().rss
    assert.strictEqual(
      await reasonOf(check(bomb, { plainBytes: 4 * 1024 ** 2, lineBytes: 1024 ** 3 }, 65_536)),
      "decompressed-too-large"
    )
    assert.isBelow(process.memoryUsage().rss - before, 64 * 1024 ** 2)
  })

  it("that asks whether the destination answers is no log", async () => {
    for (
      const text of ["{\"content\":\"tests\"}", "{\"content\":\"test\"}", "test", " { \"content\" : \"tests\" }\n"]
    ) {
      for (const body of [Buffer.from(text), gzipSync(text)]) {
        assert.isTrue(isDestinationCheck((await check(body)).opening), text)
      }
    }
    for (
      const text of ["{\"content\":\"tests\",\"RayID\":\"1\"}", "{\"RayID\":\"test\"}", "test\ntest", "x".repeat(200)]
    ) {
      assert.isFalse(isDestinationCheck((await check(Buffer.from(text))).opening), text)
    }
  })
})
