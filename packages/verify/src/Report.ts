/**
 * What a verification answers (ledger format §8): four questions, each PASS, FAIL or INCONCLUSIVE, with the findings
 * that led there. The shape is also the CLI's `--json` output.
 */
import type { GapReason } from "./Gap.ts"

/** The four questions, in the order they are reported. */
export const questions = ["integrity", "completeness", "anchoring", "erasures"] as const
/** One of {@link questions}. */
export type Question = typeof questions[number]

/** The answer to one question. INCONCLUSIVE: neither proven nor refuted. */
export type Verdict = "PASS" | "FAIL" | "INCONCLUSIVE"

/** `fail` and `malformed` make a verdict FAIL, `inconclusive` INCONCLUSIVE; a `notice` changes no verdict. */
export type Severity = "fail" | "malformed" | "inconclusive" | "notice"

/** One fact found. */
export interface Finding {
  /** Stable code, `UPPER_CASE`; listed in the verifier's README. */
  readonly code: string
  readonly question: Question
  readonly severity: Severity
  readonly chain: string | null
  readonly seq: number | null
  /** One sentence for a person. */
  readonly detail: string
  /** The file it is about, relative to the archive's root. */
  readonly key?: string
  readonly expected?: string
  readonly actual?: string
}

/** A declared gap `[from, to)`, ms. */
export interface CoverageGap {
  readonly from: number
  readonly to: number
  readonly reason: GapReason
  readonly detail: string | null
}

/** What the ledger says about one source of one chain. */
export interface SourceCoverage {
  readonly chain: string
  readonly source: string
  /** Start of the first window or gap, ms. */
  readonly from: number
  /** End of the last window or gap, ms. */
  readonly to: number
  /** Collected windows, empty ones included. */
  readonly windows: number
  readonly empty: number
  readonly records: number
  /** Bytes before compression and encryption. */
  readonly bytes: number
  readonly gaps: ReadonlyArray<CoverageGap>
}

/** Name and version of the shape of {@link Report}; its JSON Schema is `report.schema.json` of this package. */
export const reportSchema = "rainlogs-report/v1"

/** How much was looked at. */
export interface ReportCounts {
  readonly entries: number
  readonly chains: number
  /** Stored log objects whose bytes were hashed. */
  readonly objects: number
  readonly objectBytes: number
  readonly documents: number
  readonly tiles: number
  readonly checkpoints: number
  readonly heartbeats: number
  /** Trusted times that anchors gave. */
  readonly anchors: number
  /** Erasures that were reported done. */
  readonly erasures: number
}

/** The outcome of one verification of one ledger. */
export interface Report {
  readonly schema: typeof reportSchema
  readonly origin: string
  /** Entries under the signed head that was verified; 0 when there is none. */
  readonly size: number
  /** Largest entry time, ms; null without entries. */
  readonly headTime: number | null
  /** Time stated by the clock's cosignature on the served checkpoint, ms; null without a valid one. */
  readonly clockTime: number | null
  /** Newest time that somebody other than the log attests for a checkpoint, ms; null without any. */
  readonly trustedTime: number | null
  readonly verdict: Readonly<Record<Question, Verdict>>
  readonly findings: ReadonlyArray<Finding>
  readonly coverage: ReadonlyArray<SourceCoverage>
  readonly counts: ReportCounts
}

/** The verdict of one question from its findings; PASS only when nothing speaks against it. */
export const verdictOf = (findings: ReadonlyArray<Finding>, question: Question): Verdict => {
  const severities = new Set(
    findings.filter((finding) => finding.question === question).map(({ severity }) => severity)
  )
  if (severities.has("fail") || severities.has("malformed")) return "FAIL"
  return severities.has("inconclusive") ? "INCONCLUSIVE" : "PASS"
}

/**
 * The exit code of ledger format §8 over the named questions (all four when left out): 3 malformed input, 1 tampering
 * proven, 2 cannot conclude, 0 pass. Malformed input goes first: what was not read cannot be judged.
 */
export const exitCode = (report: Report, only: ReadonlyArray<Question> = questions): 0 | 1 | 2 | 3 => {
  const asked = report.findings.filter((finding) => only.includes(finding.question))
  if (asked.some((finding) => finding.severity === "malformed")) return 3
  const verdicts = only.map((question) => report.verdict[question])
  if (verdicts.includes("FAIL")) return 1
  return verdicts.length > 0 && verdicts.every((verdict) => verdict === "PASS") ? 0 : 2
}
