/**
 * The process that the hammer kills: `HammerProcess.ts <options as JSON>`. It is a worker that archives its share of one
 * customer's windows, or the publisher of that customer's ledger, on the real adapters: PostgreSQL, a file-system store,
 * the in-process signer. It ends with 0 when its part is done and with 3 when the ledger was halted.
 */
import * as NodeRuntime from "@effect/platform-node-shared/NodeRuntime"
import * as KmsLocal from "@rainlogs/core/secrets/KmsLocal"
import * as ObjectStoreFileSystem from "@rainlogs/core/storage/ObjectStoreFileSystem"
import * as Database from "@rainlogs/server/database/Database"
import * as CustomerStoreSql from "@rainlogs/server/sql/CustomerStoreSql"
import * as LedgerStoreSql from "@rainlogs/server/sql/LedgerStoreSql"
import * as WindowLedgerSql from "@rainlogs/server/sql/WindowLedgerSql"
import { Effect, Layer } from "effect"
import { appendFileSync } from "node:fs"
import { join } from "node:path"
import * as Logging from "../../src/Logging.ts"
import { drawer } from "../Draw.ts"
import * as FaultyObjectStore from "./FaultyObjectStore.ts"
import type { HammerProcessOptions } from "./HammerOptions.ts"
import * as KillSwitch from "./KillSwitch.ts"
import * as PublisherRole from "./PublisherRole.ts"
import * as WriterRole from "./WriterRole.ts"

const options: HammerProcessOptions = JSON.parse(process.argv[2]!)
const { directory } = options
const draw = drawer(options.seed)
const at = KillSwitch.makeSwitch(options.kill, draw)
const archive = join(directory, "archive")

// Faults stand around the switch: a step that a fault lets happen can be died in.
const objects = FaultyObjectStore.layer({
  directory: archive,
  probability: options.faultProbability,
  draw,
  onFault: (kind) => appendFileSync(join(directory, "faults"), `${kind}\n`)
}).pipe(
  Layer.provide(KillSwitch.objects(at)),
  Layer.provide(ObjectStoreFileSystem.layer(archive))
)

const ports = Layer.mergeAll(
  objects,
  CustomerStoreSql.layer,
  KillSwitch.ledger(at).pipe(Layer.provide(LedgerStoreSql.layer)),
  KillSwitch.windows(at).pipe(Layer.provide(WindowLedgerSql.layer)),
  KmsLocal.layer({ file: join(directory, "master.key") })
).pipe(
  Layer.provideMerge(Database.layerApplication({
    path: options.socketPath,
    database: options.database,
    username: Database.applicationRole,
    maxConnections: 4
  }))
)

Effect.gen(function*() {
  yield* Effect.sync(() => process.stdout.write(`{"pid":${process.pid}}\n`))
  if (options.role.name === "writer") yield* WriterRole.run(options, options.role, draw)
  else yield* PublisherRole.run(options, at)
}).pipe(
  Effect.provide(Layer.provideMerge(ports, Logging.layer("Warn"))),
  NodeRuntime.runMain
)
