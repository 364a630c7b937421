/**
 * Legal holds (ledger format §7): which are active where the replay stands.
 */
import type { Hold } from "../Hold.ts"

/** The holds of one ledger. */
export class Holds {
  readonly #active = new Map<string, Hold>()

  /** Holds active now. */
  get active(): ReadonlyArray<Hold> {
    return [...this.#active.values()]
  }

  /** Begins a hold; false when one of this id is already active. */
  begin(hold: Hold): boolean {
    if (this.#active.has(hold.id)) return false
    this.#active.set(hold.id, hold)
    return true
  }

  /** Ends a hold; false when none of this id is active. */
  end(id: string): boolean {
    return this.#active.delete(id)
  }
}

/** A hold among these that covers the window `[from, to)` (ms) of a chain, or null. */
export const holdOver = (
  holds: ReadonlyArray<Hold>,
  chain: string,
  window: { readonly from: number; readonly to: number }
): Hold | null =>
  holds.find((hold) =>
    hold.scopes.some((scope) =>
      (scope.chain === "*" || scope.chain === chain) && scope.from < window.to && window.from < scope.to
    )
  ) ?? null
