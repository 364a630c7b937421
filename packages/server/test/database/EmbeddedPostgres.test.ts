import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { spawn } from "node:child_process"
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Database from "../../src/database/Database.ts"
import { EmbeddedPostgres } from "../../src/database/EmbeddedPostgres.ts"
import { withCustomer } from "../../src/database/Tenant.ts"
import { tinyMigrations } from "./fixtures.ts"
import * as ServerProcess from "./ServerProcess.ts"

const customer = "11111111-1111-4111-8111-111111111111"
const root = process.getuid?.() === 0
const timeout = 60_000

/** A directory nobody else may enter, gone after the test together with every server in it. */
const privateDirectory = Effect.acquireRelease(
  Effect.sync(() => {
    const directory = mkdtempSync(join(tmpdir(), "rainlogs-embedded-"))
    chmodSync(directory, 0o700)
    return directory
  }),
  (directory) =>
    Effect.sync(() => {
      for (const pid of ServerProcess.serverProcesses(directory)) process.kill(pid, "SIGKILL")
      rmSync(directory, { recursive: true, force: true, maxRetries: 20 })
    })
)

const server = (dataDirectory: string) => Database.layerEmbedded({ dataDirectory, migrations: tinyMigrations })

const bodies = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ body: string }>`SELECT body FROM notes`
  return rows.map((row) => Number(row.body)).toSorted((a, b) => a - b)
})

const until = (condition: () => boolean) =>
  Effect.gen(function*() {
    while (!condition()) yield* Effect.sleep(5)
  }).pipe(Effect.timeout(30_000))

const ready = (process: ServerProcess.ServerProcess) => Effect.promise(() => process.ready)

describe(`EmbeddedPostgres as ${root ? "root" : "an ordinary user"}`, () => {
  it.live("starts on a new directory, stops, and starts again with its rows", () =>
    Effect.gen(function*() {
      const directory = yield* privateDirectory
      const times: Array<string> = []
      for (const round of [1, 2, 3]) {
        const begun = performance.now()
        yield* Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          times.push(`ready ${Math.round(performance.now() - begun)} ms`)
          yield* withCustomer(customer)(
            sql`INSERT INTO notes ${sql.insert({ customer_id: customer, body: String(round) })}`
          )
          assert.lengthOf(yield* withCustomer(customer)(bodies), round)
        }).pipe(Effect.provide(server(directory)))
        times.push(`stopped after ${Math.round(performance.now() - begun)} ms`)
        assert.deepStrictEqual(ServerProcess.serverProcesses(directory), [])
      }
      console.log(times.join(", "))
      assert.deepStrictEqual(readdirSync(join(directory, "lock")), [])
    }), timeout)

  it.live(
    "keeps fsync on, listens on no network address, and hides the cluster from others",
    () =>
      Effect.gen(function*() {
        const directory = yield* privateDirectory
        yield* Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const [row] =
            yield* sql`SELECT current_setting('fsync') AS fsync, current_setting('listen_addresses') AS listen,
          current_setting('server_encoding') AS encoding, current_setting('data_checksums') AS checksums`
          assert.deepStrictEqual(row, { fsync: "on", listen: "", encoding: "UTF8", checksums: "on" })
          const found = statSync(join(directory, "postgres"))
          assert.strictEqual(found.mode & 0o777, 0o700)
          assert.strictEqual(found.uid, root ? 65534 : process.getuid?.())
        }).pipe(Effect.provide(server(directory)))
      }),
    timeout
  )

  it.live("works below a path longer than a socket address holds", () =>
    Effect.gen(function*() {
      const directory = join(yield* privateDirectory, "a".repeat(100), "b".repeat(100))
      assert.deepStrictEqual(yield* withCustomer(customer)(bodies).pipe(Effect.provide(server(directory))), [])
    }), timeout)

  it.live(
    "restarts a postmaster that is killed, with a visible state, and the pool finds it again",
    () =>
      Effect.gen(function*() {
        const directory = yield* privateDirectory
        yield* Effect.gen(function*() {
          const { state } = yield* EmbeddedPostgres
          const before = state.value
          assert.strictEqual(before._tag, "Running")
          const pid = ServerProcess.postmasterPid(directory)
          process.kill(pid, "SIGKILL")
          yield* until(() => state.value._tag === "Restarting")
          yield* until(() => state.value._tag === "Running")
          assert.notStrictEqual(ServerProcess.postmasterPid(directory), pid)
          yield* Effect.retry(withCustomer(customer)(bodies), { times: 20 })
          return state
        }).pipe(
          Effect.provide(server(directory)),
          Effect.tap((state) => Effect.sync(() => assert.strictEqual(state.value._tag, "Stopped")))
        )
        assert.deepStrictEqual(ServerProcess.serverProcesses(directory), [])
      }),
    timeout
  )

  it.live(
    "stops a postmaster that outlived its killed parent and starts a new one, keeping the rows",
    () =>
      Effect.gen(function*() {
        const directory = yield* privateDirectory
        const first = ServerProcess.start(directory)
        yield* ready(first)
        yield* until(() => first.committed() >= 20)
        first.child.kill("SIGKILL")
        yield* Effect.promise(() => first.ended)
        const old = ServerProcess.postmasterPid(directory)
        assert.include(ServerProcess.serverProcesses(directory), old, "the postmaster must be alive for this test")
        const begun = performance.now()
        const seen = yield* withCustomer(customer)(bodies).pipe(
          Effect.tap(() => Effect.sync(() => console.log(`ready ${Math.round(performance.now() - begun)} ms`))),
          Effect.tap(() =>
            Effect.sync(() => assert.notInclude(ServerProcess.serverProcesses(directory), old, "two postmasters"))
          ),
          Effect.provide(server(directory))
        )
        for (let n = 1; n <= first.committed(); n++) assert.include(seen, n)
      }),
    timeout
  )

  it.live("recovers every committed row after everything is killed at once", () =>
    Effect.gen(function*() {
      const directory = yield* privateDirectory
      let known = 0
      for (let round = 0; round < 3; round++) {
        const process_ = ServerProcess.start(directory)
        yield* ready(process_)
        yield* until(() => process_.committed() >= 15 + round * 10)
        process_.child.kill("SIGKILL")
        for (const pid of ServerProcess.serverProcesses(directory)) process.kill(pid, "SIGKILL")
        yield* Effect.promise(() => process_.ended)
        known += process_.committed()
      }
      const begun = performance.now()
      yield* Effect.gen(function*() {
        console.log(`ready ${Math.round(performance.now() - begun)} ms with recovery`)
        const seen = yield* withCustomer(customer)(bodies)
        // A row may be committed whose report the kill cut off, one per round.
        assert.isAtLeast(seen.length, known)
        assert.isAtMost(seen.length, known + 3)
      }).pipe(Effect.provide(server(directory)))
    }), timeout)

  it.live("refuses a second start on the same directory and names the holder", () =>
    Effect.gen(function*() {
      const directory = yield* privateDirectory
      yield* Effect.gen(function*() {
        const second = ServerProcess.start(directory)
        second.ready.catch(() => undefined)
        const { code, stderr } = yield* Effect.promise(() => second.ended)
        assert.strictEqual(code, 1)
        assert.include(stderr, `in use by process ${process.pid}`)
        const inside = yield* Effect.flip(Effect.scoped(Layer.build(server(directory))))
        assert.strictEqual(inside._tag, "DataDirectoryInUse")
        // The first one is unharmed.
        assert.deepStrictEqual(yield* withCustomer(customer)(bodies), [])
      }).pipe(Effect.provide(server(directory)))
    }), timeout)

  it.live("never lets two of several simultaneous starts in", () =>
    Effect.gen(function*() {
      const directory = yield* privateDirectory
      const scope = yield* Effect.scope
      const exits = yield* Effect.forEach(
        [1, 2, 3, 4],
        () => Effect.exit(Layer.buildWithScope(Layer.fresh(server(directory)), scope)),
        { concurrency: "unbounded" }
      )
      assert.isAtMost(exits.filter(Exit.isSuccess).length, 1)
      assert.isAtMost(
        ServerProcess.serverProcesses(directory).filter((pid) => pid === ServerProcess.postmasterPid(directory)).length,
        1
      )
    }), timeout)

  it.live("begins again after initdb was killed half-way", () =>
    Effect.gen(function*() {
      const directory = yield* privateDirectory
      const partial = () => readdirSync(directory).filter((name) => name.startsWith("postgres.partial-"))
      for (const file of ["PG_VERSION", "global/pg_control"]) {
        const process_ = ServerProcess.start(directory)
        process_.ready.catch(() => undefined)
        yield* until(() => partial().some((name) => existsSync(join(directory, name, file))))
        process_.child.kill("SIGKILL")
        yield* Effect.promise(() => process_.ended)
        assert.isFalse(existsSync(join(directory, "postgres")), "initdb was too fast for this test")
      }
      assert.isNotEmpty(partial())
      assert.deepStrictEqual(yield* withCustomer(customer)(bodies).pipe(Effect.provide(server(directory))), [])
      assert.deepStrictEqual(partial(), [])
    }), timeout)

  it.live("starts over lock files whose process id belongs to another process now", () =>
    Effect.gen(function*() {
      const directory = yield* privateDirectory
      yield* Effect.scoped(Layer.build(server(directory)))
      // Of the server's own account: of another account's process PostgreSQL itself knows that it is no postmaster.
      const stranger = spawn("sleep", ["60"], root ? { uid: 65534, gid: 65534 } : {})
      yield* Effect.addFinalizer(() => Effect.sync(() => stranger.kill("SIGKILL")))
      const write = (name: string, text: string) => writeFileSync(join(directory, "postgres", name), text)
      write("postmaster.pid", `${stranger.pid}\n/proc/self/cwd\n1700000000\n5432\n.\n\n  1  1\nready   \n`)
      write(".s.PGSQL.5432.lock", `${stranger.pid}\n`)
      assert.deepStrictEqual(yield* withCustomer(customer)(bodies).pipe(Effect.provide(server(directory))), [])
      assert.isNull(stranger.exitCode)
    }), timeout)

  it.live("does not outlive a process that exits without closing its scope", () =>
    Effect.gen(function*() {
      const directory = yield* privateDirectory
      const process_ = ServerProcess.start(directory)
      yield* ready(process_)
      process_.child.stdin?.write("exit\n")
      assert.strictEqual((yield* Effect.promise(() => process_.ended)).code, 7)
      yield* until(() => ServerProcess.serverProcesses(directory).length === 0)
    }), timeout)

  it.live("names the release when another one wrote the cluster", () =>
    Effect.gen(function*() {
      const directory = yield* privateDirectory
      mkdirSync(join(directory, "postgres"), { mode: 0o700 })
      if (root) chownSync(join(directory, "postgres"), 65534, 65534)
      writeFileSync(join(directory, "postgres", "PG_VERSION"), "17\n")
      const error = yield* Effect.flip(Effect.scoped(Layer.build(server(directory))))
      assert.strictEqual(error._tag, "PostgresStartFailed")
      assert.include(error.message, "written by PostgreSQL 17")
    }), timeout)

  it.live("leaves no state behind when the layer fails", () =>
    Effect.gen(function*() {
      const directory = yield* privateDirectory
      const scope = yield* Scope.make()
      const broken = Database.layerEmbedded({
        dataDirectory: directory,
        migrations: [{ id: 1, name: "broken", sql: "SELECT nonsense" }]
      })
      const exit = yield* Effect.exit(Layer.buildWithScope(broken, scope))
      assert.isTrue(Exit.isFailure(exit))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(ServerProcess.serverProcesses(directory), [])
      assert.deepStrictEqual(readdirSync(join(directory, "lock")), [])
    }), timeout)
})
