/**
 * The circuit breakers of Cloudflare's APIs: one per API, zone and token, so that what one customer's token meets never
 * holds up another's. Which of them concern a zone is told by the zone and its token together, for two customers may
 * archive the same Cloudflare zone.
 */
import type { Redacted } from "effect"
import type { CloudflareZoneId } from "../domain/Identifier.ts"
import type { BreakerSnapshot } from "../resilience/CircuitBreaker.ts"
import { fingerprint } from "../secrets/CloudflareToken.ts"
import type { CollectionTarget } from "./CollectionStrategy.ts"

/** What stands for the zone in the key of an endpoint of the token itself. */
const anyZone = "-"

/** The breaker's key of a call: `<api> <zone or -> <fingerprint of the token>`. */
export const circuitKey = (call: {
  readonly api: string
  readonly zone: CloudflareZoneId | null
  readonly token: Redacted.Redacted<string>
}): string => `${call.api} ${call.zone ?? anyZone} ${fingerprint(call.token)}`

/** One API's breaker as a zone sees it. */
export interface ZoneCircuit extends Omit<BreakerSnapshot, "key"> {
  readonly api: string
}

/** Whether the breaker is of the zone, or of a token that may be the zone's. */
export const mayConcern = ({ key }: BreakerSnapshot, zone: CloudflareZoneId): boolean => {
  const [, place] = key.split(" ")
  return place === zone || place === anyZone
}

/** The breakers of a zone's own calls, sorted by API; an API that is not among them is closed and has not failed. */
export const circuitsOf = (
  all: ReadonlyArray<BreakerSnapshot>,
  target: Pick<CollectionTarget, "cloudflareZone" | "token">
): ReadonlyArray<ZoneCircuit> =>
  all.flatMap(({ key, ...circuit }) => {
    const [api = ""] = key.split(" ")
    const ours = [target.cloudflareZone, null].some((zone) => key === circuitKey({ api, zone, token: target.token }))
    const eventful = circuit.state !== "closed" || circuit.failures > 0
    return ours && eventful ? [{ api, ...circuit }] : []
  })
