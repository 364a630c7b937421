/**
 * An archive with a signer, a master key and a catalog, and databases to lose and to rebuild.
 */
import { type LeasedJob, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import type { LogObject } from "@rainlogs/core/domain/LogObject"
import * as LedgerEvents from "@rainlogs/core/ledger/LedgerEvents"
import * as PolicyChanges from "@rainlogs/core/ledger/PolicyChanges"
import * as Publisher from "@rainlogs/core/ledger/Publisher"
import * as SignerLocal from "@rainlogs/core/ledger/SignerLocal"
import { Catalog } from "@rainlogs/core/recovery/Catalog"
import { Rebuild } from "@rainlogs/core/recovery/Rebuild"
import * as KmsLocal from "@rainlogs/core/secrets/KmsLocal"
import * as ObjectStoreFileSystem from "@rainlogs/core/storage/ObjectStoreFileSystem"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { Effect, Layer } from "effect"
import type { SqlClient } from "effect/sql"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as CustomerRecordsSql from "../../src/sql/CustomerRecordsSql.ts"
import * as CustomerStoreSql from "../../src/sql/CustomerStoreSql.ts"
import * as ErasureStoreSql from "../../src/sql/ErasureStoreSql.ts"
import * as HoldStoreSql from "../../src/sql/HoldStoreSql.ts"
import * as LedgerStoreSql from "../../src/sql/LedgerStoreSql.ts"
import * as WindowLedgerSql from "../../src/sql/WindowLedgerSql.ts"
import { gapAt, leaseOrDie, makeOne, objectFor, plan, start, step, windows } from "../sql/fixtures.ts"
import * as TestDatabase from "../TestDatabase.ts"

/** A directory with the parts that a lost database is rebuilt from. */
export const makeWorld = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "rainlogs-rebuild-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

const stores = Layer.mergeAll(
  CustomerRecordsSql.layer,
  CustomerStoreSql.layer,
  ErasureStoreSql.layer,
  HoldStoreSql.layer,
  LedgerStoreSql.layer,
  WindowLedgerSql.layer
)

/** What runs on one database and the world's directory: as after a start, until the scope of the call ends. */
export const onDatabase = (directory: string, database: Layer.Layer<SqlClient.SqlClient | TestDatabase.TestDatabase>) =>
  Layer.unwrap(Effect.map(
    Effect.promise(() => openDirectory(join(directory, "archive"))),
    (reader) =>
      Layer.mergeAll(LedgerEvents.layer, Publisher.layer, Rebuild.layer(reader).pipe(Layer.provideMerge(Catalog.layer)))
  )).pipe(
    Layer.provideMerge(PolicyChanges.layer),
    Layer.provideMerge(Layer.mergeAll(
      ObjectStoreFileSystem.layer(join(directory, "archive")),
      SignerLocal.layer({ directory: join(directory, "signer") }),
      KmsLocal.layer({ file: join(directory, "master.key") })
    )),
    Layer.provideMerge(stores),
    Layer.provideMerge(database)
  )

/** A new, empty database for one call. */
export const empty = Layer.fresh(TestDatabase.layer)

/** The windows that a customer of {@link fill} has: committed, a gap, committed, planned, committed. */
export const filledTo = 12

/** The object of a leased window; the document of its parameters is none. */
export const objectOf = (leased: LeasedJob): LogObject => ({ ...objectFor(leased), params: null })

/** A customer with windows and a gap, published and in the catalog; the ledger that it has. */
export const fill = Effect.gen(function*() {
  const ledger = yield* WindowLedger
  const { customer, source } = yield* makeOne
  const of = { customer: customer.id, origin: customer.origin }
  yield* (yield* LedgerEvents.LedgerEvents).open(of)
  yield* plan(source, windows(filledTo))
  for (const index of [0, 1, 2, 5, 6, 9, 10, 11]) {
    const job = (yield* ledger.jobs(customer.id, source.zone, { limit: 100, before: start + index * step + 1 }))[0]!.job
    const leased = yield* leaseOrDie(customer.id, job.id, start + 1000)
    yield* ledger.commit(leased, objectOf(leased), start + 1000)
  }
  const events = yield* LedgerEvents.LedgerEvents
  const { detected, range, reason } = gapAt(source, 3, 5)
  const document = yield* events.gap(of, {
    chain: source.zone,
    source: source.name,
    from: range.from,
    to: range.to,
    reason,
    detected,
    detail: null
  })
  yield* ledger.declareGap({ source, range, reason, detected, document })
  yield* (yield* Publisher.Publisher).publish(of)
  yield* (yield* Catalog).save
  return { customer, source, of }
})
