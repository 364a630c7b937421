/**
 * The jobs of a source that are neither done nor replaced, read page by page.
 */
import { Effect } from "effect"
import type { JobId } from "../domain/Identifier.ts"
import type { LogJob } from "../domain/LogJob.ts"
import type { Source } from "../domain/Source.ts"
import type { Window } from "../domain/Window.ts"
import type { WindowLedger } from "./WindowLedger.ts"

const pageSize = 1000

const openStates: ReadonlySet<LogJob["state"]> = new Set(["planned", "leased", "stored"])

/** The open jobs whose windows end after `range.from` and start before `range.to` (Unix ms), newest first. */
export const openJobs = Effect.fnUntraced(function*(ledger: WindowLedger["Service"], source: Source, range: Window) {
  const found = new Map<JobId, LogJob>()
  for (let before = range.to;;) {
    const page = yield* ledger.jobs(source.customer, source.zone, { limit: pageSize, before })
    for (const { job } of page) {
      if (job.source === source.id && openStates.has(job.state) && job.window.to > range.from) found.set(job.id, job)
    }
    const last = page.at(-1)?.job.window
    if (last === undefined || page.length < pageSize || last.from <= range.from) return Array.from(found.values())
    // Another source of the zone may have a window with the same start on the next page.
    before = last.from + 1 < before ? last.from + 1 : last.from
  }
})
