/**
 * Pages of a zone's jobs. Several jobs may share a window start (a window and the first half it was split into), so
 * the cursor names the last job shown, not only its start: nothing is skipped and nothing shown twice.
 */
import type { DatabaseError, JobView } from "@rainlogs/core/archive/WindowLedger"
import { Effect } from "effect"

/** A place between two jobs: before `from` (Unix ms); or right after job `job`, whose window starts at `from`. */
export interface Cursor {
  readonly from: number
  readonly job: string | null
}

/** Reads a cursor as `JobCursor` admits it. */
export const parse = (text: string): Cursor => {
  const [from, job] = text.split(".")
  return { from: Number(from), job: job ?? null }
}

/** A window halved over and over until it is a minute long leaves fewer jobs than this with one start. */
const mostWithOneStart = 64

/** Newest window first; of windows with one start the longest first. */
const order = (left: JobView, right: JobView): number =>
  right.job.window.from - left.job.window.from || right.job.window.to - left.job.window.to ||
  (left.job.id < right.job.id ? -1 : 1)

/**
 * One page of at most `limit` jobs and the cursor of the next, or null on the last. `read` returns at most so many
 * jobs that start before a time, newest first.
 */
export const page = Effect.fnUntraced(function*(
  read: (page: { readonly limit: number; readonly before: number | null }) => Effect.Effect<
    ReadonlyArray<JobView>,
    DatabaseError
  >,
  limit: number,
  cursor: Cursor | null
) {
  const before = cursor === null ? null : cursor.job === null ? cursor.from : cursor.from + 1
  const found = [...(yield* read({ limit: limit + 1 + 2 * mostWithOneStart, before }))].sort(order)
  const seen = cursor === null || cursor.job === null ? -1 : found.findIndex(({ job }) => job.id === cursor.job)
  const rest = found.slice(seen + 1)
  const jobs = rest.slice(0, limit)
  const last = jobs.at(-1)
  return {
    jobs,
    next: rest.length > limit && last !== undefined ? `${last.job.window.from}.${last.job.id}` : null
  }
})
