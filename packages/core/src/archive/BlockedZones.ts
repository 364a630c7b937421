/**
 * Looks again at blocked zones, and lets them go on when their cause is gone. Where Cloudflare kept no logs in the
 * meantime (retention was off), that time becomes one gap with reason `blocked`: it must not look like an empty hour.
 */
import { Clock, Context, Effect, Layer, Option } from "effect"
import { CollectionStrategy } from "../collect/CollectionStrategy.ts"
import type { CustomerId, ZoneId } from "../domain/Identifier.ts"
import { Kms } from "../secrets/Kms.ts"
import { unwrapCloudflareToken } from "../secrets/CloudflareToken.ts"
import { CustomerStore } from "./CustomerStore.ts"
import { Planner } from "./Planner.ts"
import { type DatabaseError, WindowLedger } from "./WindowLedger.ts"

export class BlockedZones extends Context.Service<BlockedZones, {
  /** Checks every blocked zone once; returns how many go on. */
  readonly recheck: Effect.Effect<number, DatabaseError>
}>()("@rainlogs/core/BlockedZones") {
  static readonly layer = Layer.effect(BlockedZones, Effect.suspend(() => make()))
}

const make = Effect.fnUntraced(function*() {
  const customers = yield* CustomerStore
  const windows = yield* WindowLedger
  const planner = yield* Planner
  const strategy = yield* CollectionStrategy
  const kms = yield* Kms

  /** Everything uncollected since `since` is lost: the runs that end after it, and the time after the last window. */
  const declareLost = Effect.fnUntraced(function*(customer: CustomerId, zone: ZoneId, since: number) {
    const now = yield* Clock.currentTimeMillis
    for (const { plannedTo, source } of yield* windows.timelinesOf(customer, zone)) {
      const gap = (from: number, to: number) =>
        planner.declareGap({ source, range: { from, to }, reason: "blocked", detail: "log retention was off at the source" })
      let reached = plannedTo
      for (const { range } of yield* windows.uncollected(source, now)) {
        if (range.to <= since) continue
        const to = range.to >= plannedTo ? Math.max(now, range.to) : range.to
        yield* gap(Math.max(range.from, since), to)
        reached = Math.max(reached, to)
      }
      if (reached < now) yield* gap(reached, now)
    }
  })

  const recheckZone = Effect.fn("BlockedZones.recheckZone")(function*(customer: CustomerId, id: ZoneId) {
    const found = yield* customers.zone(customer, id)
    if (Option.isNone(found) || found.value.zone.status.state !== "blocked") return 0
    const { token, zone } = found.value
    yield* strategy.check({
      zone: zone.id,
      cloudflareZone: zone.cloudflareZone,
      token: yield* unwrapCloudflareToken(customer, id, token).pipe(Effect.provideService(Kms, kms))
    })
    if (found.value.zone.status.reason === "retention-off") yield* declareLost(customer, id, found.value.zone.status.since)
    yield* customers.unblock(customer, id)
    yield* Effect.logInfo("zone is collected again").pipe(Effect.annotateLogs({ zone: id }))
    return 1
  })

  return BlockedZones.of({
    recheck: Effect.gen(function*() {
      let released = 0
      for (const { customer, zone } of yield* customers.blocked) {
        released += yield* recheckZone(customer, zone).pipe(
          // Still blocked, for the same or another cause: the zone says so already.
          Effect.catchTag("CollectionError", () => Effect.succeed(0)),
          Effect.catch((error) =>
            Effect.as(Effect.logError("blocked zone not rechecked", error).pipe(Effect.annotateLogs({ zone })), 0)
          )
        )
      }
      return released
    })
  })
})
