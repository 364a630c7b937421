/**
 * Reads `postmaster.pid` and finds out whether the server it names is alive. PostgreSQL itself refuses to start on a
 * live file; what it cannot tell is a stale file whose process id is a zombie's or now belongs to
 * something else.
 */
import { isKnown } from "@rainlogs/core/storage/ProcessLiveness"
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import * as ProcessIdentity from "./ProcessIdentity.ts"

/** Port number, which only names the socket file: the server does not listen on the network. */
export const port = 5432

/** Name of the Unix socket in the cluster directory. */
export const socketName = `.s.PGSQL.${port}`

const pathIn = (directory: string) => join(directory, "postmaster.pid")

const lines = (path: string): ReadonlyArray<string> => {
  try {
    return readFileSync(path, "utf8").split("\n")
  } catch {
    return []
  }
}

/**
 * Whether the postmaster has written that it takes connections (line 8, `LOCK_FILE_LINE_PM_STATUS` of PostgreSQL's
 * pidfile.h). Asking this first spares the server refusals, which it logs as FATAL.
 */
export const isReady = (directory: string, pid: number): boolean => {
  const found = lines(pathIn(directory))
  return Number(found[0]) === pid && found[7]?.trim() === "ready"
}

/** Whether the process works in the cluster directory, as every process of its server does, and nothing else should. */
const worksIn = (pid: number, directory: string): boolean => {
  try {
    if (process.platform !== "linux") {
      const command = execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8", timeout: 5000 })
      return /postgres/.test(command)
    }
    const cwd = statSync(`/proc/${pid}/cwd`)
    const own = statSync(directory)
    // The command line of a postmaster or backend; a shell an operator left standing in the directory is not one.
    return cwd.ino === own.ino && cwd.dev === own.dev &&
      /postgres/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"))
  } catch {
    return false
  }
}

/** The process id of the live postmaster of the cluster, if there is one. */
export const livePostmaster = (directory: string): number | undefined => {
  const pid = Number(lines(pathIn(directory))[0])
  return Number.isInteger(pid) && pid > 1 && ProcessIdentity.startTime(pid) !== undefined && worksIn(pid, directory)
    ? pid
    : undefined
}

/** Processes of the cluster's server other than a live postmaster: backends that outlive a killed one for a moment. */
export const orphans = (directory: string): ReadonlyArray<number> => {
  if (process.platform !== "linux") return []
  const postmaster = livePostmaster(directory)
  return readdirSync("/proc").map(Number).filter((pid) =>
    Number.isInteger(pid) && pid !== postmaster && worksIn(pid, directory) &&
    ProcessIdentity.startTime(pid) !== undefined
  )
}

/**
 * Removes the two lock files (of the directory and of the socket) of a server that is gone, if their process id is
 * still taken: by a zombie nobody collects, or by an unrelated process, either of which PostgreSQL takes for the
 * running server. Otherwise PostgreSQL recognises the stale files itself, with checks that removing them would take
 * away. The caller has made sure that neither a live postmaster nor orphans are left.
 */
export const removeIfMisleading = (directory: string): void => {
  if (livePostmaster(directory) !== undefined) return
  for (const name of ["postmaster.pid", `${socketName}.lock`]) {
    const path = join(directory, name)
    const pid = Number(lines(path)[0])
    if (Number.isInteger(pid) && pid > 0 && isKnown(pid)) rmSync(path, { force: true })
  }
}
