import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as DataDirectoryLock from "../../src/database/DataDirectoryLock.ts"
import * as ProcessIdentity from "../../src/database/ProcessIdentity.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "rainlogs-lock-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

/** Puts down a claim as another process would have. */
const claim = (directory: string, changes: Partial<ProcessIdentity.ProcessIdentity>, age: number) => {
  const { boot, namespace, pid, started } = { ...ProcessIdentity.current(), ...changes }
  mkdirSync(join(directory, "lock"), { recursive: true })
  const path = join(directory, "lock", `${pid}_${started}_${boot}_${namespace}_abcdef`)
  writeFileSync(path, "")
  const seconds = Date.now() / 1000 - age
  utimesSync(path, seconds, seconds)
}

/** A process id says nothing there: on another machine that shares the volume, or in another container. */
const elsewhere = [
  ["process namespace", { namespace: "1" }],
  ["boot", { boot: "00000000-0000-0000-0000-000000000000" }]
] as const

const deadPid = () => spawnSync(process.execPath, ["--version"]).pid

const acquired = (path: string) => Effect.exit(Effect.scoped(DataDirectoryLock.acquire(path)))

describe("DataDirectoryLock", () => {
  it.live("is free again when the scope closes", () =>
    Effect.gen(function*() {
      const path = yield* directory
      assert.isTrue(Exit.isSuccess(yield* acquired(path)))
      assert.deepStrictEqual(readdirSync(join(path, "lock")), [])
      assert.isTrue(Exit.isSuccess(yield* acquired(path)))
    }))

  it.live("is held against others of the same process, and by name", () =>
    Effect.gen(function*() {
      const path = yield* directory
      yield* DataDirectoryLock.acquire(path)
      const error = yield* Effect.flip(Effect.scoped(DataDirectoryLock.acquire(path)))
      assert.include(error.message, `in use by process ${process.pid}`)
      assert.lengthOf(readdirSync(join(path, "lock")), 1)
    }))

  it.live("ignores and removes claims of dead and reused processes", () =>
    Effect.gen(function*() {
      const path = yield* directory
      claim(path, { pid: deadPid() }, 0)
      claim(path, { started: 1 }, 0)
      yield* DataDirectoryLock.acquire(path)
      assert.lengthOf(readdirSync(join(path, "lock")), 1)
    }))

  it.live.each(elsewhere)("believes an old claim of another %s to be abandoned", ([, place]) =>
    Effect.gen(function*() {
      const path = yield* directory
      claim(path, place, 60)
      const begun = performance.now()
      yield* DataDirectoryLock.acquire(path)
      assert.isBelow(performance.now() - begun, 1_000)
    }))

  it.live.each(elsewhere)(
    "respects a claim of another %s that is being renewed",
    ([, place]) =>
      Effect.gen(function*() {
        const path = yield* directory
        claim(path, { ...place, pid: 4242 }, 1)
        const renewal = setInterval(() => {
          for (const name of readdirSync(join(path, "lock"))) {
            if (name.startsWith("4242_")) utimesSync(join(path, "lock", name), new Date(), new Date())
          }
        }, 1_000)
        const error = yield* Effect.flip(Effect.scoped(DataDirectoryLock.acquire(path)))
        clearInterval(renewal)
        assert.include(error.message, "in use by process 4242")
      }),
    30_000
  )

  it.live("is never held twice, however many start at once", () =>
    Effect.gen(function*() {
      const path = yield* directory
      for (let round = 0; round < 20; round++) {
        const exits = yield* Effect.scoped(Effect.forEach(
          Array.from({ length: 8 }),
          () => Effect.exit(DataDirectoryLock.acquire(path)),
          { concurrency: "unbounded" }
        ))
        assert.isAtMost(exits.filter(Exit.isSuccess).length, 1)
      }
    }), 60_000)
})
