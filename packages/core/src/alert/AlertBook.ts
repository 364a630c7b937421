/**
 * The book of alerts: which conditions are open, which notices are still to be delivered, and how many gaps each source
 * had. A pure state machine over what is true now, so that a condition is told once when it begins and once when it ends,
 * whatever restarts in between.
 */
import { Schema } from "effect"
import { uuidFromText } from "../domain/Identifier.ts"
import { type AlertKind, Condition, keyOf, Notice, type NoticePhase } from "./Alert.ts"

const Open = Schema.Struct({
  condition: Condition,
  since: Schema.Int,
  /** When it was last seen to hold. */
  seen: Schema.Int,
  /** Whether its beginning was told. */
  told: Schema.Boolean
})

const Delivery = Schema.Struct({
  sink: Schema.String,
  notice: Notice,
  attempts: Schema.Int,
  /** Not tried before, Unix ms. */
  notBefore: Schema.Int
})

/** A notice on its way to one sink. */
export type Delivery = typeof Delivery.Type

/** The state; times in Unix ms. */
export const AlertBook = Schema.Struct({
  version: Schema.Literal(1),
  open: Schema.Array(Open),
  outbox: Schema.Array(Delivery),
  /** Events counted so far, by key. */
  counted: Schema.Record(Schema.String, Schema.Int)
})
export type AlertBook = typeof AlertBook.Type

/** Nothing is open and nothing is to be told. */
export const emptyBook: AlertBook = { version: 1, open: [], outbox: [], counted: {} }

/** Something that happens and has no end: `count` is how often it did so far. */
export interface CountedEvent {
  readonly count: number
  /** The condition that stands for the events since the last look; `more` is how many. */
  readonly describe: (more: number) => Condition
  readonly key: string
}

/** How conditions are told; all in ms. */
export interface AlertRules {
  /** How long a condition must hold before it is told. */
  readonly holdMs: { readonly [kind in AlertKind]?: number }
  /** How long it must be gone before its end is told: one that comes back in this time never ended. */
  readonly quietMs: number
  /** Notices that wait for one sink at once; beyond it the oldest are dropped, and the log says so. */
  readonly mostWaiting: number
}

/** Circuit breakers after 5 min and an unreadable archive after 1 min, everything else at once; over after 2 min. */
export const defaultRules: AlertRules = {
  holdMs: { "circuit-open": 300_000, "archive-unreadable": 60_000, "ledger-late": 60_000 },
  quietMs: 120_000,
  mostWaiting: 1000
}

const noticeOf = (phase: NoticePhase, condition: Condition, since: number, at: number): Notice => ({
  id: `alert_${uuidFromText(`rainlogs-alert/v1\n${phase}\n${keyOf(condition)}\n${since}\n${at}\n`)}`,
  phase,
  condition,
  since,
  at
})

/** What one look changed. */
export interface Advance {
  readonly book: AlertBook
  readonly notices: ReadonlyArray<Notice>
  /** Notices that no longer wait, because too many did. */
  readonly dropped: number
}

/** The book after a look at what holds now. A kind in `unseen` could not be looked at: what was open stays open. */
export const advance = (
  book: AlertBook,
  look: {
    readonly conditions: ReadonlyArray<Condition>
    readonly events: ReadonlyArray<CountedEvent>
    readonly unseen: ReadonlySet<AlertKind>
  },
  sinks: ReadonlyArray<string>,
  rules: AlertRules,
  now: number
): Advance => {
  const notices: Array<Notice> = []
  const open: Array<typeof Open.Type> = []
  const before = new Map(book.open.map((one) => [keyOf(one.condition), one] as const))
  for (const condition of look.conditions) {
    const key = keyOf(condition)
    const known = before.get(key)
    before.delete(key)
    const since = known?.since ?? now
    const tell = known?.told !== true && now - since >= (rules.holdMs[condition.kind] ?? 0)
    if (tell) notices.push(noticeOf("firing", condition, since, now))
    open.push({ condition, since, seen: now, told: known?.told === true || tell })
  }
  for (const one of before.values()) {
    if (look.unseen.has(one.condition.kind)) open.push({ ...one, seen: now })
    else if (now - one.seen < rules.quietMs) open.push(one)
    else if (one.told) notices.push(noticeOf("resolved", one.condition, one.since, now))
  }
  const counted: Record<string, number> = { ...book.counted }
  for (const { count, describe, key } of look.events) {
    const known = counted[key]
    if (known !== undefined && count > known) notices.push(noticeOf("happened", describe(count - known), now, now))
    counted[key] = Math.max(count, known ?? 0)
  }
  // What waits for a sink that is not configured any more is nobody's.
  const outbox = [
    ...book.outbox.filter(({ sink }) => sinks.includes(sink)),
    ...notices.flatMap((notice) => sinks.map((sink): Delivery => ({ sink, notice, attempts: 0, notBefore: now })))
  ]
  const kept = sinks.flatMap((sink) => outbox.filter((one) => one.sink === sink).slice(-rules.mostWaiting))
  return { book: { version: 1, open, outbox: kept, counted }, notices, dropped: outbox.length - kept.length }
}
