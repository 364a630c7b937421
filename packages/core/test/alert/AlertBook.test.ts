import { assert, describe, it } from "@effect/vitest"
import type { AlertKind, Condition } from "../../src/alert/Alert.ts"
import { advance, type AlertBook, type CountedEvent, defaultRules, emptyBook } from "../../src/alert/AlertBook.ts"

const condition = (kind: AlertKind, subject = "a"): Condition => ({
  kind,
  subject,
  severity: "critical",
  summary: "It broke.",
  remedy: "Mend it."
})

const sinks = ["webhook", "email"]
const start = 1_767_225_600_000
const minute = 60_000

/** Runs looks at given minutes and collects what is told. */
const run = (
  looks: ReadonlyArray<
    readonly [minutes: number, conditions: ReadonlyArray<Condition>, unseen?: ReadonlyArray<AlertKind>]
  >,
  book: AlertBook = emptyBook
) => {
  const told: Array<string> = []
  for (const [minutes, conditions, unseen = []] of looks) {
    const next = advance(
      book,
      { conditions, events: [], unseen: new Set(unseen) },
      sinks,
      defaultRules,
      start + minutes * minute
    )
    told.push(
      ...next.notices.map(({ condition: { kind, subject }, phase }) => `${minutes} ${phase} ${kind} ${subject}`)
    )
    book = next.book
  }
  return { told, book }
}

describe("the book of alerts", () => {
  it("tells a condition once when it begins and once when it is over", () => {
    const blocked = condition("source-blocked")
    const { told } = run([[0, [blocked]], [1, [blocked]], [2, [blocked]], [3, []], [4, []], [5, []], [9, []]])
    assert.deepStrictEqual(told, ["0 firing source-blocked a", "4 resolved source-blocked a"])
  })

  it("does not tell the end of what comes back within the quiet time, nor its beginning again", () => {
    const blocked = condition("source-blocked")
    assert.deepStrictEqual(run([[0, [blocked]], [1, []], [2, [blocked]], [3, []], [4, [blocked]]]).told, [
      "0 firing source-blocked a"
    ])
  })

  it("waits where a short failure is no news, and tells neither beginning nor end of one", () => {
    const open = condition("circuit-open")
    assert.deepStrictEqual(run([[0, [open]], [4, [open]], [5, [open]]]).told, ["5 firing circuit-open a"])
    assert.deepStrictEqual(run([[0, [open]], [4, [open]], [5, []], [8, []]]).told, [])
  })

  it("keeps apart what differs in subject or kind", () => {
    const { told } = run([[0, [condition("source-blocked"), condition("source-blocked", "b")]], [1, [
      condition("source-blocked", "b"),
      condition("ledger-halted")
    ]], [4, [condition("source-blocked", "b"), condition("ledger-halted")]]])
    assert.deepStrictEqual(told, [
      "0 firing source-blocked a",
      "0 firing source-blocked b",
      "1 firing ledger-halted a",
      "4 resolved source-blocked a"
    ])
  })

  it("says nothing of what could not be looked at", () => {
    const blocked = condition("source-blocked")
    const { told } = run([[0, [blocked]], [1, [], ["source-blocked"]], [60, [], ["source-blocked"]], [61, [blocked]]])
    assert.deepStrictEqual(told, ["0 firing source-blocked a"])
  })

  it("puts each notice into every sink's outbox under one id, and forgets sinks that are gone", () => {
    const { book } = run([[0, [condition("source-blocked")]]])
    assert.deepStrictEqual(book.outbox.map(({ sink }) => sink).toSorted(), ["email", "webhook"])
    assert.strictEqual(new Set(book.outbox.map(({ notice }) => notice.id)).size, 1)
    const fewer = advance(book, { conditions: [], events: [], unseen: new Set() }, ["email"], defaultRules, start)
    assert.deepStrictEqual(fewer.book.outbox.map(({ sink }) => sink), ["email"])
  })

  it("counts events: the first look is the baseline, later ones tell how many came", () => {
    const gaps = (count: number): CountedEvent => ({
      key: "gap a",
      count,
      describe: (more) => ({ ...condition("gap"), summary: `${more}` })
    })
    let book = emptyBook
    const summaries: Array<string> = []
    for (const count of [3, 3, 5, 5, 4, 6]) {
      const next = advance(
        book,
        { conditions: [], events: [gaps(count)], unseen: new Set() },
        sinks,
        defaultRules,
        start + count
      )
      summaries.push(...next.notices.map(({ condition: { summary }, phase }) => `${phase} ${summary}`))
      book = next.book
    }
    assert.deepStrictEqual(summaries, ["happened 2", "happened 1"])
  })

  it("bounds what waits for a sink, and says how much it dropped", () => {
    const rules = { ...defaultRules, mostWaiting: 3 }
    const conditions = ["a", "b", "c", "d", "e"].map((subject) => condition("source-blocked", subject))
    const next = advance(emptyBook, { conditions, events: [], unseen: new Set() }, sinks, rules, start)
    assert.strictEqual(next.dropped, 4)
    assert.deepStrictEqual(
      next.book.outbox.filter(({ sink }) => sink === "email").map(({ notice }) => notice.condition.subject),
      ["c", "d", "e"]
    )
  })
})
