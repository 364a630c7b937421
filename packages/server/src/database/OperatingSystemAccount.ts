/**
 * Under which operating system account PostgreSQL runs. PostgreSQL refuses to run as root, so root drops to another uid.
 */
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { promisify } from "node:util"
import { PostgresUnavailable } from "./PostgresError.ts"

/** Numeric user and group id. */
export interface OperatingSystemAccount {
  readonly uid: number
  readonly gid: number
}

/** `nobody`, which every Linux distribution has. macOS numbers it -2; there one starts the appliance as a normal user. */
export const nobody: OperatingSystemAccount = { uid: 65534, gid: 65534 }

/** The account to drop to, or `undefined` when this process is not root and PostgreSQL runs as the same user. */
export const forServer = (configured: OperatingSystemAccount | undefined): OperatingSystemAccount | undefined =>
  process.getuid?.() === 0 ? (configured ?? nobody) : undefined

/**
 * The login name of this process's user, which PostgreSQL's peer authentication compares with. `os.userInfo()` does
 * not serve: Bun answers it from the environment variable USER.
 */
export const currentName: Effect.Effect<string, PostgresUnavailable> = Effect.gen(function*() {
  const uid = process.getuid?.() ?? -1
  const passwd = yield* Effect.orElseSucceed(Effect.try(() => readFileSync("/etc/passwd", "utf8")), () => "")
  const local = passwd.split("\n").map((line) => line.split(":")).find((fields) => fields[2] === String(uid))?.[0]
  if (local !== undefined && local !== "") return local
  // Accounts from LDAP and the like are not in /etc/passwd.
  return yield* Effect.tryPromise({
    try: () => promisify(execFile)("id", ["-un"], { timeout: 5000 }).then(({ stdout }) => stdout.trim()),
    catch: () =>
      new PostgresUnavailable({
        reason: `user id ${uid} has no name on this system, which PostgreSQL needs. Add it to /etc/passwd.`
      })
  })
})
