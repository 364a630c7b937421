import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { LineFrames } from "../../src/archive/LineFrames.ts"

const Length = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 40 })))
const Small = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 30 })))

const frame = (bytes: Uint8Array, piece: number, frameBytes: number, maxLineBytes: number) => {
  const frames = new LineFrames(frameBytes, maxLineBytes)
  const taken: Array<string> = []
  for (let at = 0; at < bytes.length; at += piece) {
    frames.offer(bytes.subarray(at, at + piece))
    for (let next = frames.take(); next !== undefined; next = frames.take()) taken.push(next.toString())
    if (frames.overflowed) return { taken, overflowed: true }
  }
  const last = frames.end()
  if (last !== undefined) taken.push(last.toString())
  return { taken, overflowed: false }
}

// The rule, said plainly: as many whole lines as fit, a longer line alone.
const expected = (lines: ReadonlyArray<string>, frameBytes: number): Array<string> => {
  const frames: Array<string> = []
  let open = ""
  for (const line of lines) {
    if (open !== "" && (open + line).length > frameBytes) {
      frames.push(open)
      open = ""
    }
    open += line
    if (open.length >= frameBytes) {
      frames.push(open)
      open = ""
    }
  }
  return open === "" ? frames : [...frames, open]
}

describe("LineFrames", () => {
  it.prop(
    "cuts by the bytes alone, however they arrive, and loses none",
    [Schema.Array(Length), Small, Small],
    ([lengths, piece, frameBytes]) => {
      const lines = lengths.map((length, i) => `${String.fromCharCode(97 + i % 26).repeat(length)}\n`)
      const { overflowed, taken } = frame(Buffer.from(lines.join("")), piece, frameBytes, 100)
      assert.isFalse(overflowed)
      assert.strictEqual(taken.join(""), lines.join(""))
      assert.deepStrictEqual(taken, expected(lines, frameBytes))
    }
  )

  it("a last line without LF gets one, also when it fills the frame exactly", () => {
    assert.deepStrictEqual(frame(Buffer.from("abc\ndef"), 3, 8, 100).taken, ["abc\ndef\n"])
    assert.deepStrictEqual(frame(Buffer.from("abcdefgh"), 3, 8, 100).taken, ["abcdefgh\n"])
    assert.deepStrictEqual(frame(Buffer.from("abcdefghij"), 3, 8, 100).taken, ["abcdefghij\n"])
  })

  it("nothing gives no frame", () => {
    assert.deepStrictEqual(frame(Buffer.from(""), 3, 8, 100).taken, [])
  })

  it.prop("a line over the limit stops it, at the limit exactly", [Small], ([piece]) => {
    const long = (length: number) => frame(Buffer.from(`ab\n${"x".repeat(length)}\ncd\n`), piece, 8, 20)
    assert.deepStrictEqual(long(20), { taken: ["ab\n", `${"x".repeat(20)}\n`, "cd\n"], overflowed: false })
    assert.deepStrictEqual(long(21), { taken: ["ab\n"], overflowed: true })
    assert.isTrue(frame(Buffer.from("x".repeat(21)), piece, 8, 20).overflowed)
    assert.isFalse(frame(Buffer.from("x".repeat(20)), piece, 8, 20).overflowed)
  })
})
