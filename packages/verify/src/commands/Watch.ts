/**
 * `rainlogs-verify watch ARCHIVE`: a monitor that pins every checkpoint it sees and raises an alarm when a later one
 * does not extend it, when it is old, or when the archive cannot be reached.
 */
import { spawn } from "node:child_process"
import { open, readFile, rename } from "node:fs/promises"
import { dirname } from "node:path"
import { setTimeout } from "node:timers/promises"
import { parseArgs } from "node:util"
import { printEquivocation } from "../EquivocationProof.ts"
import { verify as verifySignature } from "../node/NativeEd25519.ts"
import { watchCheckpoint } from "../WatchCheckpoint.ts"
import { type CommandOutput, type ExitCode, logKeyOf, parseDuration, parseKey, UsageError } from "./CommandLine.ts"
import { withArchive } from "./OpenArchive.ts"

const parse = (argv: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        key: { type: "string", multiple: true },
        state: { type: "string" },
        every: { type: "string", default: "5m" },
        "max-age": { type: "string" },
        "on-alarm": { type: "string" },
        once: { type: "boolean", default: false }
      }
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

const readState = async (path: string): Promise<Uint8Array | null> => {
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null
    throw error
  }
}

// A pin that is lost or torn would let the log take a checkpoint back.
const writeState = async (path: string, bytes: Uint8Array): Promise<void> => {
  const temporary = `${path}.new`
  const file = await open(temporary, "w", 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  const directory = await open(dirname(path), "r")
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

// The command gets the alarm as one JSON line on stdin; that it fails is itself worth saying.
const notify = (command: string, line: string, output: CommandOutput): Promise<void> =>
  new Promise((resolve) => {
    const child = spawn(command, { shell: true, stdio: ["pipe", "ignore", "ignore"] })
    const end = (why: string | null) => {
      if (why !== null) output.stderr.write(`rainlogs-verify: --on-alarm "${command}" ${why}\n`)
      resolve()
    }
    child.on("error", (error) => end(`could not be started: ${error.message}`))
    child.on("exit", (code) => end(code === 0 ? null : `ended with exit code ${code}`))
    child.stdin.on("error", () => undefined)
    child.stdin.end(line)
  })

/** Runs the command. With `--once` the exit code is 0 fine, 1 tampering proven, 2 cannot conclude; else it ends with a signal. */
export const watchCommand = async (argv: ReadonlyArray<string>, output: CommandOutput): Promise<ExitCode> => {
  const { positionals, values } = parse(argv)
  const [target, ...more] = positionals
  if (target === undefined || more.length > 0) throw new UsageError("watch takes one archive")
  const { every, once, state } = values
  if (state === undefined) throw new UsageError("pass --state FILE, where the last checkpoint seen is kept")
  const keys = (values.key ?? []).map(parseKey)
  const { name: origin } = logKeyOf(keys)
  const interval = parseDuration("--every", every)
  const maxAge = values["max-age"] === undefined ? null : parseDuration("--max-age", values["max-age"])
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal)
  const look = async (): Promise<ExitCode> => {
    const pinned = await readState(state)
    const now = Date.now()
    const options = { keys, pinned, now, maxAge, verifySignature }
    const seen = await withArchive(target, ({ reader }) => watchCheckpoint(reader, options))
      .catch((error: unknown) => ({
        outcome: "alarm" as const,
        code: "UNREADABLE",
        detail: error instanceof Error ? error.message : String(error),
        size: 0,
        pin: pinned,
        proof: null
      }))
    if (seen.pin !== null && seen.pin !== pinned) await writeState(state, seen.pin)
    const { code, detail, outcome, size } = seen
    const proof = seen.proof === null ? null : printEquivocation(seen.proof)
    const line = `${
      JSON.stringify({ time: new Date(now).toISOString(), origin, outcome, code, size, detail, proof })
    }\n`
    output.stdout.write(line)
    if (outcome === "alarm" && values["on-alarm"] !== undefined) await notify(values["on-alarm"], line, output)
    if (outcome === "fine") return 0
    return ["BAD_SIGNATURE", "EQUIVOCATION", "ROLLED_BACK", "INCONSISTENT_TILES"].includes(code ?? "") ? 1 : 2
  }
  try {
    for (;;) {
      const exit = await look()
      if (once) return exit
      await setTimeout(interval, undefined, { signal: stop.signal }).catch(() => undefined)
      if (stop.signal.aborted) return 0
    }
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal)
  }
}
