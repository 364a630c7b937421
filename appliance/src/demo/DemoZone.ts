/**
 * The zone the demo archives: one Enterprise zone of a simulated Cloudflare account, with realistic traffic.
 */
import { type Simulator, startSimulator } from "@rainlogs/cloudflare-simulator/Simulator"
import { Effect, type Scope } from "effect"

/** The simulated zone's id, as Cloudflare writes ids. */
export const cloudflareZoneId = "023e105f4ecef8ad9ca31a8372d0c353"

/** The simulated zone's name. */
export const zoneName = "shop.example"

/** Average records a second; the rate follows a daily curve. */
const recordsPerSecond = 5

/** How far the demo's archive reaches back, in hours. */
export const backfillHours = 6

/** Starts the simulated Cloudflare for the demo's zone; it stops with the scope. */
export const simulate = (token: string, seed: string): Effect.Effect<Simulator, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() =>
      startSimulator({
        zones: [{
          id: cloudflareZoneId,
          name: zoneName,
          plan: "enterprise",
          retention: true,
          recordsPerSecond,
          seed
        }],
        tokens: [{ token, status: "active", zones: "all", permissions: ["Logs Read", "Zone Read", "Analytics Read"] }]
      })
    ),
    (simulator) => Effect.promise(() => simulator.stop())
  )
