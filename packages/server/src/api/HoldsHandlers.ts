/**
 * Handlers: legal holds. Every lookup is inside the customer of the API key.
 */
import { Api } from "@rainlogs/core/api/Api"
import { CurrentCustomer } from "@rainlogs/core/api/Authorization"
import type { HoldResource, HoldScopeResource } from "@rainlogs/core/api/HoldsApi"
import { cutPage, parseCursor, printCursor } from "@rainlogs/core/api/Page"
import { HoldNotAllowed } from "@rainlogs/core/api/Problem"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { ZoneId } from "@rainlogs/core/domain/Identifier"
import { type HoldRecord, HoldStore } from "@rainlogs/core/lifecycle/HoldStore"
import { LegalHolds } from "@rainlogs/core/lifecycle/LegalHolds"
import { type HoldScope, openEnd } from "@rainlogs/verify/Hold"
import { parseRelease } from "@rainlogs/verify/Release"
import { Clock, DateTime, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { onDatabaseError, ownZone } from "./Failures.ts"
import { onHold, onSigner, onUnavailable } from "./LifecycleFailures.ts"

const time = DateTime.makeUnsafe

const scopeOf = ({ from, to, zone }: typeof HoldScopeResource.Type): HoldScope => ({
  chain: zone ?? "*",
  from: from === null ? 0 : DateTime.toEpochMillis(from),
  to: to === null ? openEnd : DateTime.toEpochMillis(to)
})

const holdResource = ({ document, hold, released }: HoldRecord): HoldResource => ({
  id: hold.id,
  state: released === null ? "active" : "released",
  scopes: hold.scopes.map(({ chain, from, to }) => ({
    zone: chain === "*" ? null : ZoneId.make(chain),
    from: from === 0 ? null : time(from),
    to: to === openEnd ? null : time(to)
  })),
  basis: hold.basis,
  issuedAt: time(hold.issued),
  releasedAt: released === null ? null : time(released.at),
  document,
  release: released?.document ?? null
})

// The hold that a document to release one names; a document that cannot be read names none.
const releasedHold = (document: string): string | null => {
  try {
    const end = document.indexOf("\n\n")
    return parseRelease(end === -1 ? document : document.slice(0, end + 1)).hold
  } catch {
    return null
  }
}

/** The `holds` group of the API. */
export const layer = HttpApiBuilder.group(
  Api,
  "holds",
  Effect.fn(function*(handlers) {
    const customers = yield* CustomerStore
    const holds = yield* LegalHolds
    const store = yield* HoldStore

    const ledger = Effect.map(CurrentCustomer, ({ id, origin }) => ({ customer: id, origin }))

    return handlers.handleAll({
      place: Effect.fn("HoldsHandlers.place")(function*({ payload }) {
        const own = yield* ledger
        for (const { zone } of payload.scopes) {
          if (zone !== null) yield* ownZone(customers, own.customer, zone)
        }
        const { basis, id } = payload
        const request = { ...(id === undefined ? {} : { id }), scopes: payload.scopes.map(scopeOf), basis }
        return holdResource(
          yield* holds.place(own, request, yield* Clock.currentTimeMillis).pipe(
            Effect.catchTags({ ...onUnavailable, ...onSigner, HoldRefused: onHold.HoldRefused })
          )
        )
      }),

      list: Effect.fn("HoldsHandlers.list")(function*({ query }) {
        const { customer } = yield* ledger
        const limit = query.limit ?? 100
        const cursor = query.before === undefined ? null : parseCursor(query.before)
        const page = yield* store.holds(customer, {
          limit: limit + 1,
          before: cursor === null ? null : { issued: cursor.time, id: cursor.id }
        }).pipe(Effect.catchTag("DatabaseError", onDatabaseError))
        const { next, shown } = cutPage(page, limit, ({ hold }) => printCursor(hold.issued, hold.id))
        return { holds: shown.map(holdResource), next }
      }),

      draftRelease: Effect.fn("HoldsHandlers.draftRelease")(function*({ params, payload }) {
        const document = yield* holds.draftRelease(
          yield* ledger,
          params.id,
          payload.basis,
          yield* Clock.currentTimeMillis
        ).pipe(Effect.catchTags({ DatabaseError: onDatabaseError, ...onHold }))
        return { document }
      }),

      release: Effect.fn("HoldsHandlers.release")(function*({ params, payload }) {
        const named = releasedHold(payload.document)
        if (named !== null && named !== params.id) {
          return yield* new HoldNotAllowed({
            detail: `The release names the hold ${named}, the address the hold ${params.id}.`,
            remedy: "Send it to the address of its hold."
          })
        }
        const bytes = new TextEncoder().encode(payload.document)
        return holdResource(
          yield* holds.release(yield* ledger, bytes, yield* Clock.currentTimeMillis).pipe(
            Effect.catchTags({ ...onUnavailable, ...onSigner, ...onHold })
          )
        )
      })
    })
  })
)
