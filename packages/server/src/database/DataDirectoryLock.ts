/**
 * Makes sure that one process at a time uses a data directory.
 *
 * Each contender puts down a claim file whose *name* is its identity, then looks at the others' claims: if one is of a
 * live process it withdraws. Two that start at once may both withdraw and try again; both can never stay. There is no
 * lock to break, so none of the races of breaking one.
 */
import { Clock, Effect, Option, Schedule, type Scope } from "effect"
import { randomBytes } from "node:crypto"
import { mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DataDirectoryInUse, PostgresStartFailed } from "./PostgresError.ts"
import * as ProcessIdentity from "./ProcessIdentity.ts"

/** Milliseconds between two renewals of the claim file's modification time. */
const renewEvery = 2_000

/**
 * Milliseconds without renewal after which a claim from another process namespace (a container that was killed) or boot
 * is taken for abandoned. Within the own namespace the process table answers at once.
 */
const abandonedAfter = 8_000

const claimName = (identity: ProcessIdentity.ProcessIdentity): string =>
  `${identity.pid}_${identity.started}_${identity.boot}_${identity.namespace}_${randomBytes(6).toString("hex")}`

const parseClaim = (name: string): ProcessIdentity.ProcessIdentity | undefined => {
  const [pid, started, boot, namespace] = name.split("_")
  return pid === undefined || started === undefined || boot === undefined || namespace === undefined
    ? undefined
    : { pid: Number(pid), started: Number(started), boot, namespace }
}

/** The modification time in Unix milliseconds, or `undefined` when the claim is gone. */
const renewedAt = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.mtimeMs

/** The process id of a live holder among the other claims; claims of dead processes are removed on the way. */
const findHolder = Effect.fnUntraced(function*(
  directory: string,
  own: string,
  self: ProcessIdentity.ProcessIdentity
) {
  for (const name of readdirSync(directory)) {
    if (name === own) continue
    const other = parseClaim(name)
    if (other === undefined) continue
    const path = join(directory, name)
    // Another boot is an earlier one of this machine, or another machine on a shared volume: only renewal tells.
    const state = other.boot === self.boot ? ProcessIdentity.liveness(other, self) : "unknown"
    if (state === "alive") return Option.some(other.pid)
    if (state === "unknown") {
      const deadline = (yield* Clock.currentTimeMillis) + abandonedAfter
      const seen = renewedAt(path)
      if (seen === undefined) continue
      while (seen + abandonedAfter > (yield* Clock.currentTimeMillis)) {
        yield* Effect.sleep(250)
        if (renewedAt(path) !== seen) break
        if ((yield* Clock.currentTimeMillis) > deadline) break
      }
      if (renewedAt(path) === undefined) continue
      if (renewedAt(path) !== seen) return Option.some(other.pid)
    }
    rmSync(path, { force: true })
  }
  return Option.none<number>()
})

const claim = (directory: string, path: string) =>
  Effect.try({
    try: () => {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      writeFileSync(path, "", { flag: "wx", mode: 0o600 })
    },
    catch: (cause) =>
      new PostgresStartFailed({ directory, reason: "The directory cannot be written.", detail: String(cause) })
  })

const tryAcquire = Effect.fnUntraced(function*(dataDirectory: string) {
  const directory = join(dataDirectory, "lock")
  const self = ProcessIdentity.current()
  const own = claimName(self)
  const path = join(directory, own)
  yield* claim(directory, path)
  const withdraw = Effect.sync(() => rmSync(path, { force: true }))
  const holder = yield* findHolder(directory, own, self).pipe(Effect.onError(() => withdraw))
  if (Option.isSome(holder)) {
    yield* withdraw
    return yield* new DataDirectoryInUse({ directory: dataDirectory, pid: holder.value })
  }
  return path
})

/**
 * Holds `dataDirectory` (created when missing, mode 0700) until the scope closes. A claim left by a killed process is
 * recognised and removed; it never needs a human.
 */
export const acquire: (
  dataDirectory: string
) => Effect.Effect<void, DataDirectoryInUse | PostgresStartFailed, Scope.Scope> = Effect.fn(
  "DataDirectoryLock.acquire"
)(
  function*(dataDirectory) {
    const path = yield* Effect.acquireRelease(
      tryAcquire(dataDirectory).pipe(
        // Only two contenders of the same instant profit from trying again; the delays differ by jitter.
        Effect.retry({
          while: (error) => error._tag === "DataDirectoryInUse",
          schedule: Schedule.jittered(Schedule.spaced(60)),
          times: 3
        })
      ),
      (path) => Effect.sync(() => rmSync(path, { force: true }))
    )
    yield* Clock.currentTimeMillis.pipe(
      Effect.flatMap((now) => Effect.try(() => utimesSync(path, now / 1000, now / 1000))),
      Effect.catch((cause) =>
        Effect.logError(`The claim on the data directory ${dataDirectory} cannot be renewed: ${cause}`)
      ),
      Effect.schedule(Schedule.spaced(renewEvery)),
      Effect.forkScoped
    )
  }
)
