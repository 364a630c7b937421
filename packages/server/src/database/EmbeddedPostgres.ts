/**
 * A supervised PostgreSQL server inside the appliance's data directory: real fsync, real concurrency, no network.
 *
 * Layout below the data directory: `lock/` (who uses it), `postgres/` (the cluster and its socket), `postgres-<hash>/`
 * (programs unpacked from a compiled executable).
 */
import { Context, Effect, Exit, Layer, Schedule, Scope, SubscriptionRef } from "effect"
import { closeSync, constants, mkdirSync, openSync } from "node:fs"
import { join } from "node:path"
import * as DataDirectoryLock from "./DataDirectoryLock.ts"
import * as OperatingSystemAccount from "./OperatingSystemAccount.ts"
import * as PostgresArchive from "./PostgresArchive.ts"
import * as PostgresBinaries from "./PostgresBinaries.ts"
import * as PostgresCluster from "./PostgresCluster.ts"
import { type PostgresError, PostgresStartFailed } from "./PostgresError.ts"
import * as PostgresPrograms from "./PostgresPrograms.ts"
import * as Postmaster from "./Postmaster.ts"
import * as PostmasterFile from "./PostmasterFile.ts"

/** What the server is doing. `restarting` counts the attempts since it last ran and keeps the reason of the last one. */
export type ServerState =
  | { readonly _tag: "Running"; readonly pid: number }
  | { readonly _tag: "Restarting"; readonly attempt: number; readonly reason: string }
  | { readonly _tag: "Stopped" }

/** How to run the embedded server. */
export interface EmbeddedPostgresOptions {
  /** The appliance's data directory; made when missing (mode 0700). */
  readonly dataDirectory: string
  /** Path of a tar.zst file with the programs; without it they come from the npm package of this platform. */
  readonly archive?: string | undefined
  /** Account the server runs under when this process is root; `nobody` (65534) by default. */
  readonly account?: OperatingSystemAccount.OperatingSystemAccount | undefined
  /** Sessions the server allows; 50 by default. */
  readonly maxConnections?: number | undefined
  /** Limits of a stop; 10 s for a fast one, 3 s more for an immediate one by default. */
  readonly stopLimits?: Postmaster.StopLimits | undefined
  /** Milliseconds the server may take to answer, recovery after a crash included; 5 minutes by default. */
  readonly readyWithin?: number | undefined
}

/** The longest path a Unix socket address holds, in bytes without the final zero (unix(7); 104 on macOS). */
const longestSocketPath = process.platform === "linux" ? 107 : 103

/**
 * The socket's path for `connect`. A long one is shortened through a descriptor of the cluster directory, which stays
 * open until the scope closes.
 */
const socketPathOf = Effect.fnUntraced(function*(directory: string) {
  const path = join(directory, PostmasterFile.socketName)
  if (Buffer.byteLength(path) <= longestSocketPath) return path
  if (process.platform !== "linux") {
    return yield* new PostgresStartFailed({
      directory,
      reason: `The path of its socket is longer than ${longestSocketPath} bytes.`,
      detail: "Choose a data directory with a shorter path."
    })
  }
  const descriptor = yield* Effect.acquireRelease(
    Effect.sync(() => openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)),
    (descriptor) => Effect.sync(() => closeSync(descriptor))
  )
  return `/proc/self/fd/${descriptor}/${PostmasterFile.socketName}`
})

/** Waits grow from 0.1 s to 30 s: a full disk is not helped by fifty starts a second. */
const restartDelay = Schedule.min([Schedule.exponential(100), Schedule.spaced(30_000)])

const make = Effect.fnUntraced(function*(options: EmbeddedPostgresOptions) {
  const { dataDirectory } = options
  const limits = options.stopLimits ?? { fast: 10_000, immediate: 3_000 }
  const account = OperatingSystemAccount.forServer(options.account)
  const directory = join(dataDirectory, "postgres")

  yield* Effect.try({
    try: () => mkdirSync(dataDirectory, { recursive: true, mode: 0o700 }),
    catch: (cause) =>
      new PostgresStartFailed({ directory, reason: "The data directory cannot be made.", detail: String(cause) })
  })
  yield* DataDirectoryLock.acquire(dataDirectory)
  yield* Postmaster.stopLeftOver(directory, limits)
  const folder = options.archive === undefined
    ? yield* PostgresBinaries.fromPackage
    : yield* PostgresArchive.unpack(options.archive, dataDirectory)
  const programs = yield* PostgresPrograms.prepare(folder, account)
  const clientName = yield* OperatingSystemAccount.currentName
  yield* PostgresCluster.prepare({ dataDirectory, programs, account, clientName })
  const socketPath = yield* socketPathOf(directory)

  const run = Postmaster.start({
    directory,
    socketPath,
    programs,
    limits,
    maxConnections: options.maxConnections ?? 50,
    readyWithin: options.readyWithin ?? 300_000
  })
  const state = yield* SubscriptionRef.make<ServerState>({ _tag: "Stopped" })
  // Made before the supervising fiber and so closed after it: it must not see the orderly end as an unexpected one.
  const runs = yield* Scope.fork(yield* Effect.scope)

  /** One server at a time: each run has its own scope, closed before the next begins. */
  const startOnce = Effect.gen(function*() {
    const runScope = yield* Scope.fork(runs)
    const started = yield* run.pipe(
      Scope.provide(runScope),
      Effect.onError((cause) => Scope.close(runScope, Exit.failCause(cause)))
    )
    yield* SubscriptionRef.set(state, { _tag: "Running", pid: started.pid })
    return { started, runScope }
  })

  const first = yield* startOnce
  yield* Effect.gen(function*() {
    let current = first
    while (true) {
      const exit = yield* current.started.exit
      const reason = exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`
      yield* Effect.logError(`ALARM: PostgreSQL ended unexpectedly (${reason}) and is started again`)
      yield* Scope.close(current.runScope, Exit.void)
      let attempt = 0
      current = yield* Effect.suspend(() =>
        SubscriptionRef.set(state, { _tag: "Restarting", attempt: ++attempt, reason })
      ).pipe(
        Effect.andThen(Postmaster.stopLeftOver(directory, limits)),
        Effect.andThen(startOnce),
        Effect.tapError((error) => Effect.logError(`ALARM: PostgreSQL cannot be started again: ${error.message}`)),
        Effect.retry(restartDelay)
      )
      yield* Effect.logWarning("PostgreSQL runs again")
    }
  }).pipe(Effect.forkScoped)
  yield* Effect.addFinalizer(() => SubscriptionRef.set(state, { _tag: "Stopped" }))

  return EmbeddedPostgres.of({ directory, socketPath, state })
})

/** The running embedded server. */
export class EmbeddedPostgres extends Context.Service<EmbeddedPostgres, {
  /** The cluster directory, which also holds the Unix socket for tools such as `psql -h <directory>`. */
  readonly directory: string
  /** Path of the Unix socket for this process; may name one of its descriptors, so it is of no use to others. */
  readonly socketPath: string
  /** The present state, and every change of it. */
  readonly state: SubscriptionRef.SubscriptionRef<ServerState>
}>()("@rainlogs/server/EmbeddedPostgres") {
  /** Starts the server, keeps it running, and stops it when the scope closes. */
  static readonly layer = (options: EmbeddedPostgresOptions): Layer.Layer<EmbeddedPostgres, PostgresError> =>
    Layer.effect(EmbeddedPostgres, make(options))
}
