/**
 * Loaded into a process under test: writes down every durable step on the signer's files, the secrets and the archive,
 * and kills the process with -9 right after the one it was told.
 */
import { appendFileSync } from "node:fs"
import fs from "node:fs/promises"
import { syncBuiltinESMExports } from "node:module"
import { basename } from "node:path"

const { TEST_KILL_AFTER, TEST_STEP_LOG } = process.env
const at = Number(TEST_KILL_AFTER)
let steps = 0

const counted = (paths: ReadonlyArray<unknown>): string | undefined =>
  paths.map(String).toReversed().find((path) =>
    /\/(?:signer|secrets|archive)\//.test(path) && !/\.tmp$|\/lock|\.incoming/.test(path)
  )

const after = (operation: string, paths: ReadonlyArray<unknown>): void => {
  const path = counted(paths)
  if (path === undefined || TEST_STEP_LOG === undefined) return
  steps++
  appendFileSync(TEST_STEP_LOG, `${operation} ${basename(path)}\n`)
  if (steps === at) process.kill(process.pid, "SIGKILL")
}

const wrap = (operation: "rename" | "link" | "rm" | "unlink"): void => {
  const call = fs[operation] as (...paths: ReadonlyArray<unknown>) => Promise<void>
  Object.assign(fs, {
    [operation]: async (...paths: ReadonlyArray<unknown>) => {
      await call(...paths)
      after(operation, operation === "rename" || operation === "link" ? paths.slice(1, 2) : paths.slice(0, 1))
    }
  })
}

for (const operation of ["rename", "link", "rm", "unlink"] as const) wrap(operation)
syncBuiltinESMExports()
