/**
 * Starts the two sides of a run under one simulated clock: the simulator, which lives through it, and the appliance.
 */
import type { SimulatedTime } from "@rainlogs/cloudflare-simulator/SimulatedClock"
import type { Hello, SimulatorHello } from "./Comparison.ts"
import { start, type Started } from "./Processes.ts"
import type { TortureOptions } from "./TortureAppliance.ts"

/** What the simulator is started with. */
export interface SimulatorOptions {
  readonly seed: number
  readonly recordsPerSecond: number
  readonly faultProbability: number
  readonly time: SimulatedTime
}

/** Starts a simulator process. */
export const startSimulator = (options: SimulatorOptions): Promise<Started<SimulatorHello>> =>
  start<SimulatorHello>(
    "packages/cloudflare-simulator/src/cli.ts",
    [
      ["--seed", options.seed],
      ["--rate", options.recordsPerSecond],
      ["--epoch", options.time.epochMs],
      ["--real-epoch", options.time.realEpochMs],
      ["--speed", options.time.speed],
      ["--fault-probability", options.faultProbability],
      // Longer than the client's patience at this speed.
      ["--stall-ms", Math.ceil(40_000 / options.time.speed)]
    ].flatMap(([name, value]) => [String(name), String(value)]),
    20_000
  )

/** The part of the appliance's options that follows from the simulator. */
export const applianceOptions = (
  simulator: SimulatorHello,
  time: SimulatedTime
): Pick<TortureOptions, "time" | "cloudflareBaseUrl" | "cloudflareZoneId" | "token"> => ({
  time,
  cloudflareBaseUrl: simulator.url,
  cloudflareZoneId: simulator.zones[0]!.id,
  token: simulator.tokens[0]!.token
})

/**
 * Starts an appliance process. After a kill its database recovers first: that takes longer, never a minute. A start that
 * ends by itself is tried twice more, as a service manager does: under a fast clock the client's patience with a
 * database on a busy machine is a fraction of a second.
 */
export const startAppliance = async (options: TortureOptions): Promise<Started<Hello>> => {
  const attempt = () => start<Hello>("appliance/torture/TortureAppliance.ts", [JSON.stringify(options)], 60_000)
  for (let left = 2;; left--) {
    try {
      return await attempt()
    } catch (cause) {
      if (left === 0) throw cause
      process.stderr.write(`a start failed and is tried again: ${String(cause).slice(0, 400)}\n`)
    }
  }
}
