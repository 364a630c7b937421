import { assert, describe, it } from "vitest"
import { fileSource } from "../../src/browser/FileSource.ts"
import { random } from "../../src/tampering/Random.ts"

describe("a file as a source of byte ranges", () => {
  it("gives what lies in the file, in whatever order it is asked for, and reads in blocks", async () => {
    const bytes = Uint8Array.from({ length: 9_500_000 }, (_, at) => (at * 7) ^ (at >>> 8))
    const file = new Blob([bytes])
    let reads = 0
    const counted: Blob = new Proxy(file, {
      get: (target, name) => {
        if (name === "size") return target.size
        if (name !== "slice") throw new Error(`asked for ${String(name)}`)
        return (from: number, to: number) => (reads++, target.slice(from, to))
      }
    })
    const source = fileSource(counted)
    for (let at = 0; at < bytes.length; at += 250_000) {
      const length = Math.min(250_000, bytes.length - at)
      assert.deepStrictEqual(Buffer.compare(await source.read(at, length), bytes.subarray(at, at + length)), 0)
    }
    assert.isAtMost(reads, 4)
    const choices = random(1)
    for (let times = 0; times < 200; times++) {
      const at = choices.integer(bytes.length)
      const length = choices.integer(Math.min(choices.chance(1, 10) ? 6_000_000 : 1000, bytes.length - at + 1))
      assert.strictEqual(Buffer.compare(await source.read(at, length), bytes.subarray(at, at + length)), 0)
    }
  })

  it("rejects a range that is not there", async () => {
    const source = fileSource(new Blob([new Uint8Array(10)]))
    assert.strictEqual((await source.read(5, 5)).length, 5)
    for (const [offset, length] of [[5, 6], [11, 1], [10, 1]] as const) {
      const failure = await source.read(offset, length).catch((error: unknown) => error)
      assert.match(String(failure), /changed or was removed/)
    }
  })
})
