import { assert, describe, it } from "@effect/vitest"
import { parseBlock, truncateAddress } from "@rainlogs/core/pipeline/IpAddress"
import { canonicalJson, decodePipeline, hashOf, Pipeline } from "@rainlogs/core/pipeline/Pipeline"
import { isOpen, periodOf } from "@rainlogs/core/pipeline/PseudonymKeys"
import { Effect, Schema } from "effect"

const refused = (document: unknown) => Effect.map(Effect.flip(decodePipeline(document)), (error) => error.message)
const rules = (...list: ReadonlyArray<object>) => ({ format: "rainlogs-pipeline/v1", rules: list })
const nested = (depth: number): object => {
  let condition: object = { field: "a", exists: true }
  for (let at = 1; at < depth; at++) condition = { not: condition }
  return condition
}

describe("the rules of a pipeline", () => {
  it.effect("are read strictly, with the path of what is wrong", () =>
    Effect.gen(function*() {
      const condition = { field: "a", equals: 1 }
      for (
        const [document, says] of [
          [{ rules: [] }, "format"],
          [{ format: "rainlogs-pipeline/v2", rules: [] }, "format"],
          [rules(), "rules"],
          [{ ...rules({ rule: "redact", field: "a" }), more: 1 }, "more"],
          [rules({ rule: "redact", field: "a" }, { rule: "redact", field: "b", wiht: "" }), "wiht"],
          [rules({ rule: "erase", field: "a" }), "rules"],
          [rules({ rule: "redact", field: "a..b" }), "field"],
          [rules({ rule: "redact", field: "a\\x" }), "field"],
          [rules({ rule: "truncate-ip", field: "a", ipv4: 33 }), "ipv4"],
          [rules({ rule: "pseudonymise", field: "a", rotate: "hour" }), "rotate"],
          [rules({ rule: "drop", when: { ...condition, prefix: "x" } }), "when"],
          [rules({ rule: "drop", when: { field: "a", matches: "(?=x)" } }), "matches"],
          [rules({ rule: "drop", when: { field: "a", matches: "(a)\\1" } }), "matches"],
          [rules({ rule: "drop", when: { field: "a", cidr: ["10.0.0.0/33"] } }), "cidr"],
          [rules({ rule: "drop", when: { field: "a", equals: 2 ** 53 } }), "equals"],
          [rules({ rule: "drop", when: nested(7) }), "not"],
          [rules({ rule: "drop", when: nested(20_000) }), "not"],
          [rules({ rule: "redact", field: "a" }, { rule: "truncate-ip", field: "a.b" }), "a.b"],
          [rules({ rule: "redact", field: "a" }, { rule: "drop-field", field: "a" }), "a"]
        ] as const
      ) assert.include(yield* refused(document), says)
      yield* decodePipeline(rules({ rule: "drop", when: nested(6) }, { rule: "redact", field: "a" }))
    }))

  it("have one hash, whatever the order of names", () => {
    const decode = Schema.decodeUnknownSync(Pipeline)
    const one = decode({ format: "rainlogs-pipeline/v1", rules: [{ rule: "redact", field: "ü", with: "-" }] })
    const other = decode({ rules: [{ with: "-", field: "ü", rule: "redact" }], format: "rainlogs-pipeline/v1" })
    assert.strictEqual(
      canonicalJson(one),
      "{\"format\":\"rainlogs-pipeline/v1\",\"rules\":[{\"field\":\"\\u00fc\",\"rule\":\"redact\",\"with\":\"-\"}]}"
    )
    assert.strictEqual(hashOf(one), hashOf(other))
  })
})

describe("addresses", () => {
  it("are cut to their first bits", () => {
    for (
      const [address, cut] of [
        ["192.0.2.255", "192.0.2.0"],
        ["2001:DB8:1:2:3:4:5:6", "2001:db8:1::"],
        ["2001:db8::1", "2001:db8::"],
        ["::1", "::"],
        ["::ffff:192.0.2.17", "::ffff:192.0.2.0"],
        ["::FFFF:c000:0211", "::ffff:192.0.2.0"],
        ["1:0:0:2:0:0:0:3", "1::"]
      ] as const
    ) assert.strictEqual(truncateAddress(address, 24, 48), cut)
    assert.strictEqual(truncateAddress("10.255.255.255", 9, 48), "10.128.0.0")
    assert.strictEqual(truncateAddress("1:0:0:2:0:0:0:3", 24, 128), "1:0:0:2::3")
    for (const text of ["", "192.0.2", "192.0.2.256", "fe80::1%eth0", "192.0.2.1 ", "1::2::3"]) {
      assert.isUndefined(truncateAddress(text, 24, 48), text)
    }
    assert.isTrue(parseBlock("0.0.0.0/0")!("203.0.113.7"))
    assert.isFalse(parseBlock("0.0.0.0/0")!("2001:db8::"))
  })
})

describe("periods of pseudonyms", () => {
  it("are days, ISO 8601 weeks and months in UTC", () => {
    assert.strictEqual(periodOf("day", Date.UTC(2026, 10, 27, 23, 59)), "2026-11-27")
    assert.strictEqual(periodOf("month", Date.UTC(2026, 10, 30)), "2026-11")
    // ISO 8601 calendar: these are the days around the turn of years.
    for (
      const [day, week] of [
        ["2026-11-27", "2026-W48"],
        ["2026-12-31", "2026-W53"],
        ["2027-01-03", "2026-W53"],
        ["2027-01-04", "2027-W01"],
        ["2024-12-30", "2025-W01"],
        ["2023-01-01", "2022-W52"]
      ] as const
    ) assert.strictEqual(periodOf("week", Date.parse(day)), week)
  })

  it("are open until eight days after their end", () => {
    const now = Date.UTC(2026, 10, 27, 12)
    for (const period of ["2026-11-27", "2026-11-19", "2026-W48", "2026-W47", "2026-11"]) {
      assert.isTrue(isOpen(period, now))
    }
    for (const period of ["2026-11-18", "2026-W46", "2026-10", "never"]) assert.isFalse(isOpen(period, now))
  })
})
