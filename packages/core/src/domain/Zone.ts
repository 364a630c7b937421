/**
 * A zone: one Cloudflare zone a customer archives. A zone that cannot be collected is `blocked` with a reason
 * and what to do, and never looks healthy.
 */
import { Schema } from "effect"
import { CloudflareZoneId, CustomerId, Timestamp, ZoneId } from "./Identifier.ts"

/** Why a zone cannot be collected. */
export const BlockReason = Schema.Literals(["retention-off", "unauthorised", "zone-not-found", "not-entitled"])
export type BlockReason = typeof BlockReason.Type

/** Whether a zone is collected, and if not, why, since when (ms), and what to do about it. */
export const ZoneStatus = Schema.Union([
  Schema.Struct({ state: Schema.Literal("active") }),
  Schema.Struct({
    state: Schema.Literal("blocked"),
    reason: BlockReason,
    since: Timestamp,
    remedy: Schema.String
  })
])
export type ZoneStatus = typeof ZoneStatus.Type

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
