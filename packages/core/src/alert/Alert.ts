/**
 * What an operator is told: a condition that holds now, and the notices about its beginning and its end.
 */
import { Schema } from "effect"

/** What can be wrong. `gap` happens once and has no end; the others hold until they do not. */
export const AlertKind = Schema.Literals([
  "source-blocked",
  "hours-to-loss",
  "gap",
  "circuit-open",
  "dead-letters",
  "quota-reached",
  "ledger-halted",
  "ledger-late",
  "anchor-overdue",
  "archive-unreadable"
])
export type AlertKind = typeof AlertKind.Type

/** Something that is wrong now. Kind and subject together name it; the rest may change while it lasts. */
export const Condition = Schema.Struct({
  kind: AlertKind,
  /** What it is about, by a stable identifier: a source, an API, a ledger. */
  subject: Schema.String,
  severity: Schema.Literals(["warning", "critical"]),
  /** What happened and why, for people; no secret, no log line. */
  summary: Schema.String,
  /** What to do, for people. */
  remedy: Schema.String
})
export type Condition = typeof Condition.Type

/** `firing`: it began. `resolved`: it is over. `happened`: it has no end. */
export const NoticePhase = Schema.Literals(["firing", "resolved", "happened"])
export type NoticePhase = typeof NoticePhase.Type

/** One message. `id` is the same for every attempt to deliver it, and for every sink. Times in Unix ms. */
export const Notice = Schema.Struct({
  id: Schema.String,
  phase: NoticePhase,
  condition: Condition,
  /** Since when it holds, or when it happened. */
  since: Schema.Int,
  at: Schema.Int
})
export type Notice = typeof Notice.Type

/** The name of a condition. */
export const keyOf = ({ kind, subject }: Pick<Condition, "kind" | "subject">): string => `${kind} ${subject}`

/** A notice as one line and a paragraph, for people. */
export const inWords = ({ condition, phase, since }: Notice): { readonly title: string; readonly text: string } => {
  const state = phase === "resolved" ? "Resolved" : condition.severity === "critical" ? "Critical" : "Warning"
  return {
    title: `[Rainlogs] ${state}: ${condition.kind} ${condition.subject}`,
    text: phase === "resolved"
      ? `It is over. It was: ${condition.summary} (since ${new Date(since).toISOString()})`
      : `${condition.summary} (since ${new Date(since).toISOString()}) ${condition.remedy}`
  }
}
