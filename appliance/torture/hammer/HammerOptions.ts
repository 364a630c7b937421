/**
 * What the hammer's processes are told, and where in the run's directory they leave what they did.
 */
import type { LedgerOf } from "@rainlogs/core/ledger/LedgerStore"
import type { Kill } from "./Steps.ts"

/** Length of every window, ms. */
export const windowMs = 30_000

/** The part of a worker: windows `[from, to)` of the timeline, by number. */
export interface Share {
  readonly name: "writer"
  readonly number: number
  readonly from: number
  readonly to: number
}

/** What one process is told. */
export interface HammerProcessOptions {
  readonly directory: string
  readonly socketPath: string
  readonly database: string
  readonly ledger: LedgerOf
  readonly zone: string
  readonly seed: number
  readonly faultProbability: number
  readonly kill: Kill | null
  readonly role: Share | { readonly name: "publisher" }
}

/** Job ids whose commit was acknowledged to a worker, one a line. */
export const acknowledgedFile = "acknowledged"

/** Every checkpoint that was signed, as JSON strings of the note, one a line. */
export const signedFile = "signed"

/** Its existence tells the publisher that all workers are done. */
export const finishFile = "finish"
