import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { validateLines } from "../../src/archive/LineValidation.ts"

const check = (bytes: string | Buffer, maxLineBytes = 1_000_000) => {
  const validated = validateLines(Buffer.from(bytes), maxLineBytes)
  return "fault" in validated ? validated.fault.code : validated.lines
}

describe("validateLines", () => {
  it("accepts one JSON object per line, whatever its content", () => {
    const lines = [
      "{}",
      " {\"a\":1} ",
      "{\"a\":1767225600000000001}",
      "{\"a\":\"\u2028\u2029\u0085\u{1f600}\"}",
      "{\"a\":\"\\ud800\"}",
      "{\"a\":{\"b\":[1,null,true]}}\r",
      "{\"a\":1,\"a\":2}",
      "{\"__proto__\":{\"a\":1}}",
      `{"a":"${"x".repeat(100_000)}"}`
    ]
    for (const line of lines) assert.strictEqual(check(`${line}\n`), 1, line.slice(0, 40))
    assert.strictEqual(check(`${lines.join("\n")}\n`), lines.length)
  })

  it("refuses everything that is nearly JSON", () => {
    const bad = [
      "{",
      "}",
      "{\"a\":1}}",
      "{\"a\":1}{\"b\":2}",
      "{\"a\":1},",
      "{\"a\":1,}",
      "{a:1}",
      "{'a':1}",
      "{\"a\":01}",
      "{\"a\":+1}",
      "{\"a\":.5}",
      "{\"a\":5.}",
      "{\"a\":0x10}",
      "{\"a\":NaN}",
      "{\"a\":Infinity}",
      "{\"a\":undefined}",
      "{\"a\":\"\t\"}",
      "{\"a\":\"\r\"}",
      "{\"a\":1}//x",
      "/**/{\"a\":1}",
      "{\"a\":\"\\x41\"}",
      "{\"a\":\"\\u12\"}",
      "\u00a0{}",
      "\ufeff{}",
      "\u2028{}",
      "\v{}",
      "\f{}",
      "({})",
      "\r",
      " ",
      "\0",
      "{}\0",
      "Error streaming data.",
      "{\"a\":\"b"
    ]
    for (const line of bad) assert.strictEqual(check(`${line}\n`), "not-json", JSON.stringify(line))
  })

  it("two half objects on two lines never pass", () => {
    assert.strictEqual(check("{\"a\":1\n,\"b\":2}\n"), "not-json")
    assert.strictEqual(check("{\"a\":[1\n2]}\n"), "not-json")
    assert.strictEqual(check("{\"a\":\n1}\n"), "not-json")
    assert.strictEqual(check("{\"a\":\"x\ny\"}\n"), "not-json")
  })

  it("refuses JSON that is no object", () => {
    for (const line of ["[]", "[{}]", "null", "1", "\"{}\"", "true"]) {
      assert.strictEqual(check(`${line}\n`), "not-object", line)
    }
  })

  it("refuses bytes that are not UTF-8", () => {
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x80], [0xf5, 0x80, 0x80, 0x80], [0x80]]) {
      assert.strictEqual(
        check(Buffer.concat([Buffer.from("{\"a\":\""), Buffer.from(bytes), Buffer.from("\"}\n")])),
        "invalid-utf8"
      )
    }
  })

  it("refuses empty and overlong lines", () => {
    assert.strictEqual(check("\n"), "empty-line")
    assert.strictEqual(check("{}\n\n{}\n"), "empty-line")
    assert.strictEqual(check("{\"a\":1}\n", 7), 1)
    assert.strictEqual(check("{\"a\":1}\n", 6), "line-too-long")
  })

  it("very deep nesting is refused or accepted, never a crash", () => {
    const deep = `{"a":${"[".repeat(500_000)}${"]".repeat(500_000)}}\n`
    assert.include([1, "not-json"], check(deep, 2_000_000))
  })

  const Index = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 19 })))
  it.prop("names the bad line and its offset", [Index], ([index]) => {
    const lines = Array.from(
      { length: 20 },
      (_, i) => i === index ? Buffer.from("{\xff}", "latin1") : Buffer.from(`{"i":"${"é".repeat(i)}"}`)
    )
    const frame = Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")]))
    const offset = lines.slice(0, index).reduce((sum, line) => sum + line.length + 1, 0)
    assert.deepStrictEqual(validateLines(frame, 1000), { fault: { code: "invalid-utf8", index, offset } })
  })
})
