/**
 * What is in the archive of a road's zone, held against the simulator's truth and the offline verifier.
 */
import { MultisetDigester } from "@rainlogs/cloudflare-simulator/MultisetDigest"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { type JobView, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { firewallEvents } from "@rainlogs/core/collect/FirewallEvents"
import { selection } from "@rainlogs/core/collect/GraphqlSettings"
import { sampledRequests } from "@rainlogs/core/collect/SampledRequests"
import type { Source } from "@rainlogs/core/domain/Source"
import { Signer } from "@rainlogs/core/ledger/Signer"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { Effect, Option, Stream } from "effect"
import { join } from "node:path"
import type { Process, Road } from "./Road.ts"

/** The zone's source as it is now. */
export const sourceOf = Effect.fnUntraced(function*(road: Road): Effect.fn.Return<Source, unknown, WindowLedger> {
  const [timeline] = yield* (yield* WindowLedger).timelinesOf(road.customer, road.zone)
  return timeline!.source
})

/** The zone's live windows, oldest first. */
export const windowsOf = Effect.fnUntraced(function*(road: Road) {
  const ledger = yield* WindowLedger
  const found: Array<JobView> = []
  for (let before: number | null = null;;) {
    const page: ReadonlyArray<JobView> = yield* ledger.jobs(road.customer, road.zone, { limit: 1000, before })
    found.push(...page)
    if (page.length < 1000) return found.toReversed()
    before = page.at(-1)!.job.window.from
  }
})

/** The archived lines of a committed window, as a multiset. */
export const digestOf = Effect.fnUntraced(function*({ opener }: Process, source: Source, { job, object }: JobView) {
  const digester = new MultisetDigester()
  if (object === null || object.key === null) return digester.finish()
  const { customer, origin } = source
  const parts = yield* Stream.runCollect(opener.open({ origin, customer, job: job.id, object }))
  return digester.addLines(Buffer.concat(parts)).finish()
})

const graphqlSources = [firewallEvents, sampledRequests]

/** What the simulator says of the same window. */
export const truthOf = (road: Road, window: { readonly from: number; readonly to: number }) => {
  if (road.source === "cloudflare/audit_logs/v2") {
    return Effect.sync(() => road.simulator.truth.auditDigest(window.from, window.to))
  }
  const dataset = graphqlSources.find(({ source }) => source === road.source)
  return dataset === undefined ? receivedTruth(road, window) : Effect.sync(() =>
    road.simulator.truth.graphqlDigest(
      road.cloudflare.options.id,
      dataset.name,
      { fromMs: window.from, toMs: window.to },
      selection(dataset, road.cloudflare.graphql[dataset.name].settings)
    )
  )
}

const receivedTruth = (road: Road, { from, to }: { readonly from: number; readonly to: number }) =>
  Effect.promise(() =>
    road.simulator.truth.multisetDigest(road.cloudflare.options.id, from, to, {
      fields: [...road.cloudflare.fields].toSorted(),
      timestamps: "rfc3339"
    })
  )

/** Every difference between the archive and the truth, and every hole or overlap; and what there is. */
export const compare = Effect.fnUntraced(function*(road: Road, process: Process) {
  const source = yield* sourceOf(road)
  const views = yield* windowsOf(road)
  const wrong: Array<string> = []
  let reached = source.startsAt
  let lines = 0
  for (const view of views) {
    const { state, window } = view.job
    if (window.from !== reached) wrong.push(`hole or overlap: ${reached} -> ${window.from}`)
    reached = window.to
    if (state === "gap") continue
    if (state !== "committed") {
      wrong.push(`[${window.from}, ${window.to}) is ${state}: ${view.job.lastError}`)
      continue
    }
    const mine = yield* digestOf(process, source, view)
    const theirs = yield* truthOf(road, window)
    lines += mine.count
    if (mine.digest !== theirs.digest || mine.count !== theirs.count) {
      wrong.push(`[${window.from}, ${window.to}): archived ${mine.count}, true are ${theirs.count}`)
    }
    if (view.object?.records !== theirs.count) wrong.push(`records ${view.object?.records}, true are ${theirs.count}`)
  }
  const gaps = views.filter(({ job }) => job.state === "gap")
  return { wrong, lines, gaps, views, reached, source }
})

/** Publishes everything and asks the offline verifier. */
export const verify = Effect.fnUntraced(function*(road: Road, { events, publisher }: Process) {
  const { customer, origin } = yield* sourceOf(road)
  const ledger = { customer, origin }
  yield* events.open(ledger)
  yield* events.heartbeats(ledger, road.clock.currentTimeMillisUnsafe())
  for (;;) {
    const { outcome } = yield* publisher.publish(ledger)
    if (outcome !== "busy") break
    yield* Effect.sleep("20 millis")
  }
  const keys = yield* (yield* Signer).keys(origin)
  return yield* Effect.promise(async () =>
    verifyArchive(await openDirectory(join(road.directory, "archive")), { keys: [parseVerifierKey(keys.log)] })
  )
})

/** The zone as its owner sees it. */
export const zoneOf = Effect.fnUntraced(function*(road: Road) {
  const zones = yield* (yield* CustomerStore).zones(road.customer)
  return Option.getOrThrow(Option.fromNullishOr(zones.find(({ id }) => id === road.zone)))
})
