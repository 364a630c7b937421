/**
 * Handlers: zones. Every lookup is inside the customer of the API key.
 */
import { Api } from "@rainlogs/core/api/Api"
import { CurrentCustomer } from "@rainlogs/core/api/Authorization"
import { ZoneAlreadyArchived, ZoneBlocked } from "@rainlogs/core/api/Problem"
import { mostBackfillHours } from "@rainlogs/core/api/ZonesApi"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { Planner } from "@rainlogs/core/archive/Planner"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { ZoneId } from "@rainlogs/core/domain/Identifier"
import { statusOf } from "@rainlogs/core/domain/Zone"
import { wrapCloudflareToken } from "@rainlogs/core/secrets/CloudflareToken"
import { Kms } from "@rainlogs/core/secrets/Kms"
import { Clock, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { randomUUID } from "node:crypto"
import * as Circuits from "./Circuits.ts"
import { onDatabaseError, onKmsError, ownZone } from "./Failures.ts"
import * as JobPages from "./JobPages.ts"
import { jobResource, zoneResource } from "./Resources.ts"

const minuteMs = 60_000
const hourMs = 3_600_000

/**
 * A full backfill starts this much later than the source forgets, in ms: the planner gives a range up 10 minutes
 * before it is lost, and the first pull needs some of the rest. Without it every new zone would begin with a gap.
 */
const fullBackfillMarginMs = 15 * minuteMs

/** A source that is added later starts so far back, unless it is told otherwise. */
const addedBackfillHours = 24

/** Where a new zone's timeline starts (Unix ms, on a full minute). */
export const startOfArchive = (now: number, backfillHours: number): number =>
  Math.max(
    Math.floor((now - backfillHours * hourMs) / minuteMs) * minuteMs,
    Math.ceil((now - mostBackfillHours * hourMs + fullBackfillMarginMs) / minuteMs) * minuteMs
  )

/** The `zones` group of the API. */
export const layer = HttpApiBuilder.group(
  Api,
  "zones",
  Effect.fn(function*(handlers) {
    const customers = yield* CustomerStore
    const windows = yield* WindowLedger
    const planner = yield* Planner
    const kms = yield* Kms
    const circuits = yield* Circuits.make

    const find = Effect.fnUntraced(function*(id: ZoneId) {
      const customer = yield* CurrentCustomer
      return (yield* ownZone(customers, customer.id, id)).zone
    })

    const progress = Effect.fnUntraced(function*() {
      const customer = yield* CurrentCustomer
      return yield* windows.progress(customer.id).pipe(Effect.catchTag("DatabaseError", onDatabaseError))
    })

    return handlers.handleAll({
      create: Effect.fn("ZonesHandlers.create")(function*({ payload }) {
        const customer = yield* CurrentCustomer
        const now = yield* Clock.currentTimeMillis
        const zone = {
          id: ZoneId.make(randomUUID()),
          customer: customer.id,
          name: payload.name,
          cloudflareZone: payload.cloudflareZoneId,
          createdAt: now
        }
        const token = yield* wrapCloudflareToken(customer.id, zone.id, payload.token).pipe(
          Effect.provideService(Kms, kms),
          Effect.catchTag("KmsError", onKmsError)
        )
        yield* customers.createZone(zone, token, [{
          name: "cloudflare/logpull/http_requests",
          startsAt: startOfArchive(now, payload.backfillHours ?? mostBackfillHours),
          windowMs: hourMs
        }]).pipe(
          Effect.catchTag("DatabaseError", onDatabaseError),
          Effect.catchTag("ZoneExists", () =>
            Effect.fail(
              new ZoneAlreadyArchived({
                detail: `This customer already archives the Cloudflare zone ${zone.cloudflareZone}.`,
                remedy: "GET /api/v1/zones shows it; nothing was changed."
              })
            ))
        )
        const created = { ...zone, status: statusOf([]) }
        return zoneResource(created, yield* progress(), yield* circuits(created))
      }),

      list: Effect.fn("ZonesHandlers.list")(function*() {
        const customer = yield* CurrentCustomer
        const zones = yield* customers.zones(customer.id).pipe(Effect.catchTag("DatabaseError", onDatabaseError))
        const sources = yield* progress()
        return {
          zones: yield* Effect.forEach(
            zones,
            (zone) => Effect.map(circuits(zone), (found) => zoneResource(zone, sources, found))
          )
        }
      }),

      get: Effect.fn("ZonesHandlers.get")(function*({ params }) {
        const zone = yield* find(params.id)
        return zoneResource(zone, yield* progress(), yield* circuits(zone))
      }),

      addSource: Effect.fn("ZonesHandlers.addSource")(function*({ params, payload }) {
        const zone = yield* find(params.id)
        const now = yield* Clock.currentTimeMillis
        yield* customers.addSource(zone.customer, zone.id, {
          name: payload.name,
          startsAt: startOfArchive(now, payload.backfillHours ?? addedBackfillHours),
          windowMs: hourMs
        }).pipe(Effect.catchTag("DatabaseError", onDatabaseError))
        const changed = yield* find(zone.id)
        return zoneResource(changed, yield* progress(), yield* circuits(changed))
      }),

      pull: Effect.fn("ZonesHandlers.pull")(function*({ params }) {
        const zone = yield* find(params.id)
        if (zone.status.state === "blocked") {
          return yield* new ZoneBlocked({
            reason: zone.status.reason,
            detail: `The zone is blocked (${zone.status.reason}), so nothing can be pulled. ` +
              "Rainlogs checks by itself whether it can be collected again.",
            remedy: zone.status.remedy
          })
        }
        const jobs = yield* planner.pullNow(zone.customer, zone.id).pipe(
          Effect.catchTag("DatabaseError", onDatabaseError)
        )
        return { jobs }
      }),

      logs: Effect.fn("ZonesHandlers.logs")(function*({ params, query }) {
        const zone = yield* find(params.id)
        const { jobs, next } = yield* JobPages.page(
          (page) => windows.jobs(zone.customer, zone.id, page),
          query.limit ?? 100,
          query.before === undefined ? null : JobPages.parse(query.before)
        ).pipe(Effect.catchTag("DatabaseError", onDatabaseError))
        return { jobs: jobs.map(jobResource), next }
      })
    })
  })
)
