/**
 * What is written on a job that is given back without having failed, and what a planner reads from it. A worker that
 * finds a window expired says so on the job once it has looked for the object of an interrupted attempt; only then may
 * a planner declare it a gap, or a window that is stored already would be called lost.
 */
import type { LogJob } from "../domain/LogJob.ts"

/** A reason that does not count as a failure, as `WindowLedger.retry` takes it. */
export interface Postponement {
  readonly code: string
  readonly detail: string
  readonly counts: "postponement"
}

const separator = "; before: "

/** The last failure of the job, past everything that was merely noted on it. */
const reasonBefore = ({ lastError }: LogJob): string =>
  lastError === null || !/^(?:stopped|expired|unsettled|not-here): /.test(lastError)
    ? lastError ?? ""
    : lastError.split(separator).slice(1).join(separator)

const noted = (job: LogJob, code: string, detail: string): Postponement => {
  const before = reasonBefore(job)
  return { code, detail: before === "" ? detail : `${detail}${separator}${before}`, counts: "postponement" }
}

/** The worker was stopped in the middle. */
export const stopped = (job: LogJob): Postponement => noted(job, "stopped", "the worker was stopped")

/** The worker's process has no strategy for the source. */
export const notHere = (job: LogJob): Postponement =>
  noted(job, "not-here", `${job.sourceName} is collected by another process`)

/** The source may still add records to the window. */
export const unsettled = (job: LogJob): Postponement => noted(job, "unsettled", "younger than the source's settle time")

/** The source has forgotten the window, and no attempt has left its object behind. */
export const expired = (job: LogJob): Postponement => noted(job, "expired", "older than the source keeps")

/** Whether nothing of the job's window can be in the store: nobody ever began, or a worker has looked. */
export const isGivenUp = ({ attempts, lastError, state }: LogJob): boolean =>
  state === "planned" && (attempts === 0 || (lastError ?? "").startsWith("expired: "))
