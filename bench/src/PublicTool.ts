/**
 * Runs a public tool on a file and measures its CPU time, to compare with.
 */
import { spawnSync } from "node:child_process"
import { availableParallelism } from "node:os"
import { type Ratio, rounded } from "./Bench.ts"

/** A tool that reads the file named by its last argument; its output is thrown away. */
export interface PublicTool {
  readonly name: string
  readonly argv: readonly [string, ...ReadonlyArray<string>]
}

/** Zstandard at its default level. */
export const zstd: PublicTool = { name: "zstd -3", argv: ["zstd", "-3", "-q", "-c"] }
/** SHA-256 of OpenSSL. */
export const opensslSha256: PublicTool = { name: "openssl dgst -sha256", argv: ["openssl", "dgst", "-sha256"] }

/** CPU seconds of the tool on the file, or why it could not be run. */
export type ToolRun = { readonly cpuSeconds: number } | { readonly reason: string }

// `times` (POSIX) prints the shell's own times, then those of its children: user and system, as 0m1.234s.
const childTimes = /(\d+)m([\d.]+)s\s+(\d+)m([\d.]+)s\s*$/

/** Runs the tool on the file. */
export const runTool = (tool: PublicTool, file: string): ToolRun => {
  const [command] = tool.argv
  if (spawnSync("sh", ["-c", "command -v \"$0\"", command]).status !== 0) {
    return { reason: `${command} is not installed` }
  }
  const script = "\"$@\" > /dev/null || exit 1; times"
  const { status, stderr, stdout } = spawnSync("sh", ["-c", script, "sh", ...tool.argv, file], { encoding: "utf8" })
  const match = childTimes.exec(stdout)
  if (status !== 0 || match === null) return { reason: `${tool.name} failed: ${stderr.trim().slice(0, 200)}` }
  const [, userMinutes, userSeconds, systemMinutes, systemSeconds] = match.map(Number)
  return {
    cpuSeconds: (userMinutes ?? 0) * 60 + (userSeconds ?? 0) + (systemMinutes ?? 0) * 60 + (systemSeconds ?? 0)
  }
}

/** Our CPU seconds against the tool's on the same bytes. A tool that is missing is said aloud, never guessed. */
export const ratioTo = (tool: PublicTool, file: string, ownCpuSeconds: number): Ratio => {
  const run = runTool(tool, file)
  if ("reason" in run) {
    process.stderr.write(`WARNING: no comparison with ${tool.name}: ${run.reason}\n`)
    return { tool: tool.name, ratio: null, reason: run.reason }
  }
  return { tool: tool.name, ratio: rounded(run.cpuSeconds / ownCpuSeconds) }
}

/**
 * Seconds by the clock that `openssl dgst -sha256` takes for all files below a directory, as many processes at once as
 * there are cores; or why it could not be run.
 */
export const opensslOnAllCores = (
  directory: string
): { readonly wallSeconds: number } | { readonly reason: string } => {
  const script = "find \"$1\" -type f -print0 | xargs -0 -n 1 -P \"$2\" openssl dgst -sha256 > /dev/null"
  const began = performance.now()
  const { status, stderr } = spawnSync("sh", ["-c", script, "sh", directory, String(availableParallelism())], {
    encoding: "utf8"
  })
  const wallSeconds = (performance.now() - began) / 1000
  return status === 0 ? { wallSeconds } : { reason: `openssl on all cores failed: ${stderr.trim().slice(0, 200)}` }
}
