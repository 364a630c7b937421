/**
 * Contract: one window's job as the API shows it.
 */
import { Schema } from "effect"
import { JobId, Sha256Hex, ZoneId } from "../domain/Identifier.ts"
import { JobState } from "../domain/LogJob.ts"
import { Fidelity } from "../domain/LogObject.ts"
import { SourceName } from "../domain/Source.ts"
import { ErasureState } from "../lifecycle/Erasure.ts"
import { Instant } from "./Instant.ts"

const orNull = <S extends Schema.Top>(schema: S, description: string) => Schema.NullOr(schema).annotate({ description })

/** A job. What it archived is null until the object is stored; `entry` is null until the window is committed. */
export const JobResource = Schema.Struct({
  id: JobId,
  zone: ZoneId,
  source: SourceName,
  window: Schema.Struct({
    from: Schema.Int.annotate({ description: "Start, inclusive, Unix ms on the source's clock." }),
    to: Schema.Int.annotate({ description: "End, exclusive, Unix ms." }),
    start: Instant.annotate({ description: "`from` as RFC 3339." }),
    end: Instant.annotate({ description: "`to` as RFC 3339." })
  }),
  state: Schema.Literals([...JobState.literals, "erased"]).annotate({
    description:
      "`planned` → `leased` → `stored` → `committed`; or `gap` (never collected, see `gapReason`), or `split` " +
      "(replaced by two shorter windows). A committed window becomes `erased` when its erasure is done."
  }),
  records: orNull(Schema.Int, "Log lines in the object."),
  bytes: orNull(Schema.Int, "Bytes of NDJSON: what a download returns."),
  storedBytes: orNull(Schema.Int, "Bytes of the stored object: compressed and encrypted."),
  sha256: orNull(Sha256Hex, "SHA-256 of the stored object; of the empty string for an empty window."),
  key: orNull(Schema.String, "Where the object is stored; null also for an empty window, for which nothing is stored."),
  fidelity: orNull(Fidelity, "How faithful the lines are to what the source saw."),
  entry: orNull(
    Schema.Struct({
      leafIndex: Schema.Int.annotate({ description: "Position in the customer's Merkle tree." }),
      seq: Schema.Int.annotate({ description: "Position in the zone's chain." })
    }),
    "The window's place in the ledger."
  ),
  gapReason: orNull(Schema.String, "Why the window is a gap."),
  erasure: orNull(
    Schema.Struct({
      id: Schema.String,
      state: ErasureState,
      executedAt: Schema.NullOr(Instant),
      tombstone: Sha256Hex.annotate({ description: "SHA-256 of the newest tombstone, stored at `event/<sha256>`." })
    }),
    "The erasure that names the window."
  ),
  lastError: orNull(Schema.String, "Why the last attempt failed."),
  attempts: Schema.Int.annotate({ description: "How often a worker took the job." }),
  notBefore: Instant.annotate({ description: "The job is not tried again before this time." }),
  createdAt: Instant,
  updatedAt: Instant
}).annotate({ identifier: "Job" })
export type JobResource = typeof JobResource.Type

/** A page of jobs, newest window first. `next` asks for the following page; null on the last. */
export const JobPage = Schema.Struct({
  jobs: Schema.Array(JobResource),
  next: orNull(Schema.String, "Pass as `before` for the following page; null on the last page.")
}).annotate({ identifier: "JobPage" })
