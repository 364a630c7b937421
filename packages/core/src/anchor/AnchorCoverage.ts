/**
 * How far anchors have seen a ledger, as the ledger itself says: its `anchored` events, its policy and the entries that
 * came since.
 */
import { type AnchorType, parseAnchored } from "@rainlogs/verify/Anchored"
import { decode } from "@rainlogs/verify/Ascii"
import { parseEntry } from "@rainlogs/verify/Entry"
import { eventPath, ledgerKey } from "@rainlogs/verify/Layout"
import { parseNote } from "@rainlogs/verify/Note"
import { parsePolicy } from "@rainlogs/verify/Policy"
import { Effect, Option, Stream } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import { defaultPolicy } from "../domain/Policy.ts"
import type { LedgerOf, LedgerStore } from "../ledger/LedgerStore.ts"
import { type ObjectStore, StorageError } from "../storage/ObjectStore.ts"
import { isTrusted } from "./Anchor.ts"
import { type AnchorPace, type LastReceipt, paceOf, type Unseen, type UnseenEntry } from "./AnchorSchedule.ts"

/** The newest receipt of every anchor. */
export interface Coverage {
  /** The control chain's seq of the newest `anchored` event read; -1 before the first. */
  readonly lastSeq: number
  readonly receipts: ReadonlyMap<string, LastReceipt & { readonly type: AnchorType }>
}

/** Of a ledger nobody has looked at. */
export const noCoverage: Coverage = { lastSeq: -1, receipts: new Map() }

/** The largest tree size that any receipt covers. */
export const coveredSize = ({ receipts }: Coverage): number =>
  [...receipts.values()].reduce((largest, { size }) => Math.max(largest, size), 0)

/** The largest tree size that a trusted time covers. */
export const trustedSize = ({ receipts }: Coverage): number =>
  [...receipts.values()].reduce((size, receipt) => isTrusted(receipt.type) ? Math.max(size, receipt.size) : size, 0)

/** A policy's pace and the policy document it was read from. */
export interface KnownPace {
  readonly document: string | null
  readonly pace: AnchorPace
}

/** Before a ledger has a policy. */
export const defaultPace: KnownPace = { document: null, pace: paceOf(defaultPolicy.anchorLagMs) }

// An anchor that gave none of the last receipts counts as one that never gave any: it owes one in any case, and a start
// must not read the whole past of thousands of ledgers.
const mostEvents = 64

/** Builds the reader. */
export const makeCoverage = (store: LedgerStore["Service"], objects: ObjectStore["Service"]) => {
  const readDocument = <A>(ledger: LedgerOf, sha256: string, parse: (bytes: Uint8Array) => A) => {
    const key = ledgerKey(ledger.origin, eventPath(sha256))
    const corrupt = (detail: string) => new StorageError({ operation: "getBytes", key, category: "corrupt", detail })
    return objects.getBytes(key).pipe(
      Effect.catchTag("ObjectMissing", () => Effect.fail(corrupt("an appended document is missing"))),
      Effect.flatMap((bytes) => Effect.try({ try: () => parse(bytes), catch: (error) => corrupt(String(error)) }))
    )
  }

  /** Reads the events since `known`; the first time, until every one of `anchors` was met. */
  const refresh = Effect.fnUntraced(function*(
    ledger: LedgerOf,
    known: Coverage,
    anchors: ReadonlyArray<string>
  ): Effect.fn.Return<Coverage, StorageError | DatabaseError> {
    const receipts = new Map(known.receipts)
    const missing = new Set(known.lastSeq < 0 ? anchors : [])
    let lastSeq = known.lastSeq
    yield* store.events(ledger, "anchored").pipe(
      Stream.take(known.lastSeq < 0 ? mostEvents : Number.POSITIVE_INFINITY),
      Stream.takeWhile(({ seq }) => seq > known.lastSeq),
      Stream.mapEffect(({ documentSha256, seq }) =>
        Effect.map(
          readDocument(ledger, documentSha256, (bytes) => parseAnchored(decode(bytes))),
          (anchored) => ({ anchored, seq })
        )
      ),
      Stream.runForEachWhile(({ anchored, seq }) =>
        Effect.sync(() => {
          lastSeq = Math.max(lastSeq, seq)
          const { anchor, size, time, type } = anchored
          const last = receipts.get(anchor)
          if (last === undefined || last.size < size) receipts.set(anchor, { size, time, type, expires: null })
          missing.delete(anchor)
          return known.lastSeq >= 0 || missing.size > 0
        })
      )
    )
    return { lastSeq, receipts }
  })

  /** The pace under the policy in force. */
  const pace = Effect.fnUntraced(function*(
    ledger: LedgerOf,
    known: KnownPace
  ): Effect.fn.Return<KnownPace, StorageError | DatabaseError> {
    const last = yield* store.lastEvent(ledger, "policy")
    if (Option.isNone(last) || last.value.documentSha256 === known.document) return known
    const { documentSha256 } = last.value
    const { anchorLag } = yield* readDocument(
      ledger,
      documentSha256,
      (bytes) => parsePolicy(parseNote(bytes).text)
    )
    return { document: documentSha256, pace: paceOf(anchorLag) }
  })

  /** The oldest entries at leaf index `from` or after, of `size`. */
  const unseen = Effect.fnUntraced(function*(
    ledger: LedgerOf,
    from: number,
    size: number
  ): Effect.fn.Return<Unseen, DatabaseError> {
    let any: UnseenEntry | null = null
    let entry: UnseenEntry | null = null
    if (from >= size) return { any, entry }
    yield* store.rows(ledger, from, size).pipe(
      Stream.runForEachWhile((row) =>
        Effect.sync(() => {
          const { kind, time } = parseEntry(row.entry)
          const found = { time, index: row.leafIndex }
          any ??= found
          if (kind !== "anchored") entry = found
          return entry === null
        })
      )
    )
    return { any, entry }
  })

  return { refresh, pace, unseen }
}
