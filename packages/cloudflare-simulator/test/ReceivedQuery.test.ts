import { assert, describe, it } from "vitest"
import { goDuration } from "../src/ErrorBodies.ts"
import { parseTime } from "../src/ReceivedQuery.ts"

describe("parseTime", () => {
  it("reads Unix seconds, Unix nanoseconds and RFC 3339 as the same instant", () => {
    const nanos = 1_506_702_504_000_000_000n
    assert.strictEqual(parseTime("1506702504"), nanos)
    assert.strictEqual(parseTime("1506702504000000000"), nanos)
    assert.strictEqual(parseTime("2017-09-29T16:28:24Z"), nanos)
    assert.strictEqual(parseTime("2017-09-29T18:28:24+02:00"), nanos)
    assert.strictEqual(parseTime("2017-09-29T11:58:24-04:30"), nanos)
    assert.strictEqual(parseTime("2017-09-29T16:28:24.123456789Z"), nanos + 123_456_789n)
    assert.strictEqual(parseTime("2017-09-29T16:28:24.5Z"), nanos + 500_000_000n)
  })

  it("refuses everything else", () => {
    for (
      const text of [
        "",
        "now",
        "-5",
        "1.5",
        "1506702504.5",
        "2017-09-29",
        "2017-09-29 16:28:24Z",
        "2017-02-30T00:00:00Z",
        "2017-09-29T24:00:00Z",
        "2017-09-29T16:28:24",
        "2017-09-29T16:28:24 02:00",
        "12345678901234567890"
      ]
    ) {
      assert.isUndefined(parseTime(text), text)
    }
    assert.isUndefined(parseTime(null))
  })
})

describe("goDuration", () => {
  it("prints as Go does", () => {
    assert.deepStrictEqual([60_000, 604_800_000, 30_000, 90_500, 300_000].map(goDuration), [
      "1m0s",
      "168h0m0s",
      "30s",
      "1m30.5s",
      "5m0s"
    ])
  })
})
