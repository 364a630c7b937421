/**
 * Waits until the archive has caught up: every settled window of the customer is committed or an explicit gap, and the
 * ledger is published.
 */
import type { PlanningOptions } from "@rainlogs/core/archive/PlanWindows"
import { settledUntil } from "@rainlogs/core/archive/PlanWindows"
import { type SourceProgress, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { CollectionStrategies } from "@rainlogs/core/collect/CollectionStrategies"
import { LedgerEvents } from "@rainlogs/core/ledger/LedgerEvents"
import type { LedgerOf } from "@rainlogs/core/ledger/LedgerStore"
import { Publisher } from "@rainlogs/core/ledger/Publisher"
import { Clock, Effect } from "effect"
import { bar, bytes, type Progress } from "../Progress.ts"

/** Sums over all sources. */
export interface ArchiveTotals {
  readonly windows: number
  readonly open: number
  readonly gaps: number
  readonly records: number
  readonly plainBytes: number
  readonly storedBytes: number
}

/** The sums of `progress`. */
const totalsOf = (progress: ReadonlyArray<SourceProgress>): ArchiveTotals =>
  progress.reduce<ArchiveTotals>((sum, { plainBytes, records, storedBytes, windows }) => ({
    windows: sum.windows + windows.committed,
    open: sum.open + windows.planned + windows.leased + windows.stored,
    gaps: sum.gaps + windows.gap,
    records: sum.records + records,
    plainBytes: sum.plainBytes + plainBytes,
    storedBytes: sum.storedBytes + storedBytes
  }), { windows: 0, open: 0, gaps: 0, records: 0, plainBytes: 0, storedBytes: 0 })

/** Waits for the round that ends at what is settled now; shows its progress; returns the totals. */
export const awaitRound = Effect.fn("Demo.awaitRound")(
  function*(ledger: LedgerOf, planning: PlanningOptions, progress: Progress) {
    const windows = yield* WindowLedger
    const publisher = yield* Publisher
    const events = yield* LedgerEvents
    const strategies = yield* CollectionStrategies
    const began = yield* Clock.currentTimeMillis
    const untilOf = ({ source }: SourceProgress) => {
      const limits = strategies.of(source.name)?.limits
      return limits === undefined ? 0 : settledUntil(began, limits, planning)
    }
    for (;;) {
      const sources = yield* windows.progress(ledger.customer)
      const totals = totalsOf(sources)
      const planned = sources.length > 0 && sources.every((source) => source.plannedTo >= untilOf(source))
      const done = totals.windows + totals.gaps
      const seconds = ((yield* Clock.currentTimeMillis) - began) / 1000
      progress.show(
        `${bar(done / Math.max(1, done + totals.open))} ${done}/${done + totals.open} windows  ` +
          `${totals.records} records  ${bytes(totals.plainBytes)}  ${seconds.toFixed(0)} s`
      )
      if (planned && totals.open === 0) {
        yield* events.heartbeats(ledger, yield* Clock.currentTimeMillis)
        const published = yield* publisher.publish(ledger)
        if (published.outcome === "published" || published.outcome === "unchanged") {
          progress.clear()
          return totals
        }
        if (published.outcome === "halted") {
          return yield* Effect.die(new Error(`the ledger is not published any more: ${published.reason}`))
        }
      }
      yield* Effect.sleep("100 millis")
    }
  }
)
