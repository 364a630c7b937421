/**
 * Port: the keys of pseudonyms, one per customer and period, each a random 32 bytes kept under the customer's key. Who
 * destroys the key of a period makes its pseudonyms anonymous: nobody can compute again which value gave which.
 */
import { Context, type Effect } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { CustomerId } from "../domain/Identifier.ts"
import type { KmsError } from "../secrets/Kms.ts"
import type { PseudonymKey } from "./CompiledEdit.ts"
import type { Rotation } from "./Pipeline.ts"
import type { PseudonymKeyDestroyed } from "./PipelineError.ts"

const dayMs = 86_400_000
const iso = (at: number): string => new Date(at).toISOString()

const weekOf = (at: number): string => {
  // ISO 8601: a week belongs to the year of its Thursday.
  const day = Math.floor(at / dayMs)
  const thursday = (day - ((day + 3) % 7) + 3) * dayMs
  const year = iso(thursday).slice(0, 4)
  const week = Math.floor((thursday - Date.UTC(Number(year), 0, 1)) / (7 * dayMs)) + 1
  return `${year}-W${String(week).padStart(2, "0")}`
}

/** The period of a moment (Unix ms): `2026-11-27`, `2026-W48`, `2026-11` or `never`. */
export const periodOf = (rotation: Rotation, at: number): string => {
  switch (rotation) {
    case "day":
      return iso(at).slice(0, 10)
    case "week":
      return weekOf(at)
    case "month":
      return iso(at).slice(0, 7)
    case "never":
      return "never"
  }
}

/** How long after its end windows of a period may still be archived, days: sources can be read again for seven. */
const lateDays = 8

/** Whether windows of a period may still be archived at `now` (Unix ms), so that its key is needed. */
export const isOpen = (period: string, now: number): boolean =>
  /^[0-9]{4}/.test(period) && period.slice(0, 4) > iso(now).slice(0, 4) ||
  Array.from({ length: lateDays + 1 }, (_, day) => now - day * dayMs).some((at) =>
    (["day", "week", "month"] as const).some((rotation) => periodOf(rotation, at) === period)
  )

/** The additional data of a wrapped key: `rainlogs-pseudonym-key/v1` ∥ 0x00 ∥ customer ∥ 0x00 ∥ period, as ASCII. */
export const pseudonymKeyAad = (customer: CustomerId, period: string): Uint8Array =>
  new TextEncoder().encode(`rainlogs-pseudonym-key/v1\0${customer}\0${period}`)

/** A key as it is listed; `destroyedAt` is null while pseudonyms of the period can be made. Times in Unix ms. */
export interface PseudonymPeriod {
  readonly period: string
  readonly createdAt: number
  readonly destroyedAt: number | null
}

/** Keys of pseudonyms. */
export class PseudonymKeys extends Context.Service<PseudonymKeys, {
  /** The key of a period, made if there is none; two who ask at once get the same. A destroyed one is never made again. */
  readonly key: (
    customer: CustomerId,
    period: string
  ) => Effect.Effect<PseudonymKey, PseudonymKeyDestroyed | DatabaseError | KmsError>
  /** Every period that has, or had, a key. */
  readonly periods: (customer: CustomerId) => Effect.Effect<ReadonlyArray<PseudonymPeriod>, DatabaseError>
  /** Destroys the key of a period at `now` (Unix ms), for ever. `in-use`: a pipeline still makes pseudonyms of `never`. */
  readonly destroy: (
    customer: CustomerId,
    period: string,
    now: number
  ) => Effect.Effect<"destroyed" | "in-use" | "missing", DatabaseError>
}>()("@rainlogs/core/PseudonymKeys") {}
