/**
 * Rainlogs is down for eight days, a day longer than Cloudflare keeps logs: what is still there is archived, and the
 * rest is one gap.
 */
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import type { Report } from "@rainlogs/verify/Report"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { compareWithTruth, type Hello, type SimulatorHello, type Truths } from "./Comparison.ts"
import { applianceOptions, startAppliance, startSimulator } from "./Participants.ts"
import { gone, killGroup, type Started } from "./Processes.ts"

/**
 * The archive before and after the outage. Times in simulated Unix ms: the first appliance ended at `stoppedAt`, at or
 * after `outageFrom`, and the second one had archived everything at `caughtUpAt`.
 */
export interface OutageResult {
  readonly before: Truths
  readonly after: Truths
  readonly report: Report
  readonly outageFrom: number
  readonly outageTo: number
  readonly stoppedAt: number
  readonly caughtUpAt: number
}

const day = 86_400_000

/** Runs the two halves with `speed` simulated seconds a second. */
export const run = async (options: { readonly seed: number; readonly speed: number }): Promise<OutageResult> => {
  const directory = mkdtempSync(join(tmpdir(), "rainlogs-outage-"))
  const data = join(directory, "data")
  const outageFrom = Date.UTC(2026, 0, 15, 9)
  const outageTo = outageFrom + 8 * day

  /** Archives everything up to the simulated moment the half begins at. */
  const half = async (epochMs: number): Promise<readonly [Truths, Hello, number]> => {
    const time = { epochMs, realEpochMs: Date.now(), speed: options.speed }
    const simulator = await startSimulator({ seed: options.seed, recordsPerSecond: 0.2, faultProbability: 0, time })
    let appliance: Started<Hello> | undefined
    try {
      appliance = await startAppliance({
        ...applianceOptions(simulator.hello, time),
        data,
        backfillHours: 12,
        windowMs: 3_600_000,
        workers: 3
      })
      const truths = await compareWithTruth({
        appliance: appliance.hello,
        simulator: simulator.hello satisfies SimulatorHello,
        zone: simulator.hello.zones[0]!.id,
        until: epochMs,
        withinMs: 240_000
      })
      appliance.process.kill("SIGTERM")
      await gone(appliance.process)
      return [truths, appliance.hello, epochMs + (Date.now() - time.realEpochMs) * options.speed]
    } catch (cause) {
      throw new Error(`the half from ${new Date(epochMs).toISOString()} broke:\n${appliance?.log() ?? ""}`, { cause })
    } finally {
      if (appliance !== undefined) killGroup(appliance.process)
      killGroup(simulator.process)
    }
  }

  try {
    const [before, , stoppedAt] = await half(outageFrom)
    const [after, hello, caughtUpAt] = await half(outageTo)
    const report = await verifyArchive(await openDirectory(join(data, "archive")), {
      keys: [parseVerifierKey(hello.vkey)]
    })
    return { before, after, report, outageFrom, outageTo, stoppedAt, caughtUpAt }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
