/**
 * Tells whether a process id still names the process it named when it was written down. Process ids are reused, so
 * the identity is the id and the start time within one boot and one process namespace.
 */
import { execFileSync } from "node:child_process"
import { readFileSync, readlinkSync } from "node:fs"

/** A process, told apart from any later process with the same id. */
export interface ProcessIdentity {
  readonly pid: number
  /** Start time: clock ticks since boot on Linux, seconds since 1970 elsewhere. */
  readonly started: number
  /** The boot of the machine; changes with every boot. Letters, digits and `-`. */
  readonly boot: string
  /** The process namespace, in which alone `pid` has a meaning. Letters, digits and `-`. */
  readonly namespace: string
}

const linux = process.platform === "linux"

/**
 * Start time of a process in the unit of {@link ProcessIdentity}, or `undefined` when there is none with this id. A
 * zombie, which has ended and only waits for its parent to notice, counts as none.
 */
export const startTime = (pid: number): number | undefined => {
  try {
    if (linux) {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
      // Field 2 is the command in parentheses and may itself hold spaces and parentheses; state is field 3, start 22.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      return fields[0] === "Z" ? undefined : Number(fields[19])
    }
    const [state = "", ...started] = execFileSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], {
      encoding: "utf8",
      timeout: 5000
    }).trim().split(/\s+/)
    return state.startsWith("Z") ? undefined : Math.floor(Date.parse(started.join(" ")) / 1000)
  } catch {
    return undefined
  }
}

/** The identity of the running process. */
export const current = (): ProcessIdentity => ({
  pid: process.pid,
  started: startTime(process.pid) ?? 0,
  boot: linux ? readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim() : process.platform,
  namespace: linux ? readlinkSync("/proc/self/ns/pid").replace(/[^0-9]/g, "") : "0"
})

/**
 * Whether the process runs: `"unknown"` when it belongs to another process namespace (another container), from which
 * its id cannot be looked up. A process of an earlier boot is dead.
 */
export const liveness = (identity: ProcessIdentity, self: ProcessIdentity): "alive" | "dead" | "unknown" => {
  if (identity.boot !== self.boot) return "dead"
  if (identity.namespace !== self.namespace) return "unknown"
  return startTime(identity.pid) === identity.started ? "alive" : "dead"
}

/** Sends a signal; a process that has just ended is not an error. */
export const signalIfAlive = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error
  }
}
