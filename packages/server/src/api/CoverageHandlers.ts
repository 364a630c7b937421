/**
 * Handlers: the coverage of a zone. Every lookup is inside the customer of the API key.
 */
import { Api } from "@rainlogs/core/api/Api"
import { CurrentCustomer } from "@rainlogs/core/api/Authorization"
import { mostCoverageHours, type SourceCoverageResource } from "@rainlogs/core/api/CoverageApi"
import { InvalidRequest } from "@rainlogs/core/api/Problem"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { type SourceProgress, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { CollectionStrategies } from "@rainlogs/core/collect/CollectionStrategies"
import { type CoverageHour, coverageOf, type CoveragePart, hourMs } from "@rainlogs/core/coverage/Coverage"
import { CoverageStore } from "@rainlogs/core/coverage/CoverageStore"
import type { Window } from "@rainlogs/core/domain/Window"
import { Clock, DateTime, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { onDatabaseError, ownZone } from "./Failures.ts"
import { sourceStatusResource } from "./Resources.ts"

const time = DateTime.makeUnsafe

/** Hours from now until `at` (Unix ms), to two decimals; never below 0. */
const hoursUntil = (now: number) => (at: number): number => Math.max(0, Math.round((at - now) / hourMs * 100) / 100)

const leastOf = (hours: ReadonlyArray<CoverageHour>): number | null => {
  const moments = hours.flatMap(({ lostAt }) => lostAt === null ? [] : [lostAt])
  return moments.length === 0 ? null : Math.min(...moments)
}

const orNull = (at: number | null, to: (at: number) => number): number | null => at === null ? null : to(at)

/** The hours that the query means, or what is wrong with it. */
const rangeOf = (query: { readonly from?: DateTime.Utc; readonly to?: DateTime.Utc }, now: number) => {
  const to = Math.ceil((query.to?.epochMilliseconds ?? now) / hourMs) * hourMs
  const from = query.from === undefined ? to - 24 * hourMs : Math.floor(query.from.epochMilliseconds / hourMs) * hourMs
  const hours = (to - from) / hourMs
  return hours > 0 && hours <= mostCoverageHours && from >= 0
    ? Effect.succeed<Window>({ from, to })
    : Effect.fail(
      new InvalidRequest({
        detail: hours <= 0 || from < 0
          ? "The range is empty: `to` must be later than `from`."
          : `The range has ${hours} hours; one answer has at most ${mostCoverageHours}.`,
        remedy: "Ask for a shorter range, or for several one after the other.",
        errors: [{ path: ["query", "from"], message: "from and to do not fit" }]
      })
    )
}

/** The `coverage` group of the API. */
export const layer = HttpApiBuilder.group(
  Api,
  "coverage",
  Effect.fn(function*(handlers) {
    const customers = yield* CustomerStore
    const windows = yield* WindowLedger
    const store = yield* CoverageStore
    const strategies = yield* CollectionStrategies

    const sourceCoverage = (
      { plannedTo, source }: SourceProgress,
      range: Window,
      now: number,
      parts: ReadonlyArray<CoveragePart>
    ): SourceCoverageResource => {
      const { name, startsAt, status } = source
      const hours = coverageOf({ name, startsAt, plannedTo }, strategies.of(name)?.limits, range, now, parts)
      return {
        name,
        status: sourceStatusResource(status),
        startsAt: time(startsAt),
        hoursToLoss: orNull(leastOf(hours), hoursUntil(now)),
        hours: hours.map(({ lostAt, start, ...hour }) => ({
          start: time(start),
          ...hour,
          hoursToLoss: orNull(lostAt, hoursUntil(now))
        }))
      }
    }

    return handlers.handleAll({
      zone: Effect.fn("CoverageHandlers.zone")(function*({ params, query }) {
        const customer = yield* CurrentCustomer
        const { zone } = yield* ownZone(customers, customer.id, params.id)
        const now = yield* Clock.currentTimeMillis
        const range = yield* rangeOf(query, now)
        // Tiles first: what is planned meanwhile is then pending in both, never missing from one.
        const parts = yield* store.parts(customer.id, zone.id, range).pipe(
          Effect.catchTag("DatabaseError", onDatabaseError)
        )
        const progress = yield* windows.progress(customer.id).pipe(Effect.catchTag("DatabaseError", onDatabaseError))
        return {
          zone: zone.id,
          from: time(range.from),
          to: time(range.to),
          sources: progress.filter(({ source }) => source.zone === zone.id)
            .map((one) => sourceCoverage(one, range, now, parts))
        }
      })
    })
  })
)
