/**
 * An erasure of archived windows (ledger format §7): what was announced, how far it is, and the windows it names.
 */
import { tombstoneMethods, tombstoneReasons, type TombstoneTarget } from "@rainlogs/verify/Tombstone"
import { Schema } from "effect"
import type { JobId } from "../domain/Identifier.ts"
import { Sha256Hex, Timestamp } from "../domain/Identifier.ts"
import type { Window } from "../domain/Window.ts"

/** Identifies an erasure: the `id` of its tombstone, a lower-case UUID. */
export const ErasureId = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/u, { expected: "a lower-case UUID" })
)

/** Why windows are erased. */
export const ErasureReason = Schema.Literals(tombstoneReasons)
export type ErasureReason = typeof ErasureReason.Type

/** How: the object is removed, or only the key it can be read with. */
export const ErasureMethod = Schema.Literals(tombstoneMethods)
export type ErasureMethod = typeof ErasureMethod.Type

/**
 * `announced`: the intent is in the ledger and nothing is gone. `executing`: objects or keys may be gone, and no hold
 * can stop it any more. `done`: they are gone and the ledger says so.
 */
export const ErasureState = Schema.Literals(["announced", "executing", "done"])
export type ErasureState = typeof ErasureState.Type

/** An erasure; times in Unix ms. */
export const Erasure = Schema.Struct({
  id: Schema.String,
  state: ErasureState,
  reason: ErasureReason,
  method: ErasureMethod,
  /** Opaque reference to the legal basis. */
  basis: Schema.String,
  /** SHA-256 of the policy document that it was announced under. */
  policy: Sha256Hex,
  requested: Timestamp,
  notBefore: Timestamp,
  /** Number of windows. */
  targets: Schema.Int,
  /** SHA-256 of the announcement, chain hash and time of its entry. */
  intent: Schema.Struct({ document: Sha256Hex, hash: Sha256Hex, time: Timestamp }),
  executed: Schema.NullOr(Timestamp),
  /** SHA-256 of the report, once it is done. */
  done: Schema.NullOr(Sha256Hex),
  /** Why the last try did not come to its end. */
  lastError: Schema.NullOr(Schema.String)
})
export type Erasure = typeof Erasure.Type

/** A committed window that holds something, as an erasure names and destroys it. */
export interface ErasureTarget extends TombstoneTarget {
  readonly job: JobId
  /** Where the object is stored, and the id of its data key; null if it is not encrypted. */
  readonly key: string
  readonly dek: string | null
  readonly window: Window
  /** Time of its ledger entry, Unix ms. */
  readonly archived: number
  /** Bytes stored. */
  readonly size: number
  /** The erasure that names it already. */
  readonly erasure: string | null
}

/**
 * The most windows that one tombstone names: a document of about 46 kB, which fits into one request of the API. More
 * windows are more tombstones.
 */
export const mostTargets = 256

/** When an erasure of this window for `retention` is due: counted from its end or its archiving, whichever is later. */
export const retentionStart = (target: Pick<ErasureTarget, "window" | "archived">): number =>
  Math.max(target.window.to, target.archived)
