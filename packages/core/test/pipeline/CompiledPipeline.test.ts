import { assert, describe, it } from "@effect/vitest"
import { PipelineError } from "@rainlogs/core/pipeline/PipelineError"
import { run, sample } from "./run.ts"

const redact = (field: string, more: object = {}) => ({ rule: "redact", field, with: "x", ...more })
const ip = (field: string, more: object = {}) => ({ rule: "truncate-ip", field, ...more })

const fault = (rules: ReadonlyArray<object>, line: string | Uint8Array, onError = "fail") => {
  try {
    run(rules, line, { onError })
    return null
  } catch (error) {
    if (error instanceof PipelineError) return { code: error.code, line: error.line, field: error.field }
    throw error
  }
}

describe("a pipeline on lines", () => {
  it("changes nothing but the bytes of the value", () => {
    const line =
      "{ \"RayID\" : \"1\",\t\"t\":1767225600000000123 ,\"ClientIP\": \"192.0.2.17\", \"f\":1.50e0,\"u\":\"\\u00e9é\" }\n"
    assert.strictEqual(run([ip("ClientIP")], line), line.replace("192.0.2.17", "192.0.2.0"))
    assert.strictEqual(run([redact("t")], line), line.replace("1767225600000000123", "\"x\""))
  })

  it("finds names with escapes, names that are there twice, and values inside arrays", () => {
    assert.strictEqual(
      run([redact("A")], "{\"\\u0041\":1,\"A\":{\"b\":[2]},\"a\":3}\n"),
      "{\"\\u0041\":\"x\",\"A\":\"x\",\"a\":3}\n"
    )
    assert.strictEqual(
      run(
        [ip("h.ip")],
        "{\"h\":[{\"ip\":\"10.1.2.3\"},[{\"ip\":[\"10.4.5.6\",[\"10.7.8.9\"],null]}]],\"ip\":\"10.1.2.3\"}\n"
      ),
      "{\"h\":[{\"ip\":\"10.1.2.0\"},[{\"ip\":[\"10.4.5.0\",[\"10.7.8.0\"],null]}]],\"ip\":\"10.1.2.3\"}\n"
    )
    assert.strictEqual(
      run([redact("a\\.b.ü")], "{\"a.b\":{\"ü\":1},\"a\":{\"b\":{\"ü\":2}}}\n"),
      "{\"a.b\":{\"ü\":\"x\"},\"a\":{\"b\":{\"ü\":2}}}\n"
    )
    assert.strictEqual(run([redact("a\\\\b")], "{\"a\\\\b\":1,\"a\\b\":2}\n"), "{\"a\\\\b\":\"x\",\"a\\b\":2}\n")
  })

  it("removes fields with their comma, wherever they stand", () => {
    const drop = ["a", "b", "c"].map((field) => ({ rule: "drop-field", field, missing: "ignore" }))
    for (
      const [line, left] of [
        ["{\"a\":1,\"k\":2}", "{\"k\":2}"],
        ["{\"k\":1,\"a\":2}", "{\"k\":1}"],
        ["{\"k\":1,\"a\":2,\"l\":3}", "{\"k\":1,\"l\":3}"],
        ["{\"a\":1,\"b\":2,\"k\":3,\"c\":4}", "{\"k\":3}"],
        ["{\"a\":{\"x\":[]},\"b\":2}", "{}"],
        ["{ \"a\":1 , \"b\" : 2 , \"k\":3 , \"c\":4 , \"l\":5 }", "{ \"k\":3  , \"l\":5 }"],
        ["{\"a\":1,\"a\":2,\"k\":3,\"a\":4}", "{\"k\":3}"]
      ]
    ) {
      const out = run(drop, `${line}\n`)
      assert.strictEqual(out, `${left}\n`)
    }
  })

  it("keeps and drops lines by what was collected, not by what the rules made of it", () => {
    const lines = [
      "{\"s\":200,\"p\":\"/a\",\"ip\":\"10.0.0.1\"}",
      "{\"s\":404,\"p\":\"/b.css\",\"ip\":\"::ffff:10.0.0.2\"}",
      "{\"s\":500,\"p\":\"\\/b\",\"ip\":\"2001:db8::1\",\"x\":null}"
    ]
    const left = (when: object, rule = "keep") =>
      run([ip("ip"), { rule, when }], `${lines.join("\n")}\n`).split("\n").slice(0, -1).map((line) =>
        JSON.parse(line).s
      )
    assert.deepStrictEqual(left({ field: "s", equals: 404 }), [404])
    assert.deepStrictEqual(left({ field: "s", in: [200, "404", 500] }), [200, 500])
    assert.deepStrictEqual(left({ field: "p", prefix: "/b" }), [404, 500])
    assert.deepStrictEqual(left({ field: "p", suffix: ".css" }, "drop"), [200, 500])
    assert.deepStrictEqual(left({ field: "p", matches: "^/[ab]$" }), [200, 500])
    assert.deepStrictEqual(left({ field: "ip", cidr: ["10.0.0.2/31"] }), [404])
    assert.deepStrictEqual(left({ field: "ip", cidr: ["2001:db8::/32", "10.0.0.1/32"] }), [200, 500])
    assert.deepStrictEqual(left({ field: "x", exists: true }), [500])
    assert.deepStrictEqual(left({ field: "x", exists: false }), [200, 404])
    assert.deepStrictEqual(left({ field: "x", equals: null }), [500])
    assert.deepStrictEqual(left({ all: [{ field: "p", prefix: "/" }, { not: { field: "s", equals: 200 } }] }), [
      404,
      500
    ])
    assert.deepStrictEqual(left({ any: [{ field: "s", equals: 200 }, { field: "s", equals: 500 }] }), [200, 500])
  })

  it("gives a value one pseudonym within a period and another in the next", () => {
    const rules = [{ rule: "pseudonymise", field: "ip", rotate: "day" }]
    const of = (ip: string, day: number) => JSON.parse(run(rules, `{"ip":${ip}}\n`, {}, day)).ip
    assert.match(of("\"192.0.2.1\"", 1), /^p1:2026-01-01:[0-9a-f]{32}$/)
    assert.strictEqual(of("\"192.0.2.1\"", 1), of("\"192.0.\\u0032.1\"", 1))
    assert.notStrictEqual(of("\"192.0.2.1\"", 1), of("\"192.0.2.2\"", 1))
    assert.notStrictEqual(of("\"192.0.2.1\"", 1).split(":")[2], of("\"192.0.2.1\"", 2).split(":")[2])
    assert.strictEqual(of("null", 1), null)
    // HMAC-SHA-256 of "a" under a key of 32 times 0x01, as OpenSSL prints it.
    assert.strictEqual(of("\"a\"", 1), "p1:2026-01-01:8fed454e4af2e38d7a0c4f0345a12d8c")
  })

  it("fails closed where a rule cannot be applied, and says where", () => {
    const good = "{\"ip\":\"192.0.2.1\"}\n"
    assert.deepStrictEqual(fault([ip("ip")], `${good}{"Ip":"192.0.2.1"}\n`), {
      code: "missing-field",
      line: 2,
      field: "ip"
    })
    assert.deepStrictEqual(fault([ip("ip")], `${good}{"ip":"host 192.0.2.1"}\n`), {
      code: "not-an-address",
      line: 2,
      field: "ip"
    })
    assert.deepStrictEqual(fault([ip("ip")], "{\"ip\":5}\n")?.code, "not-an-address")
    assert.deepStrictEqual(fault([ip("ip")], "{\"ip\":{\"v4\":\"192.0.2.1\"}}\n")?.code, "not-a-value")
    assert.strictEqual(fault([ip("ip", { missing: "ignore" })], "{\"Ip\":1}\n"), null)
    for (
      const line of [
        "",
        "[]",
        "{",
        "{\"ip\"}",
        "{\"ip\":}",
        "{\"ip\":\"1.2.3.4\"",
        "{\"ip\":\"1.2.3.4\"} x",
        "{\"ip\":\"1.2",
        "{ip:1}",
        "{\"ip\":\"1.2.3.4\",}"
      ]
    ) {
      assert.strictEqual(fault([ip("ip")], `${line}\n`)?.code, "not-json", line)
    }
    // What a rule would have hidden is read as well.
    for (const value of ["@", "nul", "{\"a\":]}", "[1,]", "\"\\x\"", "01", "\"\t\""]) {
      assert.strictEqual(fault([redact("v")], `{"v":${value}}\n`)?.code, "not-json", value)
      assert.strictEqual(fault([{ rule: "drop-field", field: "v" }], `{"v":${value}}\n`)?.code, "not-json", value)
    }
    const latin1 = Buffer.from("{\"v\":\"\xe9\"}\n", "latin1")
    assert.strictEqual(fault([redact("v")], latin1)?.code, "not-json")
    assert.strictEqual(fault([redact("v")], `{"v":${"[".repeat(50_000)}${"]".repeat(50_000)}}\n`)?.code, "not-json")
    assert.strictEqual(fault([ip("v")], `{"v":[${"null,".repeat(100_000)}null]}\n`)?.code, "too-many-values")
  })

  it("leaves such a line out, or as it came, only where the pipeline says so", () => {
    const lines = "{\"ip\":\"192.0.2.1\"}\n{\"ip\":\"?\",\"secret\":1}\n"
    const rules = [{ rule: "drop-field", field: "secret", missing: "ignore" }, ip("ip")]
    assert.strictEqual(run(rules, lines, { onError: "drop" }), "{\"ip\":\"192.0.2.0\"}\n")
    assert.strictEqual(run(rules, lines, { onError: "keep" }), "{\"ip\":\"192.0.2.0\"}\n{\"ip\":\"?\",\"secret\":1}\n")
  })

  it("takes a line of 10 MB, and an expression made to run away", () => {
    const long = "a".repeat(10_000_000)
    const out = run([ip("ip")], `{"pad":"${long}","ip":"192.0.2.1"}\n`)
    assert.strictEqual(out, `{"pad":"${long}","ip":"192.0.2.0"}\n`)
    const began = performance.now()
    run([{ rule: "drop", when: { field: "u", matches: "^(a+)+$" } }], `{"u":"${"a".repeat(100_000)}!"}\n`)
    assert.isBelow(performance.now() - began, 10_000)
  })

  it("leaves every other byte of generated lines alone, however they are cut into pieces", () => {
    const lines = Array.from({ length: 3000 }, (_, i) => sample(i + 1))
    const text = lines.map(({ line }) => line).join("")
    for (const piece of [7, 1_000_000]) {
      const out = run([redact("s.t", { missing: "ignore" })], text, {}, 1, piece).split("\n")
      for (const [i, { expected }] of lines.entries()) {
        JSON.parse(expected)
        assert.strictEqual(`${out[i]}\n`, expected, `seed ${i + 1}`)
      }
    }
  })
})
