import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as OperatingSystemAccount from "../../src/database/OperatingSystemAccount.ts"
import * as PostgresBinaries from "../../src/database/PostgresBinaries.ts"
import * as PostgresCluster from "../../src/database/PostgresCluster.ts"
import * as PostgresPrograms from "../../src/database/PostgresPrograms.ts"
import * as Postmaster from "../../src/database/Postmaster.ts"

/** A directory other users cannot enter. */
const closed = Effect.acquireRelease(
  Effect.sync(() => {
    const directory = mkdtempSync(join(tmpdir(), "rainlogs-closed-"))
    chmodSync(directory, 0o700)
    return directory
  }),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

const account = OperatingSystemAccount.forServer(undefined)

describe("PostgresPrograms", () => {
  it.live("run with programs and data below a directory closed to the server's account", () =>
    Effect.gen(function*() {
      const directory = yield* closed
      const folder = join(directory, "native")
      cpSync(yield* PostgresBinaries.fromPackage, folder, { recursive: true, verbatimSymlinks: true })
      const bin = yield* Effect.scoped(Effect.gen(function*() {
        const programs = yield* PostgresPrograms.prepare(folder, account)
        assert.match(programs.version, /^postgres \(PostgreSQL\) 18\./)
        const cluster = yield* PostgresCluster.prepare({
          dataDirectory: directory,
          programs,
          account,
          clientName: yield* OperatingSystemAccount.currentName
        })
        const server = yield* Postmaster.start({
          directory: cluster,
          socketPath: join(cluster, ".s.PGSQL.5432"),
          programs,
          maxConnections: 10,
          limits: { fast: 5_000, immediate: 2_000 },
          readyWithin: 30_000
        })
        assert.isAbove(server.pid, 1)
        return programs.bin
      }))
      if (account !== undefined) {
        assert.notStrictEqual(bin, join(folder, "bin"), "root's directory was reachable for the account after all")
        assert.isFalse(existsSync(bin), "the temporary copy is left behind")
      }
    }), 60_000)

  it.live("that are missing, or lack a library, are reported with the way out", () =>
    Effect.gen(function*() {
      const directory = yield* closed
      if (account !== undefined) chmodSync(directory, 0o755)
      const missing = yield* Effect.flip(Effect.scoped(PostgresPrograms.prepare(join(directory, "none"), account)))
      assert.include(missing.message, "DATABASE_URL")
      const folder = join(directory, "native")
      cpSync(yield* PostgresBinaries.fromPackage, folder, { recursive: true, verbatimSymlinks: true })
      for (const name of readdirSync(join(folder, "lib"))) {
        if (name.startsWith("libicudata")) rmSync(join(folder, "lib", name))
      }
      const broken = yield* Effect.flip(Effect.scoped(PostgresPrograms.prepare(folder, account)))
      assert.include(broken.message, "libicudata")
      assert.include(broken.message, "DATABASE_URL")
    }), 60_000)

  it.live("see nothing of our environment", () =>
    Effect.gen(function*() {
      const directory = yield* closed
      chmodSync(directory, 0o755)
      const folder = join(directory, "native")
      cpSync(yield* PostgresBinaries.fromPackage, folder, { recursive: true, verbatimSymlinks: true })
      rmSync(join(folder, "bin", "postgres"))
      writeFileSync(join(folder, "bin", "postgres"), "#!/bin/sh\nenv\n", { mode: 0o755 })
      chmodSync(join(folder, "bin", "postgres"), 0o755)
      process.env["RAINLOGS_SECRET_FOR_TEST"] = "visible"
      const programs = yield* PostgresPrograms.prepare(folder, account)
      delete process.env["RAINLOGS_SECRET_FOR_TEST"]
      assert.include(programs.version, "LC_ALL=C")
      assert.notInclude(programs.version, "visible")
    }), 60_000)
})
