/**
 * The collection strategy of pushed sources: a window holds the batches that were received in it, on the receiver's own
 * clock. Nothing expires: batches wait in the spool until their window is committed.
 */
import { sha256 } from "@rainlogs/verify/Hash"
import { encode } from "@rainlogs/verify/Hex"
import { Clock, Effect, Stream } from "effect"
import { validateLines } from "../archive/LineValidation.ts"
import { CollectionError } from "../collect/CollectionError.ts"
import type { Strategy } from "../collect/CollectionStrategies.ts"
import type { Collection, CollectionTarget } from "../collect/CollectionStrategy.ts"
import { Sha256Hex } from "../domain/Identifier.ts"
import { sourceIdOf, type SourceName } from "../domain/Source.ts"
import type { Window } from "../domain/Window.ts"
import type { StorageError } from "../storage/ObjectStore.ts"
import { defaultBatchLimits } from "./BatchLimits.ts"
import { BatchSpool } from "./BatchSpool.ts"
import { frameOf, linesOf } from "./FrameLines.ts"
import { Senders } from "./Senders.ts"

/** A window is collected this long after it ended, ms: what was stamped in it is in its place by then. */
export const defaultSettleMs = 90_000

/**
 * What the parameters document calls the horizon, ms: so long may a window be missing from the ledger before its absence
 * is a hole. The spool itself keeps batches without end.
 */
export const horizonMs = 7 * 86_400_000

/** The name of the field that holds a line which is no JSON object, in base64. */
export const malformedField = "RainlogsMalformedLine"

const parametersOf = (name: SourceName): Collection["parameters"] => {
  const json = JSON.stringify({
    dataset: name.split("/")[2],
    horizon: horizonMs,
    order: "received",
    way: name.split("/")[1]
  })
  return { json, sha256: Sha256Hex.make(encode(sha256(new TextEncoder().encode(json)))) }
}

const fromStorage = (error: StorageError): CollectionError =>
  new CollectionError({
    category: "transient",
    code: "spool-unreadable",
    detail: `a batch in the spool cannot be read: ${error.detail}`,
    remedy: "Look at the disk of the data directory. The batch stays there and is read again.",
    retryAfterMs: null
  })

/** Not the window's fault, and soon over: it is offered again after some seconds. */
const waiting = (code: string, detail: string): CollectionError =>
  new CollectionError({ category: "throttled", code, detail, remedy: null, retryAfterMs: 5000 })

/** A frame with every line that is no JSON object wrapped into one, so that nothing of it is lost. */
export const wellFormed = (frame: Buffer, maxLineBytes: number): Buffer => {
  if (!("fault" in validateLines(frame, maxLineBytes))) return frame
  return frameOf(
    linesOf(frame).map((line) =>
      "fault" in validateLines(frameOf([line]), maxLineBytes)
        ? Buffer.from(`{"${malformedField}":"${line.toString("base64")}"}`)
        : line
    )
  )
}

/** The strategy of one pushed source. */
export const make = Effect.fnUntraced(function*(name: SourceName, settleMs = defaultSettleMs) {
  const spool = yield* BatchSpool
  const senders = yield* Senders
  const lineBytes = defaultBatchLimits.lineBytes

  const mine = ({ zone }: CollectionTarget) => {
    const source = sourceIdOf(zone, name)
    return senders.knows(source)
      ? Effect.succeed(source)
      : Effect.fail(waiting("other-spool", "the batches of this source lie in the spool of another appliance"))
  }

  const collect = Effect.fn("SpooledCollection.collect")(function*(target: CollectionTarget, window: Window) {
    const source = yield* mine(target)
    const outage = (yield* spool.outages).find((one) =>
      one.source === source && one.from < window.to && window.from < one.to
    )
    // It would look like a time in which nothing was sent.
    if (outage !== undefined) {
      return yield* waiting("outage-undeclared", "an outage of the receiver is not in the ledger yet")
    }
    const batches = yield* Effect.mapError(spool.close(source, window), fromStorage)
    const bytes = Stream.fromIterable(batches).pipe(
      Stream.flatMap((batch) => spool.content(source, batch)),
      Stream.map((frame): Uint8Array => wellFormed(frame, lineBytes)),
      Stream.mapError(fromStorage)
    )
    return { parameters: parametersOf(name), fidelity: "complete", bytes } satisfies Collection
  })

  const strategy: Strategy = {
    limits: { source: name, settleMs, horizonMs: Infinity, longestWindowMs: 3_600_000, shortestWindowMs: 1000 },
    check: (target) => Effect.andThen(mine(target), Clock.currentTimeMillis),
    collect
  }
  return strategy
})
