/**
 * A source: one stream of records of one zone, with one timeline of windows on its own clock.
 */
import { Schema } from "effect"
import { Origin } from "./Customer.ts"
import { CustomerId, SourceId, Timestamp, ZoneId } from "./Identifier.ts"

/** The name of a source as the ledger writes it: `<provider>/<way>/<dataset>`. */
export const SourceName = Schema.Literals(["cloudflare/logpull/http_requests"])
export type SourceName = typeof SourceName.Type

/** One source of one zone. `windowMs` is the longest window planned now; it shrinks after oversize or repeated failure. */
export const Source = Schema.Struct({
  id: SourceId,
  customer: CustomerId,
  origin: Origin,
  zone: ZoneId,
  name: SourceName,
  /** Where the timeline starts, Unix ms. */
  startsAt: Timestamp,
  windowMs: Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
})
export type Source = typeof Source.Type
