/**
 * Measures the process it runs in: CPU time of all its threads, time by the clock, peak memory.
 */
import { readFileSync } from "node:fs"

/** What a piece of work took. */
export interface Measured {
  /** User and system time of all threads, seconds. */
  readonly cpuSeconds: number
  readonly wallSeconds: number
  /** Peak resident memory of the process so far, MB (10^6 bytes). */
  readonly peakRssMb: number
}

/** Peak resident memory of this process in bytes: the kernel's high-water mark where there is one. */
export const peakRssBytes = (): number => {
  if (process.platform === "linux") {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]
    if (kilobytes !== undefined) return Number(kilobytes) * 1024
  }
  return process.resourceUsage().maxRSS * 1024
}

/** Runs the work and says what it took. */
export const measure = async <A>(run: () => Promise<A>): Promise<Measured & { readonly value: A }> => {
  const start = performance.now()
  const cpu = process.cpuUsage()
  const value = await run()
  const { system, user } = process.cpuUsage(cpu)
  return {
    value,
    cpuSeconds: (user + system) / 1e6,
    wallSeconds: (performance.now() - start) / 1000,
    peakRssMb: peakRssBytes() / 1e6
  }
}
