/**
 * The tamper catalogue: every case, and how it is run. The cases are those of the test vector
 * `ledger/tamper-cases.json`.
 */
import type { Finding } from "../Report.ts"
import { bundleCases } from "./BundleCases.ts"
import { entryCases } from "./EntryCases.ts"
import { headCases } from "./HeadCases.ts"
import { objectCases } from "./ObjectCases.ts"
import { type Evidence, shortfall, type TamperCase } from "./TamperCase.ts"
import { timestampCases } from "./TimestampCases.ts"

/** All cases. */
export const catalogue: ReadonlyArray<TamperCase> = [
  ...objectCases,
  ...entryCases,
  ...headCases,
  ...timestampCases,
  ...bundleCases
]

/** What became of a case. */
export interface CaseResult {
  readonly id: string
  readonly attempts: number
  /** What the verifier should have said and did not, by attempt; empty when the case is caught. */
  readonly shortfalls: ReadonlyArray<string>
  /** Codes found in all attempts together, sorted. */
  readonly codes: ReadonlyArray<string>
  /** The first finding of the code that was expected; null when none is, or nothing more than a code was found. */
  readonly first: Finding | null
}

/** Runs every attempt of a case. */
export const runCase = async (item: TamperCase, evidence: Evidence): Promise<CaseResult> => {
  const shortfalls: Array<string> = []
  const codes = new Set<string>()
  let first: Finding | null = null
  const attempts = await item.attempts(evidence)
  for (const attempt of attempts) {
    const outcome = await attempt.run()
    for (const code of outcome.codes) codes.add(code)
    first ??= outcome.findings?.find(({ code }) => item.expect.includes(code)) ?? null
    const missed = shortfall(item, outcome)
    if (missed !== null) shortfalls.push(`${attempt.name === "" ? item.id : `${item.id}, ${attempt.name}`}: ${missed}`)
  }
  return { id: item.id, attempts: attempts.length, shortfalls, codes: [...codes].sort(), first }
}
