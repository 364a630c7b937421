/**
 * The catalog: every customer's record, sealed under the customer's key at `catalog/<customer>/<saved, 15 digits>` in
 * the archive, so that a lost database can be rebuilt from the archive and the master key.
 */
import { encode } from "@rainlogs/verify/Ascii"
import { Clock, Context, Duration, Effect, Layer, Redacted, Schedule, Schema, Stream } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { CustomerId } from "../domain/Identifier.ts"
import { LedgerStore } from "../ledger/LedgerStore.ts"
import { Kms, type KmsError } from "../secrets/Kms.ts"
import { type ObjectExists, type ObjectMissing, ObjectStore, StorageError } from "../storage/ObjectStore.ts"
import {
  catalogCustomer,
  catalogFormat,
  catalogKey,
  catalogPrefix,
  catalogTime,
  parseCatalogFile,
  printCatalogFile
} from "./CatalogFile.ts"
import { CustomerRecord } from "./CustomerRecord.ts"
import { CustomerRecords } from "./CustomerRecords.ts"

const Json = Schema.fromJsonString(CustomerRecord)
// An older record under a newer name would bring revoked API keys back: customer and time are both sealed in.
const context = (key: string): Uint8Array => encode(`${catalogFormat}\n${key}\n`)

/** Why a record is not saved. */
export type CatalogFailure = DatabaseError | StorageError | KmsError | ObjectMissing | ObjectExists

/** Changed records that are asked for at once. */
const pageSize = 500

/** Saves and reads customers' records. */
export class Catalog extends Context.Service<Catalog, {
  /**
   * Saves the records that changed since they were saved last. The first time every record is compared with the stored
   * one: somebody may have put an older archive back.
   */
  readonly save: Effect.Effect<void, CatalogFailure>
  /** Saves the record of one customer, if it changed. */
  readonly saveOf: (customer: CustomerId) => Effect.Effect<void, CatalogFailure>
  /** The newest record of every customer. */
  readonly records: Effect.Effect<ReadonlyArray<CustomerRecord>, StorageError | KmsError | ObjectMissing>
}>()("@rainlogs/core/Catalog") {
  static readonly layer: Layer.Layer<Catalog, never, CustomerRecords | Kms | LedgerStore | ObjectStore> = Layer.effect(
    Catalog,
    Effect.suspend(() => make)
  )
}

const corrupt = (key: string, detail: string) =>
  new StorageError({ operation: "catalog", key, category: "corrupt", detail })

const make = Effect.gen(function*() {
  const kms = yield* Kms
  const ledgers = yield* LedgerStore
  const objects = yield* ObjectStore
  const records = yield* CustomerRecords
  let compared = false

  const storedBelow = (prefix: string) =>
    Effect.map(Stream.runCollect(objects.list(prefix)), (found) => {
      const byCustomer = new Map<CustomerId, Array<string>>()
      for (const { key } of found) {
        const customer = catalogCustomer(key)
        if (customer !== null) byCustomer.set(customer, [...byCustomer.get(customer) ?? [], key])
      }
      return byCustomer
    })

  const open = Effect.fnUntraced(function*(customer: CustomerId, key: string) {
    const bytes = yield* objects.getBytes(key)
    const { kek, sealed } = yield* Effect.try({
      try: () => parseCatalogFile(customer, bytes),
      catch: (cause) => corrupt(key, cause instanceof Error ? cause.message : String(cause))
    })
    const plain = yield* kms.unwrap(customer, { kek, bytes: sealed }, context(key))
    return Buffer.from(Redacted.value(plain)).toString()
  })

  const write = Effect.fnUntraced(function*(record: CustomerRecord) {
    const customer = record.id
    const text = yield* Effect.orDie(Schema.encodeEffect(Json)(record))
    const keys = (yield* storedBelow(`${catalogPrefix}${customer}/`)).get(customer) ?? []
    const newest = keys.at(-1)
    if (newest !== undefined && (yield* open(customer, newest)) === text) return
    // Names sort by time, whatever the clock does meanwhile.
    const after = newest === undefined ? 0 : catalogTime(newest) + 1
    const key = catalogKey(customer, Math.max(yield* Clock.currentTimeMillis, after))
    const secret = Redacted.make(new Uint8Array(Buffer.from(text)), { label: "catalog" })
    const { bytes, kek } = yield* kms.wrap(customer, secret, context(key))
    yield* objects.putBytes(key, printCatalogFile(customer, { kek, sealed: bytes }))
    // What a customer was called before is kept no longer than it is needed.
    yield* Effect.forEach(keys, (key) => objects.remove(key), { discard: true })
  })

  const saveOf = (customer: CustomerId) => records.keep(customer, write)

  const saveAll = Effect.gen(function*() {
    for (const { customer } of yield* ledgers.ledgers) yield* saveOf(customer)
  })

  const saveChanged = Effect.gen(function*() {
    let after: CustomerId | null = null
    while (true) {
      const page: ReadonlyArray<CustomerId> = yield* records.unsaved(after, pageSize)
      for (const customer of page) yield* saveOf(customer)
      if (page.length < pageSize) return
      after = page.at(-1) ?? null
    }
  })

  return Catalog.of({
    save: Effect.gen(function*() {
      yield* compared ? saveChanged : saveAll
      compared = true
    }).pipe(Effect.withSpan("Catalog.save")),
    saveOf: Effect.fn("Catalog.saveOf")(saveOf),
    records: Effect.gen(function*() {
      const found: Array<CustomerRecord> = []
      for (const [customer, keys] of yield* storedBelow(catalogPrefix)) {
        const newest = keys.at(-1)
        if (newest === undefined) continue
        const text = yield* open(customer, newest)
        const record = yield* Schema.decodeUnknownEffect(Json)(text).pipe(
          Effect.mapError((error) => corrupt(newest, error.message))
        )
        if (record.id !== customer) return yield* corrupt(newest, `it is of customer ${record.id}`)
        found.push(record)
      }
      return found
    }).pipe(Effect.withSpan("Catalog.records"))
  })
})

/**
 * How often the catalog is brought up to date. Customers and zones are saved when they are made; what else changed within
 * this time before a loss is lost with the database.
 */
export const saveInterval = Duration.seconds(10)

/** Saves the catalog at the start and again and again, for as long as the layer lives. */
export const saveLoop: Layer.Layer<never, never, Catalog> = Layer.effectDiscard(
  Effect.gen(function*() {
    const catalog = yield* Catalog
    const save = catalog.save.pipe(
      Effect.catchCause((cause) => Effect.logWarning("the catalog could not be saved; it is tried again", cause))
    )
    yield* Effect.forkScoped(Effect.repeat(save, Schedule.spaced(saveInterval)))
    // What happened last is saved when the appliance stops in order.
    yield* Effect.addFinalizer(() => save)
  })
)
