/**
 * Branded identifiers of the domain. All are lower-case UUID text, the form the ledger binds.
 */
import { sha256 } from "@rainlogs/verify/Hash"
import { Schema } from "effect"

const Uuid = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/u, {
    expected: "a lower-case UUID"
  }))
)

/** Identifies a customer (a tenant): the unit of isolation, of one ledger and of one origin. */
export const CustomerId = Uuid.pipe(Schema.brand("CustomerId"))
export type CustomerId = typeof CustomerId.Type

/** Identifies a zone inside Rainlogs; it is also the name of the zone's chain in the ledger. */
export const ZoneId = Uuid.pipe(Schema.brand("ZoneId"))
export type ZoneId = typeof ZoneId.Type

/** Identifies one source of one zone: one timeline of windows. */
export const SourceId = Uuid.pipe(Schema.brand("SourceId"))
export type SourceId = typeof SourceId.Type

/** Identifies a job: a UUIDv8 derived from what the job archives, so that a retry is the same job. */
export const JobId = Uuid.pipe(Schema.brand("JobId"))
export type JobId = typeof JobId.Type

/** A zone id as Cloudflare writes it: 32 lower-case hexadecimal digits. */
export const CloudflareZoneId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9a-f]{32}$/u, { expected: "a Cloudflare zone id (32 hexadecimal digits)" })),
  Schema.brand("CloudflareZoneId")
)
export type CloudflareZoneId = typeof CloudflareZoneId.Type

/** Lower-case hexadecimal SHA-256 digest. */
export const Sha256Hex = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/u, { expected: "64 lower-case hexadecimal digits" })),
  Schema.brand("Sha256Hex")
)
export type Sha256Hex = typeof Sha256Hex.Type

/** Unix time in milliseconds: a safe, non-negative integer. */
export const Timestamp = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))

/** UUIDv8 (RFC 9562 §5.8) whose free bits are the first of SHA-256 over `text`. */
export const uuidFromText = (text: string): string => {
  const bytes = sha256(new TextEncoder().encode(text)).slice(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
