import { assert, describe, it } from "@effect/vitest"
import { decodeZone, rowTexts } from "@rainlogs/core/collect/GraphqlBody"
import { Option } from "effect"

const around = (zone: string, errors = ",\"errors\":null"): string => `{"data":{"viewer":{"zones":[${zone}]}}${errors}}`

describe("the rows of an answer", () => {
  it("are the bytes that came, numbers of 64 bits and escapes too", () => {
    const row = "{\"zoneVersion\":18446744073709551615,\"path\":\"a\\u002fb \\\"}],[{\",\"metadata\":[{\"key\":\"k\"}]}"
    assert.deepStrictEqual(rowTexts(around(`{"rows":[${row},${row}]}`), "rows"), [row, row])
  })

  it("are compact, and lines whatever stands between the tokens", () => {
    const spaced =
      "{ \"data\" : {\n\"viewer\": { \"zones\" : [ { \"rows\" : [ { \"a\" : 1 ,\r\n \"b\" : \" \\n \" } ,\t{ } ] } ] } } }"
    assert.deepStrictEqual(rowTexts(spaced, "rows"), ["{\"a\":1,\"b\":\" \\n \"}", "{}"])
  })

  it("are those of the list asked for, not of its neighbours or of names inside strings", () => {
    const zone = "{\"other\":[{\"rows\":[{\"x\":1}]}],\"text\":\"\\\"rows\\\":[{}]\",\"rows\":[{\"y\":2}]}"
    assert.deepStrictEqual(rowTexts(around(zone), "rows"), ["{\"y\":2}"])
    assert.deepStrictEqual(rowTexts(around("{\"rows\":[]}"), "rows"), [])
  })

  it("of any shape come out as they went in", () => {
    const rows = [{}, { a: [] }, { a: [[{}], "]"] }, { "rows": [{ rows: [] }] }, { "\\": "\\\\\"" }, {
      x: { y: [1, { z: null }] }
    }]
    const texts = rows.map((row) => JSON.stringify(row))
    assert.deepStrictEqual(
      rowTexts(JSON.stringify({ data: { viewer: { zones: [{ rows }] } } }, null, 2), "rows"),
      texts
    )
  })
})

describe("an answer", () => {
  it("with errors, without data or cut short is none", () => {
    const good = around("{\"rows\":[]}")
    assert.isTrue(Option.isSome(decodeZone(good)))
    assert.isTrue(Option.isSome(decodeZone(around("{\"rows\":[]}", ""))))
    assert.isTrue(Option.isNone(decodeZone(around("{\"rows\":[]}", ",\"errors\":[{\"message\":\"x\"}]"))))
    assert.isTrue(Option.isNone(decodeZone("{\"data\":null,\"errors\":[]}")))
    for (let length = 0; length < good.length; length++) {
      assert.isTrue(Option.isNone(decodeZone(good.slice(0, length))), `${length}`)
    }
  })
})
