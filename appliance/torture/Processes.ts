/**
 * The processes of a torture run: a simulator that lives through it, and appliances that are killed.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))
const bun = join(root, "node_modules", ".bin", "bun")

/** A started process and its first line of output, read as JSON. */
export interface Started<A> {
  readonly process: ChildProcess
  readonly hello: A
  /** The last lines of its stderr, for a failure's message. */
  readonly log: () => string
}

/** Starts a TypeScript program under Bun in a process group of its own and waits for its first line. */
export const start = <A>(program: string, args: ReadonlyArray<string>, withinMs: number): Promise<Started<A>> => {
  const child = spawn(bun, [join(root, program), ...args], { stdio: ["ignore", "pipe", "pipe"], detached: true })
  const lines: Array<string> = []
  const keep = (line: string) => {
    lines.push(line)
    if (lines.length > 200) lines.shift()
  }
  const log = () => lines.join("\n")
  createInterface({ input: child.stderr! }).on("line", keep)
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      killGroup(child)
      reject(new Error(`${program} said nothing within ${withinMs} ms:\n${log()}`))
    }, withinMs)
    let greeted = false
    createInterface({ input: child.stdout! }).on("line", (line) => {
      if (greeted || !line.startsWith("{")) return keep(line)
      greeted = true
      clearTimeout(timer)
      resolve({ process: child, hello: JSON.parse(line), log })
    })
    child.on("exit", (code, signal) => {
      clearTimeout(timer)
      if (!greeted) reject(new Error(`${program} ended (${signal ?? code}) before it was ready:\n${log()}`))
    })
    child.on("error", reject)
  })
}

/** Kills a process and everything it started, with -9. */
export const killGroup = (child: ChildProcess): void => {
  try {
    process.kill(-child.pid!, "SIGKILL")
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "ESRCH")) throw cause
  }
}

/** Kills only the process itself with -9; its database is left running. */
export const killAlone = (child: ChildProcess): void => {
  child.kill("SIGKILL")
}

/** Resolves when the process is gone. */
export const gone = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once("exit", () => resolve()))
