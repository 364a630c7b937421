/**
 * Vitest global set-up: one embedded PostgreSQL for the whole run, started when the first test asks for it.
 *
 * Workers are separate processes or threads, so they ask over a Unix socket whose path they get from Vitest.
 */
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestProject } from "vitest/node"
import { readMigrations } from "../../../scripts/embed-migrations.ts"
import * as Database from "../src/database/Database.ts"
import { EmbeddedPostgres } from "../src/database/EmbeddedPostgres.ts"
import * as Postmaster from "../src/database/Postmaster.ts"
import * as ProcessIdentity from "../src/database/ProcessIdentity.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** Unix socket on which the set-up process answers with a {@link TestDatabaseServer} as JSON. */
    readonly testDatabaseServer: string
  }
}

/** What the database a worker makes begins with. */
export type TestDatabaseContent = "migrated" | "empty"

/** What a worker needs to make a database of its own. */
export interface TestDatabaseServer {
  readonly socketPath: string
  /** A database without sessions, to copy from. */
  readonly template: string
}

const migratedTemplate = "rainlogs_template"
const prefix = "rainlogs-test-"

/** Ends servers and removes directories of runs that were killed. */
const removeAbandoned = Effect.gen(function*() {
  const self = ProcessIdentity.current()
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(prefix)) continue
    const [pid, started] = name.slice(prefix.length).split("-").map(Number)
    if (pid === undefined || started === undefined || ProcessIdentity.startTime(pid) === started) continue
    if (pid === self.pid) continue
    const directory = join(tmpdir(), name)
    yield* Postmaster.stopLeftOver(join(directory, "postgres"), { fast: 2_000, immediate: 2_000 })
    rmSync(directory, { recursive: true, force: true })
  }
})

const startServer = async (dataDirectory: string, scope: Scope.Scope): Promise<string> => {
  const layer = EmbeddedPostgres.layer({
    dataDirectory,
    maxConnections: 200,
    stopLimits: { fast: 5_000, immediate: 2_000 }
  })
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  return Context.get(context, EmbeddedPostgres).socketPath
}

const makeTemplate = (socketPath: string): Promise<void> =>
  Effect.gen(function*() {
    yield* Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE DATABASE ${sql(migratedTemplate)}`
    }).pipe(Database.asOwner({ path: socketPath, database: "postgres", username: "postgres" }))
    yield* Effect.scoped(Layer.build(
      Database.layerOnSocket({ socketPath, database: migratedTemplate, migrations: readMigrations() })
    ))
  }).pipe(Effect.runPromise)

/** Called by Vitest before the first test; the result after the last. */
export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  await Effect.runPromise(removeAbandoned)
  const self = ProcessIdentity.current()
  const directory = mkdtempSync(join(tmpdir(), `${prefix}${self.pid}-${self.started}-`))
  const scope = Scope.makeUnsafe()
  let started: Promise<string> | undefined
  let migrated: Promise<void> | undefined
  const answer = async (content: string): Promise<TestDatabaseServer> => {
    const socketPath = await (started ??= startServer(directory, scope))
    if (content === "empty") return { socketPath, template: "template0" }
    await (migrated ??= makeTemplate(socketPath))
    return { socketPath, template: migratedTemplate }
  }
  const server = createServer((socket) => {
    socket.setEncoding("utf8").once("data", (content: string) => {
      answer(content).then(
        (found) => socket.end(JSON.stringify(found)),
        (error: unknown) => socket.end(JSON.stringify({ error: String(error) }))
      )
    })
  })
  const path = join(directory, "server.sock")
  await new Promise<void>((resolve) => server.listen(path, resolve))
  server.unref()
  project.provide("testDatabaseServer", path)
  return async () => {
    server.close()
    await Promise.allSettled([started, migrated])
    await Effect.runPromise(Scope.close(scope, Exit.void))
    rmSync(directory, { recursive: true, force: true })
  }
}
