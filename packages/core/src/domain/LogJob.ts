/**
 * A log job: the work of archiving one window. Its states are a table; the database accepts no other transition.
 */
import { Schema } from "effect"
import type { Origin } from "./Customer.ts"
import { CustomerId, JobId, SourceId, Timestamp, uuidFromText, ZoneId } from "./Identifier.ts"
import { SourceName } from "./Source.ts"
import { Window } from "./Window.ts"

/** The states of a job. `committed`, `gap` and `split` are final. */
export const JobState = Schema.Literals(["planned", "leased", "stored", "committed", "gap", "split"])
export type JobState = typeof JobState.Type

/** What can happen to a job. */
export type JobEvent = "lease" | "store" | "commit" | "fail" | "split" | "expire"

/**
 * State × event → state. A missing cell is a transition that must not happen.
 * `lease` on `leased` or `stored` is a take-over after the lease ran out; the fence grows with each lease.
 */
export const transitions: { readonly [S in JobState]: { readonly [E in JobEvent]?: JobState } } = {
  planned: { lease: "leased", expire: "gap", split: "split" },
  leased: { lease: "leased", store: "stored", commit: "committed", fail: "planned", split: "split" },
  stored: { lease: "leased", commit: "committed", fail: "planned" },
  committed: {},
  gap: {},
  split: {}
}

/** The state after `event`, or undefined if the event is not allowed in `state`. */
export const next = (state: JobState, event: JobEvent): JobState | undefined => transitions[state][event]

/** One window's job. `fence` grows with every lease: a write that carries an older fence is refused. */
export const LogJob = Schema.Struct({
  id: JobId,
  customer: CustomerId,
  zone: ZoneId,
  source: SourceId,
  sourceName: SourceName,
  window: Window,
  state: JobState,
  attempts: Schema.Int,
  failures: Schema.Int,
  fence: Schema.Int,
  /** Not leased before this time, Unix ms (back-off). */
  notBefore: Timestamp,
  lastError: Schema.NullOr(Schema.String),
  createdAt: Timestamp,
  updatedAt: Timestamp
})
export type LogJob = typeof LogJob.Type

/** The id of a window's job: derived from origin, chain, source and window, so every attempt is the same job. */
export const jobIdOf = (origin: Origin, chain: ZoneId, source: SourceName, window: Window): JobId =>
  JobId.make(uuidFromText(`rainlogs-job/v1\n${origin}\n${chain}\n${source}\n${window.from} ${window.to}\n`))

/** The id of an event entry's job: derived from the event document, so appending it twice is one entry. */
export const eventJobIdOf = (origin: string, documentSha256: string): JobId =>
  JobId.make(uuidFromText(`rainlogs-event/v1\n${origin}\n${documentSha256}\n`))
