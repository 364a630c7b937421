/**
 * One run of the PostgreSQL server: start, readiness, orderly stop.
 */
import { Clock, Duration, Effect, Latch, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { connect } from "node:net"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as PostgresCluster from "./PostgresCluster.ts"
import { PostgresStartFailed } from "./PostgresError.ts"
import type { PostgresPrograms } from "./PostgresPrograms.ts"
import * as PostmasterFile from "./PostmasterFile.ts"
import { signalIfAlive } from "./ProcessIdentity.ts"

/** How the server process ended. */
export interface PostmasterExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A running server. */
export interface Postmaster {
  readonly pid: number
  /** Waits for the end of the process, whoever ends it. */
  readonly exit: Effect.Effect<PostmasterExit>
}

/** Time limits of a stop, in milliseconds: after `fast` the server is aborted, after `immediate` more it is killed. */
export interface StopLimits {
  readonly fast: number
  readonly immediate: number
}

/**
 * Durability as PostgreSQL ships it (fsync, full page writes, synchronous commit), memory for a small machine: about
 * 40 MB of shared memory, no spare worker processes. Given on the command line, so they always fit the programs.
 */
const settings = (maxConnections: number): Record<string, string> => ({
  listen_addresses: "",
  // Relative to the cluster directory: no limit on the length of the path, and nothing outside the data directory.
  unix_socket_directories: ".",
  unix_socket_permissions: "0700",
  port: String(PostmasterFile.port),
  cluster_name: "rainlogs",
  max_connections: String(maxConnections),
  shared_buffers: "40MB",
  maintenance_work_mem: "32MB",
  wal_level: "minimal",
  max_wal_senders: "0",
  max_wal_size: "512MB",
  max_worker_processes: "2",
  max_parallel_workers_per_gather: "0",
  max_logical_replication_workers: "0",
  autovacuum_worker_slots: "3",
  io_method: "sync",
  huge_pages: "off",
  jit: "off",
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  timezone: "UTC",
  log_timezone: "UTC",
  lc_messages: "C",
  log_destination: "stderr",
  logging_collector: "off",
  log_line_prefix: "",
  log_checkpoints: "off",
  log_min_messages: "warning"
})

/** FATAL ends one session, PANIC the server. While it stops, ended sessions are what we asked for. */
const logLine = (line: string, stopping: boolean): Effect.Effect<void> => {
  const text = `PostgreSQL: ${line}`
  if (stopping && !line.startsWith("PANIC:")) return Effect.logDebug(text)
  if (line.startsWith("PANIC:")) return Effect.logError(text)
  if (/^(FATAL|ERROR|WARNING):/.test(line)) return Effect.logWarning(text)
  return Effect.logDebug(text)
}

/** How many of the last lines are kept to explain a failed start. */
const keptLines = 20

/** What the server answers to a request for a session. */
type Answer =
  | { readonly _tag: "Ready" }
  | { readonly _tag: "NotYet" }
  | { readonly _tag: "Refused"; readonly message: string }

/**
 * Reads the first message of the answer: `R` asks for or confirms authentication, `E` is an error with fields of one
 * letter each (PostgreSQL 18 documentation, chapters 54.7 and 54.8; SQLSTATE class 57P: shutdown, crash, starting up).
 */
const readAnswer = (data: Buffer): Answer => {
  if (data[0] === 0x52) return { _tag: "Ready" }
  const fields = data.subarray(5).toString("utf8").split("\0")
  const field = (letter: string) => fields.find((text) => text.startsWith(letter))?.slice(1) ?? ""
  return field("C").startsWith("57P") ? { _tag: "NotYet" } : { _tag: "Refused", message: field("M") }
}

/** Asks for a session of the owner with the protocol's first message (StartupMessage), and leaves again. */
const ask = (path: string): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const parameters = Buffer.from(`user\0${PostgresCluster.ownerRole}\0database\0postgres\0\0`, "latin1")
    const head = Buffer.alloc(8)
    head.writeInt32BE(head.length + parameters.length, 0)
    head.writeInt32BE(196_608, 4)
    const socket = connect({ path })
    const answer = (answer: Answer) => {
      socket.destroy()
      resume(Effect.succeed(answer))
    }
    socket.setTimeout(2_000, () => answer({ _tag: "NotYet" }))
    socket.on("error", () => answer({ _tag: "NotYet" }))
    socket.on("close", () => answer({ _tag: "NotYet" }))
    socket.on("connect", () => socket.write(Buffer.concat([head, parameters])))
    socket.on("data", (data) => answer(readAnswer(Buffer.from(data))))
    return Effect.sync(() => socket.destroy())
  })

const signal = (pid: number, name: NodeJS.Signals) => Effect.sync(() => signalIfAlive(pid, name))

/** Fast shutdown (SIGINT), then immediate shutdown (SIGQUIT: recovery at the next start), then SIGKILL. */
const stopProcess = (pid: number, ended: Effect.Effect<unknown>, limits: StopLimits) =>
  Effect.gen(function*() {
    yield* signal(pid, "SIGINT")
    const fast = yield* Effect.timeoutOption(ended, limits.fast)
    if (fast._tag === "Some") return
    yield* Effect.logWarning(`PostgreSQL (process ${pid}) did not stop within ${limits.fast} ms and is aborted`)
    yield* signal(pid, "SIGQUIT")
    const immediate = yield* Effect.timeoutOption(ended, limits.immediate)
    if (immediate._tag === "Some") return
    yield* Effect.logError(`PostgreSQL (process ${pid}) did not abort within ${limits.immediate} ms and is killed`)
    yield* signal(pid, "SIGKILL")
    yield* ended
  })

/**
 * Starts the server on a prepared cluster and waits until it answers on `socketPath`. It is stopped when the scope
 * closes. It runs in its own process group, so that Ctrl-C in a terminal reaches the appliance alone, which stops the
 * server last; and it gets a fast shutdown when our process exits without closing the scope.
 */
export const start: (options: {
  readonly directory: string
  readonly socketPath: string
  readonly programs: PostgresPrograms
  readonly maxConnections: number
  readonly limits: StopLimits
  /** Milliseconds; includes recovery after a crash. */
  readonly readyWithin: number
}) => Effect.Effect<Postmaster, PostgresStartFailed, Scope.Scope> = Effect.fn("Postmaster.start")(
  function*({ directory, limits, maxConnections, programs, readyWithin, socketPath }) {
    const lines: Array<string> = []
    const context = yield* Effect.context<never>()
    const ended = yield* Latch.make()
    let exit: PostmasterExit | undefined
    let failure: Error | undefined
    let stopping = false

    const launch = Effect.sync((): ChildProcess => {
      const args = ["-D", PostgresCluster.directoryArgument(directory)]
      for (const [name, value] of Object.entries(settings(maxConnections))) args.push("-c", `${name}=${value}`)
      const child = spawn(join(programs.bin, "postgres"), args, { ...programs.spawn, cwd: directory, detached: true })
      const onExit = () => child.kill("SIGINT")
      process.on("exit", onExit)
      for (const output of [child.stdout, child.stderr]) {
        if (output === null) continue
        createInterface({ input: output }).on("line", (line) => {
          lines.push(line)
          if (lines.length > keptLines) lines.shift()
          Effect.runForkWith(context)(logLine(line, stopping))
        })
      }
      child.on("error", (error) => {
        failure = error
        process.off("exit", onExit)
        ended.openUnsafe()
      })
      child.on("exit", (code, signal) => {
        exit = { code, signal }
        process.off("exit", onExit)
        ended.openUnsafe()
      })
      return child
    })
    const child = yield* Effect.acquireRelease(
      launch,
      ({ pid }) =>
        Effect.suspend(() => {
          stopping = true
          return pid === undefined || exit !== undefined ? Effect.void : stopProcess(pid, ended.await, limits)
        })
    )
    const failed = (reason: string) =>
      new PostgresStartFailed({ directory, reason, detail: failure?.message ?? lines.join("\n") })

    const deadline = (yield* Clock.currentTimeMillis) + readyWithin
    while (true) {
      if (exit !== undefined || failure !== undefined) {
        return yield* failed("PostgreSQL ended before it was ready.")
      }
      // The file is looked at first because the server logs each refusal as FATAL.
      if (child.pid !== undefined && PostmasterFile.isReady(directory, child.pid)) {
        const answer = yield* ask(socketPath)
        if (answer._tag === "Ready") break
        if (answer._tag === "Refused") return yield* failed(`PostgreSQL refuses us: ${answer.message}.`)
      }
      if ((yield* Clock.currentTimeMillis) > deadline) {
        return yield* failed(`PostgreSQL was not ready within ${readyWithin} ms.`)
      }
      yield* Effect.sleep(10)
    }
    return {
      pid: child.pid ?? 0,
      exit: Effect.map(ended.await, () => exit ?? { code: null, signal: null })
    }
  }
)

/**
 * Ends whatever a killed appliance left on the cluster: a postmaster is stopped in order, orphaned backends are waited
 * for, and a misleading pid file is removed. Afterwards a new server may start.
 */
export const stopLeftOver: (directory: string, limits: StopLimits) => Effect.Effect<void> = Effect.fn(
  "Postmaster.stopLeftOver"
)(function*(directory, limits) {
  const poll = (done: () => boolean) =>
    Effect.gen(function*() {
      while (!done()) yield* Effect.sleep(10)
    })
  const pid = PostmasterFile.livePostmaster(directory)
  if (pid !== undefined) {
    yield* Effect.logWarning(`A PostgreSQL server (process ${pid}) was left running on ${directory}; it is restarted`)
    yield* stopProcess(pid, poll(() => PostmasterFile.livePostmaster(directory) !== pid), limits)
  }
  const gone = yield* Effect.timeoutOption(
    poll(() => PostmasterFile.orphans(directory).length === 0),
    Duration.millis(limits.immediate)
  )
  if (gone._tag === "None") {
    yield* Effect.forEach(PostmasterFile.orphans(directory), (pid) => signal(pid, "SIGKILL"), { discard: true })
    yield* poll(() => PostmasterFile.orphans(directory).length === 0)
  }
  PostmasterFile.removeIfMisleading(directory)
})
