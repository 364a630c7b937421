/**
 * `rainlogs` as a process of its own: the server that a test may kill, and commands that run to their end.
 */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { gone, killGroup } from "../torture/Processes.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const bun = join(root, "node_modules", ".bin", "bun")
const main = join(root, "appliance", "src", "main.ts")

/** A running `rainlogs serve`. */
export interface ServeProcess {
  readonly url: string
  readonly adminToken: string
  readonly log: () => string
  /** kill -9 of the process and its database; resolves when it is gone. */
  readonly kill: () => Promise<void>
  /** Stops it in order. */
  readonly stop: () => Promise<void>
}

/** Starts the server on a data directory and waits for its address. */
export const serve = (data: string, cloudflare: string): Promise<ServeProcess> => {
  const child = spawn(bun, [main, "serve", "--data", data, "--port", "0"], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    env: { ...process.env, RAINLOGS_CLOUDFLARE_BASE_URL: cloudflare, RAINLOGS_LOGPULL_SETTLE_MS: "90000" }
  })
  const lines: Array<string> = []
  const log = () => lines.join("\n")
  return new Promise((resolve, reject) => {
    const read = (line: string) => {
      lines.push(line)
      const url = /Rainlogs answers at (http:\/\/[^\s;]+)/.exec(line)?.[1]
      if (url === undefined) return
      resolve({
        url,
        adminToken: readFileSync(join(data, "secrets", "admin.token"), "utf8").trim(),
        log,
        kill: () => {
          killGroup(child)
          return gone(child)
        },
        stop: () => {
          child.kill("SIGTERM")
          return gone(child)
        }
      })
    }
    createInterface({ input: child.stdout }).on("line", read)
    createInterface({ input: child.stderr }).on("line", read)
    child.on("exit", (code, signal) => reject(new Error(`serve ended (${signal ?? code}):\n${log()}`)))
    child.on("error", reject)
  })
}

/** Runs a command to its end. */
export const run = (
  args: ReadonlyArray<string>
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> => {
  const child = spawn(bun, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] })
  const output = { stdout: "", stderr: "" }
  child.stdout.on("data", (part: Buffer) => output.stdout += part.toString())
  child.stderr.on("data", (part: Buffer) => output.stderr += part.toString())
  return new Promise((resolve, reject) => {
    child.on("close", (code) => resolve({ code, ...output }))
    child.on("error", reject)
  })
}
