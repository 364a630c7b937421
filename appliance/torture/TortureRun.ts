/**
 * One seed of torture: a simulator with every fault switched on, an appliance with three workers that is killed with -9
 * at random moments, and at the end the archive held against the simulator's truth, window by window, and against the
 * offline verifier.
 */
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { compareWithTruth, type Hello, type Truths } from "./Comparison.ts"
import { drawer } from "./Draw.ts"
import { applianceOptions, startAppliance, startSimulator } from "./Participants.ts"
import { gone, killAlone, killGroup, type Started } from "./Processes.ts"
import type { TortureOptions } from "./TortureAppliance.ts"

/** What to do to the archive. Times of the simulated clock in ms, the rest real. */
export interface RunOptions {
  readonly seed: number
  readonly kills: number
  readonly hours: number
  readonly speed: number
  readonly recordsPerSecond: number
  readonly faultProbability: number
  readonly workers: number
  readonly windowMs: number
  readonly log: (text: string) => void
}

/** What came of it. */
export interface RunResult extends Truths {
  readonly seed: number
  readonly kills: number
  readonly entries: number
  readonly integrity: string
  readonly completeness: string
  readonly findings: ReadonlyArray<string>
  readonly faults: { readonly [kind: string]: number }
  readonly requests: number
  readonly seconds: number
}

/** Runs one seed; throws if the road itself breaks (a process that does not come up again). */
export const run = async (options: RunOptions): Promise<RunResult> => {
  const began = Date.now()
  const draw = drawer(options.seed)
  const directory = mkdtempSync(join(tmpdir(), `rainlogs-torture-${options.seed}-`))
  const epochMs = Date.UTC(2026, 0, 15, 9)
  const time = { epochMs, realEpochMs: began, speed: options.speed }
  const simulator = await startSimulator({ ...options, time })
  const zone = simulator.hello.zones[0]!
  const child: TortureOptions = {
    ...applianceOptions(simulator.hello, time),
    data: join(directory, "data"),
    backfillHours: options.hours,
    windowMs: options.windowMs,
    workers: options.workers
  }
  let appliance: Started<Hello> | undefined
  let finished = false
  try {
    appliance = await startAppliance(child)
    for (let kill = 0; kill < options.kills; kill++) {
      await setTimeout(50 + draw() * 1500)
      if (draw() < 0.5) killGroup(appliance.process)
      else killAlone(appliance.process)
      await gone(appliance.process)
      appliance = await startAppliance(child)
      if ((kill + 1) % 10 === 0) options.log(`seed ${options.seed}: ${kill + 1} kills`)
    }
    const truths = await compareWithTruth({
      appliance: appliance.hello,
      simulator: simulator.hello,
      zone: zone.id,
      until: epochMs,
      withinMs: 600_000
    })
    appliance.process.kill("SIGTERM")
    await gone(appliance.process)
    const report = await verifyArchive(await openDirectory(join(child.data, "archive")), {
      keys: [parseVerifierKey(appliance.hello.vkey)]
    })
    const counters: { readonly requests: number; readonly faults: RunResult["faults"] } = await (
      await fetch(`${simulator.hello.control}/counters`)
    ).json()
    finished = true
    return {
      ...truths,
      seed: options.seed,
      kills: options.kills,
      entries: report.size,
      integrity: report.verdict.integrity,
      completeness: report.verdict.completeness,
      findings: report.findings.filter(({ severity }) => severity !== "notice").map(({ code, detail }) =>
        `${code}: ${detail}`
      ),
      faults: counters.faults,
      requests: counters.requests,
      seconds: Math.round((Date.now() - began) / 1000)
    }
  } catch (cause) {
    throw new Error(`seed ${options.seed} broke in ${directory}:\n${appliance?.log() ?? ""}`, { cause })
  } finally {
    if (appliance !== undefined) killGroup(appliance.process)
    killGroup(simulator.process)
    // A broken archive is kept for whoever looks into it.
    if (finished) rmSync(directory, { recursive: true, force: true })
  }
}
