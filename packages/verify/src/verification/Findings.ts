/**
 * Collects findings, with a bound per code so that a ruined archive cannot exhaust memory.
 */
import { type Finding, type Question, questions, type Severity } from "../Report.ts"

/** Findings kept per code; further ones are counted and summed up in one finding of the same code and severity. */
export const findingsPerCode = 1000

/** What a room of the verifier reports; `chain`, `seq` and `severity` have defaults (null, null, `fail`). */
export interface FindingDraft {
  readonly code: string
  readonly question?: Question
  readonly severity?: Severity
  readonly chain?: string | null
  readonly seq?: number | null
  readonly detail: string
  readonly key?: string
  readonly expected?: string
  readonly actual?: string
}

const severities: ReadonlyArray<Severity> = ["malformed", "fail", "inconclusive", "notice"]

const compare = (left: Finding, right: Finding): number =>
  questions.indexOf(left.question) - questions.indexOf(right.question) ||
  severities.indexOf(left.severity) - severities.indexOf(right.severity) ||
  left.code.localeCompare(right.code) ||
  (left.chain ?? "").localeCompare(right.chain ?? "") ||
  (left.seq ?? 0) - (right.seq ?? 0) ||
  (left.key ?? "").localeCompare(right.key ?? "")

/** The findings of one verification. */
export class Findings {
  readonly #kept: Array<Finding> = []
  readonly #counts = new Map<string, { draft: Finding; count: number }>()

  /** Adds a finding; `question` defaults to integrity. */
  add(draft: FindingDraft): void {
    const finding: Finding = { question: "integrity", severity: "fail", chain: null, seq: null, ...draft }
    const group = `${finding.question} ${finding.severity} ${finding.code}`
    const seen = this.#counts.get(group) ?? { draft: finding, count: 0 }
    seen.count += 1
    this.#counts.set(group, seen)
    if (seen.count <= findingsPerCode) this.#kept.push(finding)
  }

  /** Whether nothing so far stands against a PASS of the question. */
  passes(question: Question): boolean {
    return [...this.#counts.values()].every(({ draft }) => draft.question !== question || draft.severity === "notice")
  }

  /** All kept findings, most severe first within each question, in an order that does not depend on timing. */
  sorted(): Array<Finding> {
    const more: Array<Finding> = []
    for (const { draft: { code, question, severity }, count } of this.#counts.values()) {
      if (count <= findingsPerCode) continue
      const detail = `${count - findingsPerCode} more findings of this code`
      more.push({ code, question, severity, chain: null, seq: null, detail })
    }
    return [...this.#kept.sort(compare), ...more]
  }
}
