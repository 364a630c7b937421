/**
 * What can go wrong between the data directory and a PostgreSQL server that answers. Every message says what to do next.
 */
import { Schema } from "effect"

const wayOut = "Set DATABASE_URL to use a PostgreSQL server (15 or newer) of your own instead."

/**
 * This machine cannot run the embedded PostgreSQL: no binaries for the platform, a missing system library, no user
 * account to run it under, or no directory it may execute files from.
 */
export class PostgresUnavailable extends Schema.TaggedError<PostgresUnavailable>()("PostgresUnavailable", {
  /** One sentence: what is missing and, where known, how to supply it. */
  reason: Schema.String
}) {
  /** The reason, and the setting that avoids the embedded server. */
  override get message(): string {
    return `The embedded PostgreSQL cannot run here: ${this.reason} ${wayOut}`
  }
}

/** Another live process holds the data directory. */
export class DataDirectoryInUse extends Schema.TaggedError<DataDirectoryInUse>()("DataDirectoryInUse", {
  directory: Schema.String,
  /** Process id of the holder, in the holder's own process namespace. */
  pid: Schema.Int
}) {
  /** Names the directory and the process to stop. */
  override get message(): string {
    return `The data directory ${this.directory} is in use by process ${this.pid}. ` +
      "Stop that process, or choose another data directory: two servers on one directory would corrupt it."
  }
}

/** The embedded PostgreSQL was started and did not become ready, or the data directory is not usable. */
export class PostgresStartFailed extends Schema.TaggedError<PostgresStartFailed>()("PostgresStartFailed", {
  directory: Schema.String,
  /** One sentence: the step that failed. */
  reason: Schema.String,
  /** The last lines PostgreSQL wrote, or the operating system's message. */
  detail: Schema.String
}) {
  /** The failed step, the place, and what PostgreSQL said. */
  override get message(): string {
    return `The embedded PostgreSQL in ${this.directory} did not start: ${this.reason}` +
      (this.detail === "" ? "" : `\n${this.detail}`)
  }
}

/** Every way in which the embedded server fails to start. */
export type PostgresError = PostgresUnavailable | DataDirectoryInUse | PostgresStartFailed
