/**
 * Has one ledger stamped by one anchor. The receipt is durable before the event that chains it is appended, and both
 * are derived from the receipt alone, so that a crash between any two steps is healed by doing the rest again.
 */
import { anchorExtensions, parseReceiptPath, receiptPath } from "@rainlogs/verify/Anchored"
import { parseCheckpoint } from "@rainlogs/verify/Checkpoint"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { checkpointArchiveKey, checkpointKey, ledgerKey, ledgerPrefix } from "@rainlogs/verify/Layout"
import { parseNote } from "@rainlogs/verify/Note"
import { Clock, Effect, Option, Stream } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import { missedAnchor } from "../ledger/EventDocuments.ts"
import type { LedgerEvents } from "../ledger/LedgerEvents.ts"
import type { LedgerOf } from "../ledger/LedgerStore.ts"
import { type ObjectStore, StorageError } from "../storage/ObjectStore.ts"
import { type Anchor, AnchorError, isTrusted, type ReceiptFacts, type StampRequest } from "./Anchor.ts"
import { type AnchorPace, lateStretch } from "./AnchorSchedule.ts"

/** What a receipt is chained with. */
export interface ChainContext {
  readonly pace: AnchorPace
  /** Time of the oldest entry the anchor had not seen before, Unix ms; null if there is none. */
  readonly oldest: number | null
}

type Failure = AnchorError | StorageError | DatabaseError

/** Builds the stamper. */
export const makeStamper = (objects: ObjectStore["Service"], events: LedgerEvents["Service"]) => {
  const corrupt = (key: string, detail: string) =>
    new StorageError({ operation: "getBytes", key, category: "corrupt", detail })

  const find = (key: string) =>
    Effect.asSome(objects.getBytes(key)).pipe(Effect.catchTag("ObjectMissing", () => Effect.succeedNone))

  /** The request about the archived checkpoint of a size. */
  const requestAt = Effect.fnUntraced(function*(ledger: LedgerOf, size: number) {
    const { origin } = ledger
    const key = checkpointArchiveKey(origin, size)
    const checkpoint = yield* objects.getBytes(key).pipe(
      Effect.catchTag("ObjectMissing", () => Effect.fail(corrupt(key, "no checkpoint is archived for this size")))
    )
    const head = yield* Effect.try({
      try: () => parseCheckpoint(parseNote(checkpoint).text),
      catch: (error) => corrupt(key, String(error))
    })
    if (head.origin !== origin || head.size !== size) {
      return yield* Effect.fail(corrupt(key, `it is the checkpoint of ${head.origin} at size ${head.size}`))
    }
    return { origin, size, root: head.root, checkpoint } satisfies StampRequest
  })

  /** The latest published checkpoint, or none. */
  const head = Effect.fnUntraced(function*(ledger: LedgerOf): Effect.fn.Return<
    Option.Option<StampRequest>,
    StorageError
  > {
    const key = checkpointKey(ledger.origin)
    const served = yield* find(key)
    if (Option.isNone(served)) return Option.none()
    const { size } = yield* Effect.try({
      try: () => parseCheckpoint(parseNote(served.value).text),
      catch: (error) => corrupt(key, String(error))
    })
    return size === 0 ? Option.none() : Option.some(yield* requestAt(ledger, size))
  })

  const checkStored = (anchor: Anchor, key: string, receipt: Uint8Array, request: StampRequest) =>
    anchor.check(receipt, request).pipe(
      Effect.mapError((error) =>
        new AnchorError({ ...error, detail: `the stored receipt ${key} is not one: ${error.detail}` })
      )
    )

  const receiptKey = (anchor: Anchor, { origin, size }: StampRequest) =>
    ledgerKey(origin, receiptPath({ anchor: anchor.id, type: anchor.type, size }))

  // The receipt that is durable in the end: one found there, ours, or that of another process that was first.
  const obtain = Effect.fnUntraced(function*(anchor: Anchor, request: StampRequest) {
    const key = receiptKey(anchor, request)
    const found = yield* find(key)
    if (Option.isSome(found)) {
      return { bytes: found.value, ...(yield* checkStored(anchor, key, found.value, request)) }
    }
    const receipt = yield* anchor.stamp(request)
    return yield* objects.putBytes(key, receipt.bytes).pipe(
      Effect.as(receipt),
      Effect.catchTag("ObjectExists", () =>
        Effect.gen(function*() {
          const theirs = yield* objects.getBytes(key).pipe(
            Effect.catchTag("ObjectMissing", () => Effect.fail(corrupt(key, "it was there, and is not any more")))
          )
          return { bytes: theirs, ...(yield* checkStored(anchor, key, theirs, request)) }
        }))
    )
  })

  const chain = Effect.fnUntraced(function*(
    ledger: LedgerOf,
    anchor: Anchor,
    request: StampRequest,
    receipt: ReceiptFacts & { readonly bytes: Uint8Array },
    { oldest, pace }: ChainContext
  ) {
    const now = yield* Clock.currentTimeMillis
    const late = isTrusted(anchor.type) ? lateStretch(oldest, receipt.time, pace) : null
    if (late !== null) yield* events.declare(ledger, missedAnchor(anchor.id, late.from, late.to), now)
    yield* events.anchored(ledger, {
      anchor: anchor.id,
      type: anchor.type,
      size: request.size,
      root: Hex.encode(request.root),
      checkpoint: Hex.encode(sha256(request.checkpoint)),
      receipt: Hex.encode(sha256(receipt.bytes)),
      time: receipt.time
    }, now)
    return { time: receipt.time, expires: receipt.expires }
  })

  /** Stamps a published checkpoint and chains the receipt; what is there already is not done again. */
  const stamp = Effect.fn("Stamper.stamp")(function*(
    ledger: LedgerOf,
    anchor: Anchor,
    request: StampRequest,
    context: ChainContext
  ): Effect.fn.Return<ReceiptFacts, Failure> {
    return yield* chain(ledger, anchor, request, yield* obtain(anchor, request), context)
  })

  /** The sizes above `after`, up to `upTo`, for which a receipt of the anchor is stored, ascending. */
  const stored = ({ origin }: LedgerOf, { id, type }: Anchor, after: number, upTo: number) => {
    const prefix = `${ledgerPrefix(origin)}/`
    return objects.list(`${prefix}anchor/${commonDigits(after, upTo)}`).pipe(
      Stream.runFold(() => new Array<number>(), (sizes, { key }) => {
        const at = parseReceiptPath(key.slice(prefix.length))
        const ours = at !== null && at.anchor === id && at.extension === anchorExtensions[type]
        if (ours && at.size > after && at.size <= upTo) sizes.push(at.size)
        return sizes
      }),
      Effect.map((sizes) => sizes.sort((left, right) => left - right))
    )
  }

  /** What the anchor's stored receipt of a size says. */
  const facts = Effect.fnUntraced(function*(
    ledger: LedgerOf,
    anchor: Anchor,
    size: number
  ): Effect.fn.Return<Option.Option<ReceiptFacts>, AnchorError | StorageError> {
    const request = yield* requestAt(ledger, size)
    const key = receiptKey(anchor, request)
    const found = yield* find(key)
    return Option.isNone(found) ? Option.none() : Option.some(yield* checkStored(anchor, key, found.value, request))
  })

  return { head, requestAt, stamp, stored, facts }
}

/** The digits that all numbers in `(after, upTo]` begin with; none if their lengths differ. Narrows a listing. */
export const commonDigits = (after: number, upTo: number): string => {
  const [low, high] = [String(after + 1), String(upTo)]
  if (low.length !== high.length) return ""
  const differs = [...low].findIndex((digit, index) => digit !== high[index])
  return differs < 0 ? low : low.slice(0, differs)
}
