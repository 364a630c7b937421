/**
 * What a check of an archive comes to: the problems it found and how much it looked at.
 */

/** `damage` needs a person; a `leftover` is what an interrupted step leaves, and does no harm. */
export type FsckSeverity = "damage" | "leftover"

/** One thing that is not as it should be. */
export interface FsckProblem {
  /** Null for what belongs to no ledger. */
  readonly origin: string | null
  readonly code: string
  readonly severity: FsckSeverity
  readonly key: string | null
  readonly detail: string
}

/** How much was looked at. */
export interface FsckCounts {
  readonly ledgers: number
  readonly entries: number
  readonly tiles: number
  readonly objects: number
  readonly documents: number
  readonly keys: number
}

/** What a check came to. */
export interface FsckReport {
  readonly problems: ReadonlyArray<FsckProblem>
  readonly counts: FsckCounts
}

/** How much was looked at so far, of all ledgers. */
export type FsckCounting = { -readonly [name in keyof Omit<FsckCounts, "ledgers">]: number }

/** The most problems that are kept: more would fill memory and tell a person nothing. */
export const problemsKept = 10_000

/** The problems found so far, at most {@link problemsKept}. */
export class FsckFindings {
  readonly problems: Array<FsckProblem> = []
  add(problem: FsckProblem): void {
    if (this.problems.length < problemsKept) this.problems.push(problem)
  }
}
