/**
 * A zone: one Cloudflare zone a customer archives, from one or more sources.
 */
import { Schema } from "effect"
import { CloudflareZoneId, CustomerId, Timestamp, ZoneId } from "./Identifier.ts"
import { BlockReason, type SourceStatus } from "./Source.ts"

const Blocked = { reason: BlockReason, since: Timestamp, remedy: Schema.String }

/**
 * Whether a zone is collected: from all of its sources (`active`), from some (`degraded`) or from none (`blocked`).
 * Reason, since when (Unix ms) and remedy are those of the source that is blocked longest.
 */
export const ZoneStatus = Schema.Union([
  Schema.Struct({ state: Schema.Literal("active") }),
  Schema.Struct({ state: Schema.Literal("degraded"), ...Blocked }),
  Schema.Struct({ state: Schema.Literal("blocked"), ...Blocked })
])
export type ZoneStatus = typeof ZoneStatus.Type

/** The status of a zone with sources of these statuses; a zone without a source is `active`: nothing is wrong with it. */
export const statusOf = (sources: ReadonlyArray<SourceStatus>): ZoneStatus => {
  const blocked = sources.flatMap((status) => status.state === "blocked" ? [status] : [])
  const [first, ...others] = blocked
  if (first === undefined) return { state: "active" }
  const { reason, remedy, since } = others.reduce((oldest, one) => one.since < oldest.since ? one : oldest, first)
  return { state: blocked.length === sources.length ? "blocked" : "degraded", reason, since, remedy }
}

/** One Cloudflare zone of a customer. */
export const Zone = Schema.Struct({
  id: ZoneId,
  customer: CustomerId,
  name: Schema.NonEmptyString,
  cloudflareZone: CloudflareZoneId,
  status: ZoneStatus,
  createdAt: Timestamp
})
export type Zone = typeof Zone.Type
