/**
 * The hammer: many processes archive windows of one customer into one ledger on one PostgreSQL and one archive
 * directory, each killed with -9 at every step of the write order and started again, on a store that fails by a seed,
 * while one process publishes and is killed as well. What is left is judged by {@link judge}.
 */
import { NodeServices } from "@effect/platform-node"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { makeOrigin } from "@rainlogs/core/domain/Customer"
import { CloudflareZoneId, CustomerId, ZoneId } from "@rainlogs/core/domain/Identifier"
import * as LedgerEvents from "@rainlogs/core/ledger/LedgerEvents"
import type { LedgerOf } from "@rainlogs/core/ledger/LedgerStore"
import * as SignerLocal from "@rainlogs/core/ledger/SignerLocal"
import { wrapCloudflareToken } from "@rainlogs/core/secrets/CloudflareToken"
import * as KmsLocal from "@rainlogs/core/secrets/KmsLocal"
import * as ObjectStoreFileSystem from "@rainlogs/core/storage/ObjectStoreFileSystem"
import * as Database from "@rainlogs/server/database/Database"
import { EmbeddedPostgres } from "@rainlogs/server/database/EmbeddedPostgres"
import * as PostgresCluster from "@rainlogs/server/database/PostgresCluster"
import * as CustomerStoreSql from "@rainlogs/server/sql/CustomerStoreSql"
import * as LedgerStoreSql from "@rainlogs/server/sql/LedgerStoreSql"
import * as WindowLedgerSql from "@rainlogs/server/sql/WindowLedgerSql"
import { Effect, Layer, Redacted } from "effect"
import type { ChildProcess } from "node:child_process"
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Logging from "../../src/Logging.ts"
import { drawer } from "../Draw.ts"
import { gone, killGroup, start } from "../Processes.ts"
import { finishFile, type HammerProcessOptions, windowMs } from "./HammerOptions.ts"
import { judge, type Judgement } from "./Judgement.ts"
import { watchServed } from "./ServedCheckpoints.ts"
import { type Kill, moments, publisherSteps, type Step, writerSteps } from "./Steps.ts"

/** How hard to hammer. */
export interface HammerOptions {
  readonly processes: number
  /** Windows per process. */
  readonly appends: number
  readonly seed: number
  /** Probability that a call of the object store is faulty, 0 to 1. */
  readonly faultProbability: number
  /** How often each step is died at, per process, at each moment; less than 1 shares the kills among the processes. */
  readonly rounds: number
  readonly log: (text: string) => void
}

/** What came of it. */
export interface HammerResult extends Judgement {
  readonly kills: number
  /** Kills that happened, by step and moment. */
  readonly killed: { readonly [step: string]: number }
  readonly faults: { readonly [kind: string]: number }
  readonly seconds: number
  /** Empty unless something is wrong, then what. The directory is kept in that case. */
  readonly broken: ReadonlyArray<string>
  readonly directory: string
}

const exitHalted = 3

const killsOf = (steps: ReadonlyArray<Step>, farthest: number, draw: () => number): Array<Kill> =>
  steps.flatMap((step) => moments.map((moment) => ({ step, moment, nth: 1 + Math.floor(draw() * farthest) }))).map((
    kill
  ) => ({ kill, order: draw() })).toSorted((one, other) => one.order - other.order).map(({ kill }) => kill)

const prepare = Effect.fnUntraced(function*(ledger: LedgerOf, zone: ZoneId, windows: number) {
  const customers = yield* CustomerStore
  const { customer, origin } = ledger
  const startsAt = Math.floor(Date.now() / windowMs) * windowMs - (windows + 10) * windowMs
  yield* customers.create({ id: customer, name: "hammer", origin, createdAt: startsAt }, {
    prefix: "0123456789abcdef",
    sha256: "0".repeat(64)
  })
  yield* customers.createZone(
    {
      id: zone,
      customer,
      name: "hammer.example",
      cloudflareZone: CloudflareZoneId.make("0".repeat(32)),
      createdAt: startsAt
    },
    yield* wrapCloudflareToken(customer, zone, Redacted.make("a token nobody asks for")),
    [{ name: "cloudflare/logpull/http_requests", startsAt, windowMs }]
  )
  const store = yield* WindowLedger
  const [timeline] = yield* store.timelinesOf(customer, zone)
  if (timeline === undefined) return yield* Effect.die(new Error("the zone has no timeline"))
  yield* store.plan(
    timeline,
    Array.from({ length: windows }, (_, i) => ({ from: startsAt + i * windowMs, to: startsAt + (i + 1) * windowMs })),
    startsAt
  )
})

const stores = Layer.mergeAll(CustomerStoreSql.layer, LedgerStoreSql.layer, WindowLedgerSql.layer)

// Runs one process again and again: once for each kill, and then to its end.
const keepRunning = async (
  of: Omit<HammerProcessOptions, "kill" | "seed">,
  kills: ReadonlyArray<Kill>,
  draw: () => number,
  onKill: (kill: Kill) => void,
  alive: Set<ChildProcess>
): Promise<void> => {
  const left = [...kills]
  for (;;) {
    const kill = left.shift() ?? null
    const options: HammerProcessOptions = { ...of, kill, seed: Math.floor(draw() * 2 ** 31) }
    const { log, process } = await start<{ readonly pid: number }>(
      "appliance/torture/hammer/HammerProcess.ts",
      [JSON.stringify(options)],
      120_000
    )
    alive.add(process)
    await gone(process)
    alive.delete(process)
    if (process.signalCode === "SIGKILL" && kill !== null) {
      onKill(kill)
      continue
    }
    if (process.exitCode === 0 && (kill === null || of.role.name === "writer")) return
    const why = process.exitCode === exitHalted ? "the ledger was halted" : `it ended with ${process.exitCode}`
    throw new Error(`${of.role.name}: ${why}:\n${log()}`)
  }
}

const tally = (names: ReadonlyArray<string>): { readonly [name: string]: number } => {
  const counts: { [name: string]: number } = {}
  for (const name of names.toSorted()) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

const linesOf = (path: string): ReadonlyArray<string> => readFileSync(path, "utf8").split("\n").filter(Boolean)

const hammer = Effect.fnUntraced(function*(options: HammerOptions, directory: string) {
  const { appends, log, processes } = options
  const began = Date.now()
  const postgres = yield* EmbeddedPostgres
  const socketPath = join(postgres.directory, ".s.PGSQL.5432")
  const customer = CustomerId.make("01980000-0000-7000-8000-000000000001")
  const ledger: LedgerOf = { customer, origin: makeOrigin("hammer.example.eu", customer) }
  const zone = ZoneId.make("01980000-0000-7000-8000-000000000002")
  yield* prepare(ledger, zone, processes * appends)
  // Who holds an API key has an open ledger: the customer's first two entries are there before the workers start.
  yield* LedgerEvents.LedgerEvents.use((events) => events.open(ledger)).pipe(
    Effect.provide(
      LedgerEvents.layer.pipe(
        Layer.provide(Layer.merge(
          ObjectStoreFileSystem.layer(join(directory, "archive")),
          SignerLocal.layer({ directory: join(directory, "signer") })
        ))
      )
    )
  )
  for (const file of ["faults", "acknowledged", "signed"]) appendFileSync(join(directory, file), "")

  const happened: Array<string> = []
  const onKill = ({ moment, step }: Kill) => {
    happened.push(`${step} ${moment}`)
    if (happened.length % 25 === 0) {
      log(`${happened.length} kills, ${linesOf(join(directory, "acknowledged")).length} acknowledged`)
    }
  }
  const shared = {
    directory,
    socketPath,
    database: PostgresCluster.databaseName,
    ledger,
    zone,
    faultProbability: options.faultProbability
  }
  const watcher = watchServed(join(directory, "archive"), ledger.origin)
  const alive = new Set<ChildProcess>()
  yield* Effect.promise(async () => {
    const publisher = keepRunning(
      { ...shared, role: { name: "publisher" } },
      Array.from(
        { length: Math.ceil(options.rounds) },
        (_, round) => killsOf(publisherSteps, 2, drawer(options.seed * 1000 + 500 + round))
      ).flat(),
      drawer(options.seed * 1000 + 999),
      onKill,
      alive
    )
    const writers = Array.from({ length: processes }, (_, number) => {
      const draw = drawer(options.seed * 1000 + number)
      // Kills come while there is work left: the farthest lies within what each life has to do.
      const farthest = Math.max(1, Math.floor(appends / (options.rounds * writerSteps.length * moments.length + 2)))
      const all = Array.from({ length: Math.ceil(options.rounds) }, () => killsOf(writerSteps, farthest, draw)).flat()
      return keepRunning(
        { ...shared, role: { name: "writer", number, from: number * appends, to: (number + 1) * appends } },
        options.rounds < 1 ? all.filter((_, i) => i % processes === number) : all,
        draw,
        onKill,
        alive
      )
    })
    const done = Promise.all(writers).then(() => writeFileSync(join(directory, finishFile), ""))
    try {
      await Promise.all([publisher, done])
    } finally {
      // One that broke off must not leave the others behind.
      for (const child of alive) killGroup(child)
    }
  })
  const served = watcher.stop()
  const seconds = (Date.now() - began) / 1000
  log(`everything is archived after ${Math.round(seconds)} s; judging`)
  const judgement = yield* judge({ directory, ledger, zone, served })
  return {
    ...judgement,
    kills: happened.length,
    killed: tally(happened),
    faults: tally(linesOf(join(directory, "faults"))),
    seconds,
    directory
  }
})

/** Runs the hammer once. Throws when a process does not come up again or the ledger was halted; the directory is kept. */
export const run = async (options: HammerOptions): Promise<HammerResult> => {
  const directory = mkdtempSync(join(tmpdir(), `rainlogs-hammer-${options.seed}-`))
  const result = await Effect.runPromise(
    hammer(options, directory).pipe(
      Effect.provide(
        Layer.mergeAll(stores, KmsLocal.layer({ file: join(directory, "master.key") })).pipe(
          Layer.provideMerge(Database.layerEmbedded({ dataDirectory: directory, maxConnections: 100, poolSize: 4 })),
          Layer.provideMerge(NodeServices.layer),
          Layer.provideMerge(Logging.layer("Warn"))
        )
      ),
      Effect.scoped
    )
  )
  const expected = options.processes * options.appends
  const broken = result.objectEntries === expected
    ? result.broken
    : [...result.broken, `${result.objectEntries} object entries instead of ${expected}`]
  if (broken.length === 0) rmSync(directory, { recursive: true, force: true })
  return { ...result, broken }
}
