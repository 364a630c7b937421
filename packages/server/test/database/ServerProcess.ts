/**
 * A process that runs the embedded database, for tests that kill it. Started as a script it serves one data directory:
 * it writes `{"ready":…}` once, then `{"committed":n}` after each committed row, until it is killed or reads `exit`.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { type ChildProcess, spawn } from "node:child_process"
import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as Database from "../../src/database/Database.ts"
import { EmbeddedPostgres } from "../../src/database/EmbeddedPostgres.ts"
import { tinyMigrations } from "./fixtures.ts"

const customer = "11111111-1111-4111-8111-111111111111"

const main = Effect.gen(function*() {
  const { state } = yield* EmbeddedPostgres
  const sql = yield* SqlClient.SqlClient
  console.log(JSON.stringify({ ready: state.value }))
  let n = 0
  while (true) {
    yield* sql.withTransaction(
      Effect.andThen(
        sql`SELECT set_config('rainlogs.customer', ${customer}, true)`,
        sql`INSERT INTO notes ${sql.insert({ customer_id: customer, body: String(++n) })}`
      )
    )
    console.log(JSON.stringify({ committed: n }))
    yield* Effect.sleep(5)
  }
})

if (import.meta.main) {
  process.stdin.on("data", () => process.exit(7))
  const dataDirectory = process.argv[2] ?? ""
  Effect.runPromise(
    Effect.provide(main, Database.layerEmbedded({ dataDirectory, migrations: tinyMigrations }))
  ).catch((error: unknown) => {
    console.error(String(error))
    process.exit(1)
  })
}

/** A running {@link ServerProcess} as a test sees it. */
export interface ServerProcess {
  readonly child: ChildProcess
  /** Rows that were reported as committed so far. */
  readonly committed: () => number
  readonly ready: Promise<void>
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>
}

/** Starts the script with the runtime that runs the tests. */
export const start = (dataDirectory: string): ServerProcess => {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), dataDirectory], {
    stdio: ["pipe", "pipe", "pipe"]
  })
  let committed = 0
  let stderr = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text)
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) =>
    child.on("close", (code) => resolve({ code, stderr }))
  )
  const ready = new Promise<void>((resolve, reject) => {
    void ended.then(() => reject(new Error(`ended before it was ready: ${stderr}`)))
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (!line.startsWith("{")) return
      const message: { readonly ready?: unknown; readonly committed?: number } = JSON.parse(line)
      if (message.ready !== undefined) resolve()
      committed = message.committed ?? committed
    })
  })
  return { child, committed: () => committed, ready, ended }
}

/** Every process that works in the cluster of a data directory: the postmaster and its children. Linux only. */
export const serverProcesses = (dataDirectory: string): ReadonlyArray<number> =>
  readdirSync("/proc").map(Number).filter((pid) => {
    if (!Number.isInteger(pid)) return false
    try {
      return readlinkSync(`/proc/${pid}/cwd`).startsWith(join(dataDirectory, "postgres")) &&
        readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.[0] !== "Z"
    } catch {
      return false
    }
  })

/** The process id in `postmaster.pid`. */
export const postmasterPid = (dataDirectory: string): number =>
  Number(readFileSync(join(dataDirectory, "postgres", "postmaster.pid"), "utf8").split("\n")[0])
