/**
 * How much memory this process and its children hold now, for the figures the demo prints.
 */
import { Effect } from "effect"
import { readdirSync, readFileSync } from "node:fs"

/** Proportional set size of a process in bytes (shared pages counted once over all); 0 if it is gone or not ours. */
const proportional = (pid: number): number => {
  try {
    const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]
    return Number(kilobytes ?? 0) * 1024
  } catch {
    // The process ended, or belongs to another user: what cannot be read is not counted.
    return 0
  }
}

const parents = (): ReadonlyMap<number, number> => {
  const found = new Map<number, number>()
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8")
      found.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]))
    } catch {
      // Ended between the listing and the reading.
    }
  }
  return found
}

/** Bytes held by this process and all its descendants (the embedded database); of this process alone where /proc is missing. */
export const withChildren: Effect.Effect<number> = Effect.sync(() => {
  if (process.platform !== "linux") return process.memoryUsage().rss
  const parentOf = parents()
  const isOurs = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 0; at = parentOf.get(at)) {
      if (at === process.pid) return true
    }
    return false
  }
  let total = 0
  for (const pid of parentOf.keys()) if (isOurs(pid)) total += proportional(pid)
  return total > 0 ? total : process.memoryUsage().rss
})
