/**
 * What this process knows of one ledger's anchoring. All of it can be read again from the ledger; it is kept so that an
 * idle ledger costs one small query a look.
 */
import { Effect, Semaphore } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { LedgerOf, LedgerStore } from "../ledger/LedgerStore.ts"
import { ceiling, defaultBackoff } from "../resilience/Backoff.ts"
import type { StorageError } from "../storage/ObjectStore.ts"
import { type Anchor, isTrusted, type ReceiptFacts } from "./Anchor.ts"
import {
  type Coverage,
  coveredSize,
  defaultPace,
  type KnownPace,
  type makeCoverage,
  noCoverage,
  trustedSize
} from "./AnchorCoverage.ts"
import { type Due, type LastReceipt, nextDue, owedSince, type Unseen } from "./AnchorSchedule.ts"
import type { ChainContext } from "./Stamper.ts"

const nothing: Unseen = { any: null, entry: null }

/** One ledger. */
export class AnchoredLedger {
  readonly ledger: LedgerOf
  readonly #turn = Semaphore.makeUnsafe(1)
  readonly #retries = new Map<string, { readonly attempt: number; readonly notBefore: number }>()
  /** Expiry of the newest receipts, as far as this process has seen them, Unix ms by anchor. */
  readonly #expiries = new Map<string, { readonly size: number; readonly expires: number | null }>()
  #size = -1
  #coverage: Coverage = noCoverage
  #pace: KnownPace = defaultPace
  /** By the leaf index from which on entries are unseen. */
  #unseen: ReadonlyMap<number, Unseen> = new Map()

  constructor(ledger: LedgerOf) {
    this.ledger = ledger
  }

  get pace() {
    return this.#pace.pace
  }

  /** Entries in SQL when it was last looked at. */
  get size(): number {
    return this.#size
  }

  /** The newest receipt of an anchor, or null. */
  last(anchor: string): LastReceipt | null {
    const receipt = this.#coverage.receipts.get(anchor)
    if (receipt === undefined) return null
    const known = this.#expiries.get(anchor)
    return { ...receipt, expires: known?.size === receipt.size ? known.expires : null }
  }

  /** The tree size above which receipts of an anchor may not have been chained yet. */
  chainedUpTo(anchor: string): number {
    return this.last(anchor)?.size ?? coveredSize(this.#coverage)
  }

  /** What an anchor has not seen. */
  unseenBy(anchor: string): Unseen {
    return this.#unseen.get(this.last(anchor)?.size ?? 0) ?? nothing
  }

  /** When the anchor's next stamp is due; null: not before there is a new entry, or nobody has looked yet. */
  due(anchor: Anchor): Due | null {
    const due = this.#size < 0 ? null : nextDue({
      unseen: this.unseenBy(anchor.id),
      last: this.last(anchor.id),
      trusted: isTrusted(anchor.type)
    }, this.pace)
    const notBefore = this.#retries.get(anchor.id)?.notBefore ?? 0
    return due === null ? null : { ...due, at: Math.max(due.at, notBefore) }
  }

  /** Whether every anchor owes a receipt already: what is newer changes nothing until one of them is due. */
  allOwe(anchors: ReadonlyArray<Anchor>): boolean {
    return anchors.every(({ id }) => this.unseenBy(id).entry !== null)
  }

  /** How long the oldest entry that an anchor owes a receipt for has waited at `now`, ms. */
  debt(anchor: string, now: number): number {
    return Math.max(0, now - (owedSince(this.unseenBy(anchor), this.pace, now) ?? now))
  }

  /** Whether that is longer than the policy allows. */
  isOverdue(anchor: string, now: number): boolean {
    return this.debt(anchor, now) > this.pace.lagMs
  }

  /** The same as {@link debt} for any trusted time. */
  trustedDebt(now: number): number {
    const unseen = this.#unseen.get(trustedSize(this.#coverage)) ?? nothing
    return Math.max(0, now - (owedSince(unseen, this.pace, now) ?? now))
  }

  /**
   * What the anchor's next receipt is chained with. An anchor that is new answers only for what no other has covered.
   */
  contextFor(anchor: string): ChainContext {
    const from = this.last(anchor)?.size ?? trustedSize(this.#coverage)
    return { pace: this.pace, oldest: this.#unseen.get(from)?.any?.time ?? null }
  }

  /** Notes what a receipt of a size rests on. */
  learn(anchor: string, size: number, { expires }: ReceiptFacts): void {
    this.#expiries.set(anchor, { size, expires })
  }

  /** A stamp succeeded: the next may come when it is due. */
  succeeded(anchor: string): void {
    this.#retries.delete(anchor)
  }

  /** Leaves the anchor alone for this ledger until `until`, Unix ms. */
  postpone(anchor: string, until: number): void {
    this.#retries.set(anchor, { attempt: this.#retries.get(anchor)?.attempt ?? 0, notBefore: until })
  }

  /** A stamp failed at `now` (Unix ms): the next try is at least `atLeastMs` away, and further each time. */
  failed(anchor: string, now: number, atLeastMs: number): void {
    const attempt = this.#retries.get(anchor)?.attempt ?? 0
    const pause = Math.max(atLeastMs, ceiling(defaultBackoff, attempt))
    this.#retries.set(anchor, { attempt: attempt + 1, notBefore: now + pause })
  }

  /** Reads what has changed. */
  look(
    store: LedgerStore["Service"],
    coverage: ReturnType<typeof makeCoverage>,
    anchors: ReadonlyArray<Anchor>
  ): Effect.Effect<void, StorageError | DatabaseError> {
    return this.#turn.withPermits(1)(Effect.gen({ self: this }, function*() {
      const { size } = yield* store.snapshot(this.ledger)
      if (size === this.#size) return
      const known = yield* coverage.refresh(this.ledger, this.#coverage, anchors.map(({ id }) => id))
      const pace = yield* coverage.pace(this.ledger, this.#pace)
      const froms = new Set([
        trustedSize(known),
        ...anchors.map(({ id }) => known.receipts.get(id)?.size ?? 0)
      ])
      const unseen = new Map<number, Unseen>()
      for (const from of froms) {
        const before = this.#unseen.get(from)
        // Entries never change: what was the oldest still is.
        unseen.set(from, before?.entry ? before : yield* coverage.unseen(this.ledger, from, size))
      }
      this.#size = size
      this.#coverage = known
      this.#pace = pace
      this.#unseen = unseen
    }))
  }
}
