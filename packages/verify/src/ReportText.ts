/**
 * A report as text for a terminal: the four verdicts first, then what led to them, then what is covered.
 */
import { nextStep } from "./NextStep.ts"
import { exitCode, type Finding, type Question, questions, type Report, type SourceCoverage } from "./Report.ts"

/** Findings printed before the rest is only counted. */
const findingsShown = 40

const time = (ms: number): string => {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString().replace(".000Z", "Z")
}

/** Bytes in decimal units, as disks are sold. */
export const formatBytes = (bytes: number): string => {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"]
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3))
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toFixed(1)} ${units[power]}`
}

const checked = (report: Report): Record<Question, string> => {
  const { anchors, entries, erasures, objects, objectBytes, documents, tiles, checkpoints, heartbeats } = report.counts
  const newest = report.trustedTime === null ? "" : `, newest ${time(report.trustedTime)}`
  return {
    integrity: `${entries} entries, ${objects} objects (${formatBytes(objectBytes)}), ${documents} documents, ` +
      `${tiles} tiles, ${checkpoints} checkpoints`,
    completeness: `${report.coverage.length} sources, ${heartbeats} heartbeats`,
    anchoring: `${anchors} trusted times${newest}`,
    erasures: `${erasures} erasures`
  }
}

// The next step stands with the first finding of a code, and never with a notice.
const findingLines = (finding: Finding, explained: Set<string>): Array<string> => {
  const { code, severity, chain, seq, detail, key, expected, actual } = finding
  const step = severity === "notice" || explained.has(code) ? null : nextStep(code)
  explained.add(code)
  const entry = chain === null ? "" : ` ${chain}${seq === null ? "" : ` #${seq}`}`
  return [
    `  ${severity.toUpperCase()} ${code}${entry}: ${detail}`,
    ...key === undefined ? [] : [`    file      ${key}`],
    ...expected === undefined ? [] : [`    expected  ${expected}`],
    ...actual === undefined ? [] : [`    found     ${actual}`],
    ...step === null ? [] : [`    next      ${step}`]
  ]
}

const coverageLines = (coverage: SourceCoverage): Array<string> => [
  `  ${coverage.source} of ${coverage.chain}`,
  `    ${time(coverage.from)} to ${time(coverage.to)}: ${coverage.windows} windows (${coverage.empty} empty), ` +
  `${coverage.records} records, ${formatBytes(coverage.bytes)}`,
  ...coverage.gaps.map((gap) => `    gap ${time(gap.from)} to ${time(gap.to)}, ${gap.reason}`)
]

/** The report as lines, each ended by LF. `only` are the questions the exit code speaks of. */
export const printReport = (report: Report, only: ReadonlyArray<Question> = questions): string => {
  const counts = checked(report)
  const lines = [
    `Ledger  ${report.origin}`,
    `Head    ${report.size} entries` +
    (report.headTime === null ? "" : `, newest ${time(report.headTime)}`) +
    (report.clockTime === null ? "" : `, cosigned ${time(report.clockTime)}`),
    "",
    ...questions.map((question) => {
      const asked = only.includes(question) ? "" : " (not asked)"
      return `${question.toUpperCase().padEnd(13)} ${report.verdict[question].padEnd(13)} ${counts[question]}${asked}`
    })
  ]
  if (report.findings.length > 0) {
    const explained = new Set<string>()
    const shown = report.findings.slice(0, findingsShown)
    lines.push("", "Findings", ...shown.flatMap((finding) => findingLines(finding, explained)))
    const more = report.findings.length - findingsShown
    if (more > 0) lines.push(`  ${more} more; --json shows all`)
  }
  if (report.coverage.length > 0) lines.push("", "Coverage", ...report.coverage.flatMap(coverageLines))
  const meaning = ["pass", "tampering proven", "cannot conclude", "malformed input"]
  const code = exitCode(report, only)
  lines.push("", `Exit ${code}: ${meaning[code]} (${only.join(", ")})`)
  return `${lines.join("\n")}\n`
}
