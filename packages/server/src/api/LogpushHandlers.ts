/**
 * Handlers: Logpush receivers. Every lookup is inside the customer of the API key.
 */
import { Api } from "@rainlogs/core/api/Api"
import { CurrentCustomer } from "@rainlogs/core/api/Authorization"
import type { LogpushDataset } from "@rainlogs/core/api/LogpushApi"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { Sha256Hex } from "@rainlogs/core/domain/Identifier"
import type { SourceName } from "@rainlogs/core/domain/Source"
import { BatchSpool } from "@rainlogs/core/receiver/BatchSpool"
import { PushSources } from "@rainlogs/core/receiver/PushSources"
import { Senders } from "@rainlogs/core/receiver/Senders"
import { Clock, Effect, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { createHash, randomBytes } from "node:crypto"
import { onDatabaseError, ownZone } from "./Failures.ts"

const minuteMs = 60_000

/** The source of a dataset. */
const nameOf: { readonly [dataset in LogpushDataset]: SourceName } = {
  http_requests: "cloudflare/logpush/http_requests",
  firewall_events: "cloudflare/logpush/firewall_events"
}

/** The `logpush` group of the API. */
export const layer = HttpApiBuilder.group(
  Api,
  "logpush",
  Effect.fn(function*(handlers) {
    const customers = yield* CustomerStore
    const sources = yield* PushSources
    const spool = yield* BatchSpool
    const senders = yield* Senders

    return handlers.handle(
      "accept",
      Effect.fn("LogpushHandlers.accept")(function*({ params, payload }) {
        const customer = yield* CurrentCustomer
        const { zone } = yield* ownZone(customers, customer.id, params.id)
        const now = yield* Clock.currentTimeMillis
        const secret = randomBytes(32).toString("hex")
        const name = nameOf[payload.dataset]
        const accepted = Effect.gen(function*() {
          const source = yield* sources.accept(
            {
              customer: customer.id,
              zone: zone.id,
              secretSha256: Sha256Hex.make(createHash("sha256").update(secret).digest("hex"))
            },
            { name, startsAt: Math.floor(now / minuteMs) * minuteMs, windowMs: 60 * minuteMs },
            spool.identity,
            now
          )
          // Cloudflare checks the destination as soon as the job is made.
          yield* senders.refresh
          return source
        })
        const source = yield* accepted.pipe(Effect.catchTag("DatabaseError", onDatabaseError))
        const path = `/ingest/logpush/${source}`
        return {
          source,
          name,
          path,
          header: "Authorization" as const,
          secret: Redacted.make(secret),
          destination: Redacted.make(`https://HOST${path}?header_Authorization=Bearer%20${secret}`)
        }
      })
    )
  })
)
