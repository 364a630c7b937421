import { assert, describe, it } from "@effect/vitest"
import {
  lateStretch,
  nextDue,
  owedSince,
  paceOf,
  renewalIntervalMs,
  renewalMs
} from "../../src/anchor/AnchorSchedule.ts"
import { commonDigits } from "../../src/anchor/Stamper.ts"

const hour = 3_600_000
const pace = paceOf(2 * hour)
const at = (time: number, index = 0) => ({ time, index })
const none = { any: null, entry: null }

describe("when a stamp is due", () => {
  it("never, while there is nothing new and nothing that expires", () => {
    assert.isNull(nextDue({ unseen: none, last: null, trusted: true }, pace))
    assert.isNull(nextDue({ unseen: none, last: { size: 3, time: 0, expires: null }, trusted: true }, pace))
  })

  it("at once for the first entry, then an interval after the last stamp", () => {
    const unseen = { any: at(5 * hour, 4), entry: at(5 * hour, 4) }
    assert.deepStrictEqual(nextDue({ unseen, last: null, trusted: true }, pace), { at: 5 * hour, index: 4 })
    const last = { size: 4, time: 5 * hour - 60_000, expires: null }
    assert.strictEqual(nextDue({ unseen, last, trusted: true }, pace)?.at, last.time + hour / 2)
    const longAgo = { ...last, time: hour }
    assert.strictEqual(nextDue({ unseen, last: longAgo, trusted: true }, pace)?.at, 5 * hour)
  })

  it("for the anchors' own events only when three quarters of the lag have passed, and only where time is trusted", () => {
    const unseen = { any: at(5 * hour, 4), entry: null }
    const last = { size: 4, time: 5 * hour, expires: null }
    assert.deepStrictEqual(nextDue({ unseen, last, trusted: true }, pace), { at: 6.5 * hour, index: 4 })
    assert.isNull(nextDue({ unseen, last, trusted: false }, pace))
  })

  it("a month before a receipt expires, but not more than once a day", () => {
    const expires = 100 * 24 * hour
    const due = (time: number) => nextDue({ unseen: none, last: { size: 4, time, expires }, trusted: true }, pace)?.at
    assert.strictEqual(due(0), expires - renewalMs)
    assert.strictEqual(due(expires - 5 * hour), expires - 5 * hour + renewalIntervalMs)
  })

  it("an interval is never shorter than a second", () => assert.strictEqual(paceOf(0).intervalMs, 1_000))
})

describe("what is owed", () => {
  it("is the oldest entry, and the anchors' own events once they are due themselves", () => {
    assert.isNull(owedSince(none, pace, hour))
    assert.strictEqual(owedSince({ any: at(1), entry: at(5) }, pace, hour), 5)
    assert.strictEqual(owedSince({ any: at(1), entry: at(5) }, pace, 2 * hour), 1)
    assert.isNull(owedSince({ any: at(1), entry: null }, pace, hour))
    assert.strictEqual(owedSince({ any: at(1), entry: null }, pace, 2 * hour), 1)
  })

  it("a receipt within the lag needs no gap, one later does, up to its own time", () => {
    assert.isNull(lateStretch(null, 10 * hour, pace))
    assert.isNull(lateStretch(hour, 3 * hour, pace))
    assert.deepStrictEqual(lateStretch(hour, 3 * hour + 1, pace), { from: hour, to: 3 * hour + 1 })
  })
})

it("a listing is narrowed to the digits that all sizes share", () => {
  assert.strictEqual(commonDigits(12344, 12399), "123")
  assert.strictEqual(commonDigits(0, 5), "")
  assert.strictEqual(commonDigits(99, 100), "100")
  assert.strictEqual(commonDigits(98, 100), "")
  assert.strictEqual(commonDigits(7, 8), "8")
  for (let after = 0; after < 300; after += 7) {
    for (let upTo = after + 1; upTo < 320; upTo += 11) {
      for (let size = after + 1; size <= upTo; size++) assert.isTrue(String(size).startsWith(commonDigits(after, upTo)))
    }
  }
})
