/**
 * Which objects an archive is expected to hold: all of them, those of some windows of one chain (a bundle), or none (a
 * ledger that is served without its objects). The ledger itself is always whole.
 */
import type { ObjectEntry } from "../Entry.ts"

/** Objects whose window intersects `[from, to)` (ms) of a chain, or no object at all. */
export type Scope = { readonly chain: string; readonly from: number; readonly to: number } | "no-objects"

/** Whether the object of an entry is in scope; without a scope every one is. */
export const inScope = (scope: Scope | null, entry: ObjectEntry): boolean => {
  if (scope === null) return true
  if (scope === "no-objects") return false
  return entry.chain === scope.chain && entry.window.from < scope.to && scope.from < entry.window.to
}
