/**
 * A worker of the hammer: takes its windows the whole road from lease to ledger entry with the real archiver, and now
 * and then one of somebody else's, until all of its own are committed.
 */
import * as Archiver from "@rainlogs/core/archive/Archiver"
import { ObjectAdoption } from "@rainlogs/core/archive/ObjectAdoption"
import { Opener } from "@rainlogs/core/archive/Opener"
import { Planner } from "@rainlogs/core/archive/Planner"
import { Sealer } from "@rainlogs/core/archive/Sealer"
import { WindowGrowth } from "@rainlogs/core/archive/WindowGrowth"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { CollectionStrategies } from "@rainlogs/core/collect/CollectionStrategies"
import { CollectionStrategy } from "@rainlogs/core/collect/CollectionStrategy"
import { logpullLimits, parametersOf } from "@rainlogs/core/collect/Logpull"
import { ZoneId } from "@rainlogs/core/domain/Identifier"
import { PublishLoop } from "@rainlogs/core/ledger/PublishLoop"
import { PipelineRun } from "@rainlogs/core/pipeline/PipelineRun"
import * as PipelineStoreSql from "@rainlogs/server/sql/PipelineStoreSql"
import * as PseudonymKeysSql from "@rainlogs/server/sql/PseudonymKeysSql"
import { Clock, Effect, Layer, Stream } from "effect"
import { appendFileSync } from "node:fs"
import { join } from "node:path"
import { acknowledgedFile, type HammerProcessOptions, type Share } from "./HammerOptions.ts"

/** How often a worker reaches for a window of another's share. */
const strangersShare = 0.05

/** Short enough that a killed worker's windows come back within the run. */
const leaseMs = 2_000

const source = Layer.effect(
  CollectionStrategy,
  Effect.gen(function*() {
    const checked = yield* Clock.currentTimeMillis
    return CollectionStrategy.of({
      limits: logpullLimits(60_000),
      check: () => Effect.succeed(checked),
      collect: (_target, window) =>
        Effect.succeed({
          parameters: parametersOf(["EdgeStartTimestamp", "RayID"]),
          fidelity: "complete" as const,
          bytes: Stream.succeed(
            new TextEncoder().encode(`{"EdgeStartTimestamp":${window.from},"RayID":"0"}\n`.repeat(3))
          )
        })
    })
  })
)

const road = ({ directory }: HammerProcessOptions, { number }: Share) =>
  Archiver.Archiver.layer({
    ...Archiver.defaultArchiver,
    owner: `writer-${number}-${process.pid}`,
    leaseMs,
    backoff: { baseMs: 10, capMs: 200 }
  }).pipe(
    Layer.provide(Layer.mergeAll(
      Sealer.layer({ spool: join(directory, `spool-${number}`) }),
      ObjectAdoption.layer.pipe(Layer.provide(Opener.layer())),
      WindowGrowth.layer,
      PipelineRun.layer.pipe(Layer.provide(Layer.merge(PipelineStoreSql.layer, PseudonymKeysSql.layer))),
      // No window of this source is ever too old, so nothing is planned or declared here.
      Layer.mock(Planner, {}),
      Layer.succeed(PublishLoop, PublishLoop.of({ notify: () => Effect.void }))
    )),
    Layer.provide(CollectionStrategies.layerOne),
    Layer.provide(source)
  )

/** Archives the share; ends when every window of it is committed. */
export const run = (options: HammerProcessOptions, share: Share, draw: () => number) =>
  Effect.gen(function*() {
    const { directory, ledger, zone } = options
    const archiver = yield* Archiver.Archiver
    const windows = yield* WindowLedger
    const archive = Effect.fnUntraced(function*(job: Parameters<typeof archiver.archive>[0]["job"]) {
      const outcome = yield* archiver.archive({ customer: ledger.customer, job }).pipe(
        // A kill of another process takes no connection of this one; what fails here is tried again.
        Effect.catchTag("DatabaseError", (error) => Effect.as(Effect.logWarning(error.detail), "retried" as const))
      )
      if (outcome === "committed") appendFileSync(join(directory, acknowledgedFile), `${job}\n`)
    })
    for (;;) {
      const all = (yield* windows.jobs(ledger.customer, ZoneId.make(zone), { limit: 1_000_000, before: null }))
        .toReversed()
      const open = all.slice(share.from, share.to).filter(({ job }) => job.state !== "committed")
      if (open.length === 0) return
      for (const { job } of open) {
        if (draw() < strangersShare) yield* archive(all[Math.floor(draw() * all.length)]!.job.id)
        yield* archive(job.id)
      }
      yield* Effect.sleep(50)
    }
  }).pipe(Effect.provide(road(options, share)))
