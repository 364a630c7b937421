/**
 * Looks after the spool: batches of committed windows are removed, and outages of the receiver become gaps in the ledger.
 * Both are found again after a kill at any step.
 */
import { Effect, Layer } from "effect"
import { Planner } from "../archive/Planner.ts"
import { type Timeline, WindowLedger } from "../archive/WindowLedger.ts"
import { BatchSpool, type Outage } from "./BatchSpool.ts"
import type { PushSource } from "./PushSources.ts"
import { Senders } from "./Senders.ts"

/** Batches stay at least this long after their receipt, ms: a process that is killed may have to look at them again. */
const keptMs = 600_000

const make = Effect.gen(function*() {
  const spool = yield* BatchSpool
  const senders = yield* Senders
  const windows = yield* WindowLedger
  const planner = yield* Planner

  /** Everything of the source before this time is committed or a gap, Unix ms. */
  const doneBefore = Effect.fnUntraced(function*({ source }: Timeline) {
    const progress = yield* windows.progress(source.customer)
    const ours = progress.find((one) => one.source.id === source.id)
    return ours === undefined ? 0 : ours.oldestUncommitted ?? ours.plannedTo
  })

  const declare = Effect.fnUntraced(function*(timeline: Timeline, outage: Outage) {
    const { plannedTo, source } = timeline
    const range = { from: Math.max(outage.from, source.startsAt), to: outage.to }
    if (range.from < range.to) {
      // The planner has not come so far yet.
      if (plannedTo < range.from) return
      const open = plannedTo < range.to ||
        (yield* windows.uncollected(source, range.to)).some((run) => run.range.to > range.from)
      if (open) {
        yield* planner.declareGap({
          source,
          range,
          reason: "outage",
          detail: "the receiver did not run; what was sent again arrived later"
        })
      }
    }
    yield* spool.declared(outage)
  })

  const ofSource = Effect.fnUntraced(function*(sender: PushSource, now: number) {
    const timelines = yield* windows.timelinesOf(sender.customer, sender.zone)
    const timeline = timelines.find(({ source }) => source.id === sender.source)
    if (timeline === undefined) return
    for (const outage of yield* spool.outages) {
      if (outage.source === sender.source) yield* declare(timeline, outage)
    }
    const done = yield* doneBefore(timeline)
    const batches = yield* spool.batches(sender.source)
    yield* spool.remove(
      sender.source,
      batches.filter(({ receivedAt }) => receivedAt < done && now - receivedAt > keptMs)
    )
  })

  return Effect.gen(function*() {
    const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    for (const sender of senders.all()) {
      yield* Effect.catchCause(
        ofSource(sender, now),
        (cause) =>
          Effect.logWarning("the spool of a source is looked after later", cause).pipe(
            Effect.annotateLogs({ source: sender.source })
          )
      )
    }
  })
})

/** One look at every source of the spool. */
export const round = make

/** A look every `everyMs`, in the background of the layer's scope; 10 s when left out. */
export const layer = (everyMs = 10_000) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const look = yield* make
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(look, Effect.sleep(everyMs))))
  }))
