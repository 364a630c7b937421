/**
 * A real redis-server on a free port with a directory of its own; Debian's `redis-server` is installed with apt if it is
 * missing.
 */
import { Effect } from "effect"
import { Redis } from "ioredis"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

const program = "/usr/bin/redis-server"

const install = (): void => {
  if (existsSync(program)) return
  try {
    // Its service is not to run: the tests start their own.
    execFileSync("apt-get", ["install", "-y", "-qq", "redis-server"], {
      stdio: "ignore",
      timeout: 300_000,
      env: { ...process.env, RUNLEVEL: "1", DEBIAN_FRONTEND: "noninteractive" }
    })
  } catch {
    throw new Error("no Redis: install Debian's package redis-server (apt-get install redis-server)")
  }
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.on("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

/** A running server, which a test may treat badly. */
export interface RedisServer {
  readonly url: string
  /** Runs a command on a connection of its own. */
  readonly command: (...words: readonly [string, ...ReadonlyArray<string>]) => Promise<unknown>
  readonly signal: (signal: NodeJS.Signals) => void
  /** kill -9; resolves when it is gone. */
  readonly kill: () => Promise<void>
  readonly start: () => Promise<void>
}

/** Starts one for the length of a scope. `persistent`: it keeps its keys across a kill (append-only file). */
export const redisServer = (options: { readonly persistent?: boolean; readonly password?: string } = {}) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      install()
      const directory = mkdtempSync(join(tmpdir(), "rainlogs-redis-"))
      const port = await freePort()
      const credentials = options.password === undefined ? "" : `:${options.password}@`
      const url = `redis://${credentials}127.0.0.1:${port}`
      let child: ChildProcess | undefined
      const command = async (...[name, ...words]: readonly [string, ...ReadonlyArray<string>]) => {
        const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 1, retryStrategy: () => null })
        redis.on("error", () => {})
        try {
          await redis.connect()
          return await redis.call(name, ...words)
        } finally {
          redis.disconnect()
        }
      }
      const start = async () => {
        child = spawn(program, [
          "--port",
          String(port),
          "--bind",
          "127.0.0.1",
          "--dir",
          directory,
          "--save",
          "",
          "--appendonly",
          options.persistent === true ? "yes" : "no",
          "--appendfsync",
          "always",
          ...options.password === undefined ? [] : ["--requirepass", options.password]
        ], { stdio: "ignore" })
        for (let tries = 0; tries < 200; tries++) {
          if (await command("PING").then((answer) => answer === "PONG", () => false)) return
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
        throw new Error("redis-server did not start")
      }
      await start()
      const server: RedisServer = {
        url,
        command,
        signal: (signal) => void child?.kill(signal),
        kill: () =>
          new Promise((resolve) => {
            child?.once("exit", () => resolve())
            child?.kill("SIGKILL")
          }),
        start
      }
      return { server, directory }
    }),
    ({ directory, server }) =>
      Effect.promise(async () => {
        server.signal("SIGKILL")
        rmSync(directory, { recursive: true, force: true })
      })
  ).pipe(Effect.map(({ server }) => server))
