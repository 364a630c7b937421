/**
 * The changes of a ledger's keys as its control chain has them (ledger format §4): which log key signs at which size.
 */
import { type Keys, parseKeys } from "@rainlogs/verify/Keys"
import { parseNote } from "@rainlogs/verify/Note"
import { printVerifierKey, type VerifierKey } from "@rainlogs/verify/VerifierKey"
import { Effect, Option, Stream } from "effect"
import type { Origin } from "../domain/Customer.ts"
import type { ObjectStore } from "../storage/ObjectStore.ts"
import { readDocument } from "./LedgerDocuments.ts"
import type { FoundEvent, LedgerOf, LedgerStore } from "./LedgerStore.ts"

/** A chained change: its keys are in force for tree sizes from `fromSize` on, one more than its entry's leaf index. */
export interface KeyChange extends FoundEvent {
  readonly keys: Keys
  readonly fromSize: number
}

/** The changes of one ledger, in the order of the chain; none before the first. */
export type KeyChain = ReadonlyArray<KeyChange>

/** The log key (vkey form) that signs a tree of `size` entries; undefined where keys never changed. */
export const logKeyAt = (chain: KeyChain, size: number): string | undefined => {
  const change = chain.findLast(({ fromSize }) => fromSize <= size)
  const first = chain[0]?.keys.previous
  const key: VerifierKey | undefined = change === undefined ? first : change.keys.log
  return key === undefined ? undefined : printVerifierKey(key)
}

/**
 * Whether a signer whose key in use is `log` (vkey form) can go on with the ledger: it is the newest, or the one before
 * while the newest has signed nothing yet.
 */
export const continues = (chain: KeyChain, log: string): boolean => {
  const newest = chain.at(-1)
  return newest !== undefined && [newest.keys.previous, newest.keys.log].some((key) => printVerifierKey(key) === log)
}

/** Reads chains of changes; what was read is kept, for a chain only grows. */
export const makeKeyChains = (store: LedgerStore["Service"], objects: ObjectStore["Service"]) => {
  const known = new Map<Origin, KeyChain>()
  return Effect.fn("KeyChain.read")(function*(ledger: LedgerOf) {
    const { origin } = ledger
    const last = yield* store.lastEvent(ledger, "keys")
    if (Option.isNone(last)) return []
    const before = known.get(origin)
    if (before?.at(-1)?.documentSha256 === last.value.documentSha256) return before
    const events = yield* Stream.runCollect(store.events(ledger, "keys"))
    const chain: KeyChain = yield* Effect.forEach(
      events.toReversed(),
      (event) =>
        Effect.map(
          readDocument(objects, origin, event.documentSha256, (bytes) => parseKeys(parseNote(bytes).text)),
          (keys) => ({ ...event, keys, fromSize: event.leafIndex + 1 })
        )
    )
    known.set(origin, chain)
    return chain
  })
}
