/**
 * Makes the PostgreSQL programs runnable under the server's account.
 *
 * Root drops to an account that may be unable to enter the directories above the programs (a clone under /root).
 * PostgreSQL finds its `lib` and `share` next to the *real path* of its executable, and resolving that path needs those
 * directories, so a descriptor alone does not help. Therefore the two executables (10 MB) are copied into a private
 * temporary directory, and `lib` and `share` there are links through an inherited descriptor of the original folder:
 * such a link is followed by the kernel without looking at the directories above. Everything else stays where it is.
 */
import { Effect, type Scope } from "effect"
import { spawn } from "node:child_process"
import { closeSync, constants, openSync } from "node:fs"
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, stat, symlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { OperatingSystemAccount } from "./OperatingSystemAccount.ts"
import { PostgresUnavailable } from "./PostgresError.ts"
import * as ProcessIdentity from "./ProcessIdentity.ts"

/** Programs that start under `account`. Options are for `node:child_process`. */
export interface PostgresPrograms {
  /** Folder of `postgres` and `initdb`, reachable under `account`. */
  readonly bin: string
  /** What `postgres -V` prints, for example `postgres (PostgreSQL) 18.4`. */
  readonly version: string
  /** Account, environment and descriptors every process of the server is started with. */
  readonly spawn: {
    readonly uid?: number
    readonly gid?: number
    readonly env: Record<string, string>
    readonly stdio: ["ignore", "pipe", "pipe", ...Array<number>]
  }
}

/** The descriptor number under which a child process inherits the original folder. */
const inherited = 3

const temporaryPrefix = "rainlogs-postgres-"

const make = (
  bin: string,
  account: OperatingSystemAccount | undefined,
  descriptors: Array<number>
): Omit<PostgresPrograms, "version"> => ({
  bin,
  spawn: {
    ...account,
    // Nothing of our environment: it may hold secrets, PG* variables would change the server, and messages are parsed.
    env: { LC_ALL: "C", TZ: "UTC", PATH: "/usr/local/bin:/usr/bin:/bin" },
    stdio: ["ignore", "pipe", "pipe", ...descriptors]
  }
})

/** How a program ended. `code` is null when a signal ended it or it never ran; then `failure` may say why. */
export interface ProgramResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly failure: NodeJS.ErrnoException | undefined
}

/** Runs one of the programs to its end. Interruption kills it. */
export const run = (
  programs: Omit<PostgresPrograms, "version">,
  name: "postgres" | "initdb",
  args: ReadonlyArray<string>,
  cwd: string
): Effect.Effect<ProgramResult> =>
  Effect.callback((resume) => {
    const child = spawn(join(programs.bin, name), args, { ...programs.spawn, cwd })
    let stdout = ""
    let stderr = ""
    child.stdout?.setEncoding("utf8").on("data", (text: string) => stdout += text)
    child.stderr?.setEncoding("utf8").on("data", (text: string) => stderr += text)
    child.on("error", (failure) => resume(Effect.succeed({ code: null, stdout, stderr, failure })))
    child.on("close", (code) => resume(Effect.succeed({ code, stdout, stderr, failure: undefined })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

type Probe =
  | { readonly _tag: "Runs"; readonly version: string }
  | { readonly _tag: "Unreachable" }
  | { readonly _tag: "Broken"; readonly reason: string }

/** Runs `postgres -V` under the account: proves the path, the permission, the loader and the libraries in one step. */
const probe = (programs: Omit<PostgresPrograms, "version">): Effect.Effect<Probe> =>
  run(programs, "postgres", ["-V"], "/").pipe(Effect.map((result): Probe => {
    if (result.code === 0) return { _tag: "Runs", version: result.stdout.trim() }
    switch (result.failure?.code) {
      case undefined:
        return { _tag: "Broken", reason: `${result.stderr.trim() || `postgres -V ended with code ${result.code}`}.` }
      case "EACCES":
        return { _tag: "Unreachable" }
      case "ENOENT":
        // The kernel says ENOENT for a missing program and for a missing loader alike.
        return {
          _tag: "Broken",
          reason: `${programs.bin}/postgres, or the glibc loader it needs, is missing (Alpine Linux has no glibc).`
        }
      default:
        return { _tag: "Broken", reason: `${result.failure?.message}.` }
    }
  }))

/** Directories in which others could not replace what we make: owned by root or us, and sticky when open to all. */
const isTrusted = async (directory: string): Promise<boolean> => {
  const found = await stat(directory).catch(() => undefined)
  if (found === undefined || !found.isDirectory()) return false
  return found.uid === 0 && ((found.mode & 0o022) === 0 || (found.mode & 0o1000) !== 0)
}

/** Removes copies whose appliance was killed; the directory name carries the identity of its maker. */
const removeAbandoned = async (parent: string, self: ProcessIdentity.ProcessIdentity): Promise<void> => {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(temporaryPrefix)) continue
    const [pid, started, namespace] = name.slice(temporaryPrefix.length).split("-")
    const owner = { pid: Number(pid), started: Number(started), boot: self.boot, namespace: namespace ?? "" }
    const found = await stat(join(parent, name)).catch(() => undefined)
    if (found?.uid === 0 && ProcessIdentity.liveness(owner, self) === "dead") {
      await rm(join(parent, name), { recursive: true, force: true })
    }
  }
}

const copyInto = async (parent: string, folder: string, self: ProcessIdentity.ProcessIdentity): Promise<string> => {
  await removeAbandoned(parent, self)
  const copy = await mkdtemp(join(parent, `${temporaryPrefix}${self.pid}-${self.started}-${self.namespace}-`))
  await mkdir(join(copy, "bin"))
  for (const name of ["postgres", "initdb"]) {
    await copyFile(join(folder, "bin", name), join(copy, "bin", name))
    await chmod(join(copy, "bin", name), 0o755)
  }
  for (const name of ["lib", "share"]) await symlink(`/proc/self/fd/${inherited}/${name}`, join(copy, name))
  await chmod(join(copy, "bin"), 0o755)
  await chmod(copy, 0o711)
  return copy
}

/** Finds a directory from which the account may run a copy: temporary directories can be mounted `noexec`. */
const copyToReachablePlace = Effect.fnUntraced(function*(folder: string, account: OperatingSystemAccount) {
  const descriptor = yield* Effect.acquireRelease(
    Effect.sync(() => openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)),
    (descriptor) => Effect.sync(() => closeSync(descriptor))
  )
  const self = ProcessIdentity.current()
  const tried = [...new Set([tmpdir(), "/var/tmp", "/tmp", "/run", "/dev/shm"])]
  for (const parent of tried) {
    if (!(yield* Effect.promise(() => isTrusted(parent)))) continue
    const copy = yield* Effect.option(Effect.tryPromise(() => copyInto(parent, folder, self)))
    if (copy._tag === "None") continue
    yield* Effect.addFinalizer(() => Effect.promise(() => rm(copy.value, { recursive: true, force: true })))
    const programs = make(join(copy.value, "bin"), account, [descriptor])
    const found = yield* probe(programs)
    if (found._tag === "Runs") return { ...programs, version: found.version }
  }
  return yield* new PostgresUnavailable({
    reason: `user id ${account.uid}, under which PostgreSQL runs because it refuses root, cannot execute files in ` +
      `${folder}, and a copy in ${tried.join(", ")} cannot be executed either. ` +
      "Start Rainlogs as an ordinary user, or make the folder reachable for that user."
  })
})

/**
 * Checks that the programs in `folder` (with `bin`, `lib`, `share`) run under `account` (`undefined`: our own) and
 * makes them reachable if needed. Temporary copies live until the scope closes.
 */
export const prepare: (
  folder: string,
  account: OperatingSystemAccount | undefined
) => Effect.Effect<PostgresPrograms, PostgresUnavailable, Scope.Scope> = Effect.fn("PostgresPrograms.prepare")(
  function*(folder, account) {
    const direct = make(join(folder, "bin"), account, [])
    const found = yield* probe(direct)
    switch (found._tag) {
      case "Runs":
        return { ...direct, version: found.version }
      case "Broken":
        return yield* new PostgresUnavailable({ reason: found.reason })
      case "Unreachable":
        if (account !== undefined && process.platform === "linux") return yield* copyToReachablePlace(folder, account)
        return yield* new PostgresUnavailable({ reason: `${folder} cannot be executed by this user.` })
    }
  }
)
