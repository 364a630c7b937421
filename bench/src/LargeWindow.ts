/**
 * Benchmark `window`: one window of `--size` bytes or more passes from the simulated Cloudflare, over HTTP with gzip,
 * into the archive; measures the memory of the appliance process meanwhile. Target: 256 MB for 5 GB.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { type Hello, jobsOf } from "../../appliance/torture/Comparison.ts"
import { applianceOptions, startAppliance, startSimulator } from "../../appliance/torture/Participants.ts"
import { gone, killGroup, type Started } from "../../appliance/torture/Processes.ts"
import { type Bench, rounded, runtime } from "./Bench.ts"

/** Average bytes of a generated line with the fields a zone offers by default. */
const bytesPerRecord = 1900

// The rate follows a daily curve; around noon it is above its average, so the window is at least as large as asked.
const noon = Date.UTC(2026, 0, 15, 14, 30)

const statusOf = (pid: number, name: "VmHWM" | "VmRSS"): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024

/** User and system CPU seconds of a process so far. */
const cpuOf = (pid: number): number => {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number)
  return ((fields[11] ?? 0) + (fields[12] ?? 0)) / 100
}

/** The benchmark. It fails when the window is not committed within an hour. */
export const largeWindow: Bench = {
  name: "window",
  about: "pull and archive one large window from the simulator; memory of the appliance",
  run: async ({ directory, sizeBytes }) => {
    const time = { epochMs: noon, realEpochMs: Date.now(), speed: 1 }
    const simulator = await startSimulator({
      seed: 1,
      recordsPerSecond: Math.ceil(sizeBytes / 3600 / bytesPerRecord),
      faultProbability: 0,
      time
    })
    let appliance: Started<Hello> | undefined
    try {
      appliance = await startAppliance({
        ...applianceOptions(simulator.hello, time),
        data: join(directory, "data"),
        backfillHours: 2,
        windowMs: 3_600_000,
        workers: 1
      })
      const pid = appliance.process.pid!
      const began = performance.now()
      const cpu = cpuOf(pid)
      const idleMb = statusOf(pid, "VmRSS") / 1e6
      for (;;) {
        await setTimeout(250)
        const done = (await jobsOf(appliance.hello)).find(({ state, window }) =>
          state === "committed" && window.to - window.from === 3_600_000
        )
        if (done !== undefined) {
          const wallSeconds = (performance.now() - began) / 1000
          const cpuSeconds = cpuOf(pid) - cpu
          const mb = (done.bytes ?? 0) / 1e6
          return {
            name: "window",
            mbPerSecPerCore: rounded(mb / cpuSeconds),
            ratio: null,
            peakRssMb: rounded(statusOf(pid, "VmHWM") / 1e6),
            mbPerSec: rounded(mb / wallSeconds),
            sizeBytes: done.bytes ?? 0,
            runtime: runtime(),
            ratios: [],
            details: {
              records: done.records ?? 0,
              idleRssMb: rounded(idleMb),
              cpuSeconds: rounded(cpuSeconds),
              wallSeconds: rounded(wallSeconds)
            }
          }
        }
        if (performance.now() - began > 3_600_000) throw new Error(`not committed:\n${appliance.log()}`)
      }
    } finally {
      if (appliance !== undefined) {
        killGroup(appliance.process)
        await gone(appliance.process)
      }
      killGroup(simulator.process)
    }
  }
}
