/**
 * Temporary files that a killed process may leave behind. Their name tells which run of which process made them, so
 * that several processes of one machine share a directory and each start sweeps what nobody alive owns.
 */
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import { mkdir, readdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { fileCall } from "./FileFailure.ts"
import { isKnown } from "./ProcessLiveness.ts"

const run = randomBytes(6).toString("hex")
const namePattern = /^([0-9]+)-([0-9a-f]{12})-[0-9a-f]{24}\.tmp$/

/** A new, unpredictable name for a temporary file of this run: `<pid>-<run>-<random>.tmp`. */
export const temporaryName = (): string => `${process.pid}-${run}-${randomBytes(12).toString("hex")}.tmp`

/** Whether the file was made by a run that is over. Names of another shape are not ours and never stale. */
export const isStale = (name: string): boolean => {
  const match = namePattern.exec(name)
  if (match === null) return false
  const pid = Number(match[1])
  return pid === process.pid ? match[2] !== run : !isKnown(pid)
}

/** Makes the directory (mode 0700) if it is missing and removes stale temporary files; returns how many. */
export const prepareTemporaryDirectory = Effect.fn("TemporaryFiles.prepare")(function*(directory: string) {
  yield* fileCall("sweep", directory, () => mkdir(directory, { recursive: true, mode: 0o700 }))
  const names = yield* fileCall("sweep", directory, () => readdir(directory))
  const stale = names.filter(isStale)
  yield* Effect.forEach(stale, (name) => fileCall("sweep", name, () => rm(join(directory, name), { force: true })))
  return stale.length
})
