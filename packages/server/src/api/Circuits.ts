/**
 * How the circuit breakers of a zone stand in this process, for the API.
 */
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { circuitsOf, mayConcern, type ZoneCircuit } from "@rainlogs/core/collect/CloudflareCircuits"
import type { Zone } from "@rainlogs/core/domain/Zone"
import { CircuitBreaker } from "@rainlogs/core/resilience/CircuitBreaker"
import { unwrapCloudflareToken } from "@rainlogs/core/secrets/CloudflareToken"
import { Kms } from "@rainlogs/core/secrets/Kms"
import { Effect, Option } from "effect"
import { onDatabaseError } from "./Failures.ts"

/**
 * Makes the function that answers a zone's circuits; null if the zone's token cannot be read, so that nobody knows which
 * circuits are the zone's. A zone that no breaker can concern costs no query.
 */
export const make = Effect.gen(function*() {
  const breaker = yield* CircuitBreaker
  const customers = yield* CustomerStore
  const kms = yield* Kms

  return Effect.fn("Circuits.ofZone")(function*({ cloudflareZone, customer, id }: Zone) {
    const all = (yield* breaker.snapshot).filter((one) => mayConcern(one, cloudflareZone))
    if (all.length === 0) return []
    const found = yield* customers.zone(customer, id).pipe(Effect.catchTag("DatabaseError", onDatabaseError))
    if (Option.isNone(found)) return []
    return yield* unwrapCloudflareToken(customer, id, found.value.token).pipe(
      Effect.provideService(Kms, kms),
      Effect.map((token): ReadonlyArray<ZoneCircuit> | null => circuitsOf(all, { cloudflareZone, token })),
      Effect.catchTag("KmsError", ({ detail, kek }) =>
        Effect.as(
          Effect.logWarning("a zone's circuits are not shown: its token cannot be unwrapped").pipe(
            Effect.annotateLogs({ zone: id, kek, detail })
          ),
          null
        ))
    )
  })
})
