/**
 * Runs `rainlogs keys …` and its neighbours as processes of their own, which may be killed with -9 at a chosen step.
 */
import { spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
const killAtStep = new URL("KillAtStep.ts", import.meta.url).href

/** How a process ended, and what it said. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command to its end. */
export const rainlogs = (
  args: ReadonlyArray<string>,
  options: { readonly env?: NodeJS.ProcessEnv; readonly stdin?: string } = {}
): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, ...options.env } })
    let [stdout, stderr] = ["", ""]
    child.stdout.on("data", (chunk) => stdout += String(chunk))
    child.stderr.on("data", (chunk) => stderr += String(chunk))
    child.on("error", reject)
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }))
    child.stdin.end(options.stdin ?? "")
  })

/** The environment that counts the durable steps of a process in `log`, and kills it with -9 after number `at`. */
export const stepping = (log: string, at: number): NodeJS.ProcessEnv => ({
  NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --import=${killAtStep}`,
  TEST_STEP_LOG: log,
  TEST_KILL_AFTER: String(at)
})

/** The steps that were counted. */
export const stepsIn = (log: string): ReadonlyArray<string> =>
  existsSync(log) ? readFileSync(log, "utf8").split("\n").filter((line) => line !== "") : []
