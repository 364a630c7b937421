/**
 * A point in time as the API writes it: RFC 3339, UTC, milliseconds.
 */
import { Schema } from "effect"

/** RFC 3339 text on the wire, `DateTime.Utc` in code. */
export const Instant = Schema.DateTimeUtcFromString.pipe(
  Schema.annotateEncoded({ format: "date-time", examples: ["2026-01-01T00:00:00.000Z"] })
)
