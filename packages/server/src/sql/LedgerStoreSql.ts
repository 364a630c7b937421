/**
 * Adapter: the ledger's rows in PostgreSQL.
 */
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import type { EventDraft } from "@rainlogs/core/ledger/EntryDraft"
import { type LedgerOf, type LedgerSnapshot, LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { Effect, Exit, Layer, Option, Schema, Scope, Semaphore, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { databaseError, failAs, inCustomer } from "./CustomerTransaction.ts"
import { appendEntry, lockLedger } from "./LedgerAppend.ts"
import { decodeRows, SafeInteger } from "./Row.ts"

/** Rows read at once by `rows`: at most 32 MiB of entries, commonly half a MiB. */
const pageSize = 512

/** Events read at once by `events`. */
const eventPageSize = 64

/** How many publications one process runs at once; each holds one connection of the pool. */
const mostPublications = 2

/** How often `exclusively` makes sure that its connection, and so its lock, is still there; ms. */
const watchInterval = 5_000

const LedgerRow = Schema.Struct({ leafIndex: SafeInteger, entry: Schema.Uint8Array, leafHash: Schema.Uint8Array })

const SnapshotRow = Schema.Struct({
  leafIndex: SafeInteger,
  lastTime: SafeInteger,
  chain: Schema.String,
  seq: SafeInteger,
  hash: Schema.String
})

const EventRow = Schema.Struct({
  documentSha256: Schema.String,
  time: SafeInteger,
  seq: SafeInteger,
  leafIndex: SafeInteger
})

/** All chains end in a `control` entry or in one of a zone; each end is one index probe. */
const readSnapshot = Effect.fnUntraced(function*(sql: SqlClient.SqlClient, { customer }: LedgerOf) {
  const rows = yield* decodeRows(SnapshotRow)(sql`
    SELECT last.leaf_index AS "leafIndex", last.time_ms AS "lastTime", chains.chain, head.seq,
      encode(head.hash, 'hex') AS hash
    FROM (
      SELECT leaf_index, time_ms FROM ledger_entries
      WHERE customer_id = ${customer} ORDER BY leaf_index DESC LIMIT 1
    ) last
    CROSS JOIN (
      SELECT 'control' AS chain UNION ALL SELECT id::text FROM zones WHERE customer_id = ${customer}
    ) chains
    CROSS JOIN LATERAL (
      SELECT seq, hash FROM ledger_entries e
      WHERE e.customer_id = ${customer} AND e.chain = chains.chain ORDER BY seq DESC LIMIT 1
    ) head
    ORDER BY chains.chain COLLATE "C"`)
  const snapshot: LedgerSnapshot = {
    size: rows[0] === undefined ? 0 : rows[0].leafIndex + 1,
    heads: rows.map(({ chain, hash, seq }) => ({ chain, nextSeq: seq + 1, head: hash })),
    lastTime: rows[0]?.lastTime ?? null
  }
  return snapshot
})

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const publications = yield* Semaphore.make(mostPublications)

  const ledgers = decodeRows(Schema.Struct({ customer: CustomerId, origin: Origin }))(
    sql`SELECT customer_id AS customer, origin FROM all_ledgers()`
  ).pipe(failAs("LedgerStore.ledgers"))

  const append = (ledger: LedgerOf, draft: EventDraft, now: number) =>
    lockLedger(sql, ledger).pipe(
      Effect.andThen(appendEntry(sql, ledger, draft, now)),
      inCustomer(sql, "LedgerStore.append", ledger.customer)
    )

  const appendAt = Effect.fnUntraced(
    function*<E, R>(
      ledger: LedgerOf,
      now: number,
      make: (snapshot: LedgerSnapshot) => Effect.Effect<Option.Option<EventDraft>, E, R>
    ) {
      const context = yield* Effect.context<R>()
      return yield* Effect.gen(function*() {
        yield* lockLedger(sql, ledger)
        const draft = yield* Effect.provideContext(make(yield* readSnapshot(sql, ledger)), context)
        return Option.isSome(draft) && (yield* appendEntry(sql, ledger, draft.value, now)) === "appended"
      }).pipe(inCustomer(sql, "LedgerStore.appendAt", ledger.customer))
    }
  )

  const snapshot = (ledger: LedgerOf) =>
    readSnapshot(sql, ledger).pipe(inCustomer(sql, "LedgerStore.snapshot", ledger.customer))

  // Pages instead of a cursor: committed entries never change, and no transaction stays open while a reader is slow.
  const rows = (ledger: LedgerOf, from: number, to: number) =>
    Stream.paginate(from, (start) =>
      decodeRows(LedgerRow)(sql`
        SELECT leaf_index AS "leafIndex", entry, leaf_hash AS "leafHash" FROM ledger_entries
        WHERE customer_id = ${ledger.customer} AND leaf_index >= ${start} AND leaf_index < ${to}
        ORDER BY leaf_index LIMIT ${pageSize}`).pipe(
        inCustomer(sql, "LedgerStore.rows", ledger.customer),
        Effect.map((page) =>
          [
            page,
            page.length < pageSize || start + pageSize >= to ? Option.none<number>() : Option.some(start + pageSize)
          ] as const
        )
      ))

  const lastEvent = (ledger: LedgerOf, kind: EventDraft["kind"]) =>
    decodeRows(EventRow)(sql`
      SELECT encode(object, 'hex') AS "documentSha256", time_ms AS time, seq, leaf_index AS "leafIndex"
      FROM ledger_entries
      WHERE customer_id = ${ledger.customer} AND chain = 'control' AND kind = ${kind} ORDER BY seq DESC LIMIT 1`).pipe(
      Effect.map((rows) => Option.fromNullishOr(rows[0])),
      inCustomer(sql, "LedgerStore.lastEvent", ledger.customer)
    )

  const events = (ledger: LedgerOf, kind: EventDraft["kind"]) =>
    Stream.paginate(Number.MAX_SAFE_INTEGER, (before) =>
      decodeRows(EventRow)(sql`
        SELECT encode(object, 'hex') AS "documentSha256", time_ms AS time, seq, leaf_index AS "leafIndex"
        FROM ledger_entries
        WHERE customer_id = ${ledger.customer} AND chain = 'control' AND kind = ${kind} AND seq < ${before}
        ORDER BY seq DESC LIMIT ${eventPageSize}`).pipe(
        inCustomer(sql, "LedgerStore.events", ledger.customer),
        Effect.map((page) =>
          [
            page,
            page.length < eventPageSize ? Option.none<number>() : Option.fromNullishOr(page.at(-1)?.seq)
          ] as const
        )
      ))

  /**
   * A transaction-level lock on a connection of its own: it ends with the transaction, however the process ends, and
   * works through a transaction pooler. The work itself uses other connections.
   */
  const exclusively = <A, E, R>(ledger: LedgerOf, work: Effect.Effect<A, E, R>) => {
    const operation = "LedgerStore.exclusively"
    const hold = Effect.fnUntraced(function*(scope: Scope.Scope) {
      const connection = yield* Scope.provide(sql.reserve, scope)
      yield* Scope.addFinalizer(
        scope,
        connection.executeUnprepared("ROLLBACK", [], undefined).pipe(
          Effect.catch((error) =>
            Effect.logWarning(`the lock's connection is gone: ${databaseError(operation, error).detail}`)
          )
        )
      )
      yield* connection.executeUnprepared("BEGIN", [], undefined)
      const [row] = yield* connection.execute(
        "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS held",
        [`rainlogs/publish/${ledger.customer}`],
        undefined
      )
      const watch = connection.execute("SELECT 1", [], undefined).pipe(
        Effect.delay(watchInterval),
        Effect.forever
      )
      return row?.held === true ? Option.some(watch) : Option.none()
    })
    return publications.withPermit(Effect.acquireUseRelease(
      Scope.make(),
      (scope) =>
        Effect.flatMap(
          failAs(operation)(hold(scope)),
          Option.match({
            onNone: () => Effect.succeed(Option.none<A>()),
            onSome: (watch) => Effect.map(Effect.raceFirst(work, failAs(operation)(watch)), Option.some<A>)
          })
        ),
      (scope) => Scope.close(scope, Exit.void)
    ))
  }

  return LedgerStore.of({ ledgers, append, appendAt, snapshot, rows, lastEvent, events, exclusively })
})

/** The ledger store on the `SqlClient`, which needs at least four connections. */
export const layer: Layer.Layer<LedgerStore, never, SqlClient.SqlClient> = Layer.effect(LedgerStore, make)
