/**
 * CPU time of the processes below this one (the embedded database), from /proc; Linux only.
 */
import { readdirSync, readFileSync } from "node:fs"

// Clock ticks a second of /proc/<pid>/stat (sysconf(_SC_CLK_TCK)): 100 on every Linux that Node supports.
const ticksPerSecond = 100

interface Stat {
  readonly parent: number
  readonly ticks: number
}

const statOf = (pid: string): Stat | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8")
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number)
    // Own user and system time, and that of children it has waited for (fields 14 to 17).
    const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15)
    return { parent: fields[1] ?? 0, ticks: user + system + childUser + childSystem }
  } catch {
    // The process ended between the listing and the reading.
    return undefined
  }
}

/** CPU seconds so far of all processes started, directly or not, by this one. */
export const descendantCpuSeconds = (): number => {
  const stats = new Map<number, Stat>()
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? statOf(name) : undefined
    if (stat !== undefined) stats.set(Number(name), stat)
  }
  const isBelow = (pid: number): boolean => {
    for (let at = stats.get(pid)?.parent; at !== undefined && at > 0; at = stats.get(at)?.parent) {
      if (at === process.pid) return true
    }
    return false
  }
  let ticks = 0
  for (const [pid, stat] of stats) if (isBelow(pid)) ticks += stat.ticks
  return ticks / ticksPerSecond
}
