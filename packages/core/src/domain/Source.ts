/**
 * A source: one stream of records of one zone, with one timeline of windows on its own clock. A source that cannot be
 * collected is `blocked` with a reason and what to do, and never looks healthy.
 */
import { Schema } from "effect"
import { Origin } from "./Customer.ts"
import { CustomerId, SourceId, Timestamp, uuidFromText, ZoneId } from "./Identifier.ts"

/** The name of a source as the ledger writes it: `<provider>/<way>/<dataset>`. */
export const SourceName = Schema.Literals([
  "cloudflare/logpull/http_requests",
  "cloudflare/graphql/firewall_events",
  "cloudflare/graphql/http_requests",
  "cloudflare/audit_logs/v1",
  "cloudflare/audit_logs/v2",
  "cloudflare/instant_logs/http_requests",
  "cloudflare/logpush/http_requests",
  "cloudflare/logpush/firewall_events",
  "cloudflare/bucket/http_requests",
  "cloudflare/bucket/firewall_events"
])
export type SourceName = typeof SourceName.Type

/** Why a source cannot be collected. */
export const BlockReason = Schema.Literals(["retention-off", "unauthorised", "zone-not-found", "not-entitled"])
export type BlockReason = typeof BlockReason.Type

/** Whether a source is collected, and if not, why, since when (Unix ms), and what to do about it. */
export const SourceStatus = Schema.Union([
  Schema.Struct({ state: Schema.Literal("active") }),
  Schema.Struct({
    state: Schema.Literal("blocked"),
    reason: BlockReason,
    since: Timestamp,
    remedy: Schema.String
  })
])
export type SourceStatus = typeof SourceStatus.Type

/** The id of a zone's source: derived from both, so a rebuilt database has the same. */
export const sourceIdOf = (zone: ZoneId, name: SourceName): SourceId =>
  SourceId.make(uuidFromText(`rainlogs-source/v1\n${zone}\n${name}\n`))

/** A source that is collected. */
export const active: SourceStatus = { state: "active" }

/** One source of one zone. `windowMs` is the longest window planned now; it shrinks after oversize or repeated failure. */
export const Source = Schema.Struct({
  id: SourceId,
  customer: CustomerId,
  origin: Origin,
  zone: ZoneId,
  name: SourceName,
  status: SourceStatus,
  /** Where the timeline starts, Unix ms. */
  startsAt: Timestamp,
  windowMs: Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
})
export type Source = typeof Source.Type
