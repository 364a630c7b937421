/**
 * The database cluster: the directory `<data>/postgres` that PostgreSQL owns. It is made by initdb in a temporary
 * sibling and appears by one rename, so a cluster that is there is whole, however often the first start was killed.
 */
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { open } from "node:fs/promises"
import { join } from "node:path"
import type { OperatingSystemAccount } from "./OperatingSystemAccount.ts"
import { PostgresStartFailed, PostgresUnavailable } from "./PostgresError.ts"
import * as PostgresPrograms from "./PostgresPrograms.ts"
import * as PostmasterFile from "./PostmasterFile.ts"
import { signalIfAlive } from "./ProcessIdentity.ts"

/** The superuser role that initdb makes and that migrations run as. */
export const ownerRole = "postgres"

/** The database the appliance uses. */
export const databaseName = "rainlogs"

const partialPrefix = "postgres.partial-"

/**
 * How a server process names its data directory on Linux: by its own working directory, a link the kernel follows
 * without permission on the directories above, which may be closed to the account the server runs under.
 */
export const directoryArgument = (directory: string): string =>
  process.platform === "linux" ? "/proc/self/cwd" : directory

const failed = (directory: string, reason: string, detail: unknown) =>
  new PostgresStartFailed({ directory, reason, detail: String(detail) })

/**
 * Peer authentication: the kernel tells the server which user connects, so there is no password to keep. The socket is
 * inside the cluster directory (mode 0700), so only root and the server's own account reach it at all; of these, the
 * one that runs the appliance may connect, as any role.
 */
const writeAccessRules = (
  directory: string,
  clientName: string,
  account: OperatingSystemAccount | undefined
) => {
  const write = (name: string, text: string) => {
    writeFileSync(join(directory, name), text, { mode: 0o600 })
    if (account !== undefined) chownSync(join(directory, name), account.uid, account.gid)
  }
  write("pg_hba.conf", "local all all peer map=rainlogs\n")
  write("pg_ident.conf", `rainlogs "${clientName.replaceAll("\"", "\"\"")}" all\n`)
}

/** Removes what a killed first start left, after ending the initdb that may still be writing there. */
const removePartial = Effect.fnUntraced(function*(dataDirectory: string) {
  for (const name of readdirSync(dataDirectory)) {
    if (!name.startsWith(partialPrefix)) continue
    const partial = join(dataDirectory, name)
    while (PostmasterFile.orphans(partial).length > 0) {
      for (const pid of PostmasterFile.orphans(partial)) signalIfAlive(pid, "SIGKILL")
      yield* Effect.sleep(10)
    }
    yield* Effect.try({
      try: () => rmSync(partial, { recursive: true, force: true }),
      catch: (cause) => failed(dataDirectory, "A cluster that was not finished cannot be removed.", cause)
    })
  }
})

const initialise = Effect.fnUntraced(function*(
  directory: string,
  dataDirectory: string,
  programs: PostgresPrograms.PostgresPrograms,
  account: OperatingSystemAccount | undefined
) {
  const partial = join(dataDirectory, partialPrefix + randomBytes(6).toString("hex"))
  yield* removePartial(dataDirectory)
  yield* Effect.try({
    try: () => {
      mkdirSync(partial, { mode: 0o700 })
      if (account !== undefined) chownSync(partial, account.uid, account.gid)
    },
    catch: (cause) => failed(dataDirectory, "The cluster directory cannot be made.", cause)
  })
  const result = yield* PostgresPrograms.run(programs, "initdb", [
    `--pgdata=${directoryArgument(partial)}`,
    `--username=${ownerRole}`,
    "--encoding=UTF8",
    "--locale=C",
    "--auth=peer",
    "--no-instructions"
  ], partial)
  if (result.code !== 0) {
    rmSync(partial, { recursive: true, force: true })
    if (result.stderr.includes("could not look up effective user ID")) {
      return yield* new PostgresUnavailable({
        reason: `PostgreSQL demands a named user: ${result.stderr.trim().split("\n")[0]}. Add the user to /etc/passwd.`
      })
    }
    const detail = `${result.stdout.trim().split("\n").slice(-3).join("\n")}\n${result.stderr.trim()}`.trim()
    return yield* failed(dataDirectory, "initdb failed.", result.failure?.message ?? detail)
  }
  // initdb has flushed the files; the rename is flushed here.
  yield* Effect.tryPromise({
    try: async () => {
      renameSync(partial, directory)
      const handle = await open(dataDirectory, "r")
      await handle.sync().finally(() => handle.close())
    },
    catch: (cause) => failed(dataDirectory, "The new cluster cannot be moved into place.", cause)
  })
})

/** Checks what PostgreSQL would only refuse in its own words: whose the cluster is and which release wrote it. */
const check = Effect.fnUntraced(function*(
  directory: string,
  programs: PostgresPrograms.PostgresPrograms,
  account: OperatingSystemAccount | undefined
) {
  const expected = account?.uid ?? process.getuid?.()
  const { owner, release } = yield* Effect.try({
    try: () => ({
      owner: statSync(directory).uid,
      release: readFileSync(join(directory, "PG_VERSION"), "utf8").trim()
    }),
    catch: (cause) => failed(directory, "The cluster directory cannot be read.", cause)
  })
  if (owner !== expected) {
    return yield* failed(
      directory,
      `It belongs to user id ${owner}, and PostgreSQL would run as user id ${expected}.`,
      "Start Rainlogs as the user that made the data directory."
    )
  }
  const major = /(\d+)\./.exec(programs.version)?.[1]
  if (release !== major) {
    return yield* failed(
      directory,
      `It was written by PostgreSQL ${release}, and these programs are ${programs.version}.`,
      "Export with the Rainlogs version that wrote it, or rebuild the database from the archive."
    )
  }
})

/**
 * Makes sure that `<dataDirectory>/postgres` holds a cluster this server can run, creating it at the first start, and
 * returns its path. `clientName` is the operating system user that may connect. The caller holds the data directory's
 * lock and no server runs on the cluster.
 */
export const prepare: (options: {
  readonly dataDirectory: string
  readonly programs: PostgresPrograms.PostgresPrograms
  readonly account: OperatingSystemAccount | undefined
  readonly clientName: string
}) => Effect.Effect<string, PostgresStartFailed | PostgresUnavailable> = Effect.fn("PostgresCluster.prepare")(
  function*({ account, clientName, dataDirectory, programs }) {
    const directory = join(dataDirectory, "postgres")
    if (!existsSync(directory)) yield* initialise(directory, dataDirectory, programs, account)
    yield* check(directory, programs, account)
    yield* Effect.try({
      try: () => writeAccessRules(directory, clientName, account),
      catch: (cause) => failed(directory, "Its access rules cannot be written.", cause)
    })
    return directory
  }
)
