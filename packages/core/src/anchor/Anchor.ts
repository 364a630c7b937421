/**
 * Port: somebody outside the archive who is shown a checkpoint, and gives a receipt for it (ledger format §6). Each
 * adapter is one kind of anchor; a ledger may have any number of them.
 */
import type { AnchorType } from "@rainlogs/verify/Anchored"
import { Context, type Effect, Schema } from "effect"

/** What a caller can do about a failure; back-off and alarm go by it. */
export const AnchorCategory = Schema.Literals([
  "throttled",
  "transient",
  "rejected",
  "untrusted",
  "unauthorised",
  "equivocation"
])
/**
 * `throttled`: ask later. `transient`: the other side did not answer properly. `rejected`: it said no, or the receipt
 * does not fit. `untrusted`: the receipt is signed by nobody trusted, or by a clock that cannot be believed.
 * `unauthorised`: it wants credentials. `equivocation`: it holds another checkpoint of the same ledger and size.
 */
export type AnchorCategory = typeof AnchorCategory.Type

/** No receipt. Nothing was kept. `retryAfterMs` is the other side's wish, or null. */
export class AnchorError extends Schema.TaggedError<AnchorError>()("AnchorError", {
  anchor: Schema.String,
  category: AnchorCategory,
  detail: Schema.String,
  retryAfterMs: Schema.NullOr(Schema.Finite)
}) {
  override get message(): string {
    return `${this.anchor}: ${this.detail} (${this.category})`
  }
}

/** A published checkpoint; `checkpoint` is the bytes of `checkpoint.d/<size>`, which are what is stamped. */
export interface StampRequest {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
  readonly checkpoint: Uint8Array
}

/** What a receipt says, once it is checked: its time and when what it rests on expires, both Unix ms. */
export interface ReceiptFacts {
  readonly time: number
  /** Null when nothing expires. */
  readonly expires: number | null
}

/** A checked receipt: the bytes to keep, and what they say. */
export interface Receipt extends ReceiptFacts {
  readonly bytes: Uint8Array
}

/** One anchor. */
export interface Anchor {
  /** Names its receipts: 1 to 64 of `a-z`, `0-9` and `-`; the same for the life of the archive. */
  readonly id: string
  readonly type: AnchorType
  /** How many stamps it may be asked for in a minute, over all ledgers. */
  readonly stampsPerMinute: number
  /** Has the checkpoint stamped. What it returns is checked: it is about this checkpoint and by somebody trusted. */
  readonly stamp: (request: StampRequest) => Effect.Effect<Receipt, AnchorError>
  /** Checks a stored receipt as {@link stamp} would have. */
  readonly check: (receipt: Uint8Array, request: StampRequest) => Effect.Effect<ReceiptFacts, AnchorError>
}

/** Whether receipts of a type give a time that a verifier can trust; the others inform. */
export const isTrusted = (type: AnchorType): boolean => type === "rfc3161" || type === "witness"

/** The anchors of this archive, in the order they were configured. */
export class Anchors extends Context.Service<Anchors, ReadonlyArray<Anchor>>()("@rainlogs/core/Anchors") {}
