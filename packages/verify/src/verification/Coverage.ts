/**
 * COMPLETENESS of the sources (ledger format §3): the windows and declared gaps of each source tile its timeline, from
 * the first one on, with no overlap and no hole.
 */
import { controlChain } from "../Chain.ts"
import type { ObjectEntry } from "../Entry.ts"
import type { Gap } from "../Gap.ts"
import type { CoverageGap, SourceCoverage } from "../Report.ts"
import type { Findings } from "./Findings.ts"
import { Intervals } from "./Intervals.ts"

// How long after the source's horizon a hole may still be filled: the time a collector needs to give up on it.
const pendingGrace = 3_600_000

interface SourceState {
  readonly chain: string
  readonly source: string
  readonly covered: Intervals
  readonly gaps: Array<CoverageGap>
  windows: number
  empty: number
  records: number
  bytes: number
  incomplete: number
  horizon: number | null
}

const span = (from: number, to: number): string => `[${from}, ${to}) ${isoTime(from)} to ${isoTime(to)}`

/** A time in ms as ISO 8601, or the number where no calendar date has it. */
export const isoTime = (time: number): string => {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString()
}

/** Windows and gaps of every source of one ledger. */
export class Coverage {
  readonly #findings: Findings
  readonly #sources = new Map<string, SourceState>()
  #last: SourceState | null = null

  constructor(findings: Findings) {
    this.#findings = findings
  }

  /** Adds a collected window; `horizon` (ms) says how long its source can be read again, null when unknown. */
  addObject(entry: ObjectEntry, horizon: number | null): void {
    const state = this.#source(entry.chain, entry.source)
    state.windows += 1
    if (entry.key === null) state.empty += 1
    if (entry.fidelity !== "complete") state.incomplete += 1
    state.records += entry.records
    state.bytes += entry.plainSize
    if (horizon !== null) state.horizon = Math.max(state.horizon ?? 0, horizon)
    this.#cover(state, entry.window.from, entry.window.to, entry.chain, entry.seq)
  }

  /** Adds a declared gap; `seq` is its entry's in the control chain. */
  addGap(gap: Gap, seq: number): void {
    const state = this.#source(gap.chain, gap.source)
    state.gaps.push({ from: gap.from, to: gap.to, reason: gap.reason, detail: gap.detail })
    const said = gap.detail === null ? "" : `: ${gap.detail}`
    this.#findings.add({
      code: "GAP_DECLARED",
      question: "completeness",
      severity: "notice",
      chain: controlChain,
      seq,
      detail: `${gap.source} of ${gap.chain} was not collected in ${
        span(gap.from, gap.to)
      }, reason ${gap.reason}${said}`
    })
    this.#cover(state, gap.from, gap.to, controlChain, seq)
  }

  /** Reports holes, as of the ledger's head time (ms), and answers the coverage of every source. */
  finish(headTime: number): Array<SourceCoverage> {
    const coverage: Array<SourceCoverage> = []
    const order = [...this.#sources].sort(([left], [right]) => left < right ? -1 : 1)
    for (const [, state] of order) {
      this.#reportHoles(state, headTime)
      this.#reportFidelity(state)
      const { chain, source, windows, empty, records, bytes } = state
      const gaps = state.gaps.sort((left, right) => left.from - right.from)
      const [from, to] = [state.covered.items[0]?.from ?? 0, state.covered.items.at(-1)?.to ?? 0]
      coverage.push({ chain, source, from, to, windows, empty, records, bytes, gaps })
    }
    return coverage
  }

  #source(chain: string, source: string): SourceState {
    // Most entries are of the same source as the one before.
    if (this.#last?.chain === chain && this.#last.source === source) return this.#last
    const name = `${chain} ${source}`
    const known = this.#sources.get(name)
    if (known !== undefined) return this.#last = known
    const counts = { windows: 0, empty: 0, records: 0, bytes: 0, incomplete: 0 }
    const state: SourceState = { chain, source, covered: new Intervals(), gaps: [], ...counts, horizon: null }
    this.#sources.set(name, state)
    return this.#last = state
  }

  #cover(state: SourceState, from: number, to: number, chain: string, seq: number): void {
    const overlap = state.covered.add({ from, to })
    if (overlap === null) return
    const detail = `${state.source} of ${state.chain}: ${span(overlap.from, overlap.to)} is stated twice`
    this.#findings.add({ code: "WINDOW_OVERLAP", question: "completeness", chain, seq, detail })
  }

  #reportHoles({ chain, source, covered, horizon, windows }: SourceState, headTime: number): void {
    for (const { from, to } of covered.holes()) {
      // Only windows say how long a source can be read again: of a source with nothing but gaps it is not known.
      const unknown = windows === 0
      const pending = unknown || (horizon !== null && headTime < to + horizon + pendingGrace)
      this.#findings.add({
        code: pending ? "COVERAGE_PENDING" : "COVERAGE_GAP",
        question: "completeness",
        severity: pending ? "inconclusive" : "fail",
        chain,
        detail: `${source}: ${span(from, to)} is neither collected nor declared as a gap` +
          (unknown
            ? "; no window says how long it can be read"
            : pending
            ? ", but can still be read from the source"
            : "")
      })
    }
  }

  #reportFidelity({ chain, source, incomplete, windows }: SourceState): void {
    if (incomplete === 0) return
    const detail = `${source}: ${incomplete} of ${windows} windows were given sampled or in part by the source itself`
    this.#findings.add({ code: "FIDELITY_LIMITED", question: "completeness", severity: "notice", chain, detail })
  }
}
