/**
 * Writes a customer's entries, with the windows and gaps they are of, back into an empty timeline: a few statements a
 * page of entries. Everything here runs inside an open transaction of the customer.
 */
import { DatabaseError } from "@rainlogs/core/archive/WindowLedger"
import { active } from "@rainlogs/core/domain/Source"
import type { Window } from "@rainlogs/core/domain/Window"
import type { CustomerRecord } from "@rainlogs/core/recovery/CustomerRecord"
import type { RestoredEntry } from "@rainlogs/core/recovery/CustomerRecords"
import type { ObjectEntry } from "@rainlogs/verify/Entry"
import * as Hex from "@rainlogs/verify/Hex"
import { Array as Arr, Effect, Schema, Stream } from "effect"
import type { SqlClient } from "effect/sql"
import { entryRow } from "./LedgerAppend.ts"
import { restoreLifecycle } from "./RestoreLifecycle.ts"
import { decodeRows, SafeInteger } from "./Row.ts"
import { insertPlanned } from "./Timeline.ts"

/** Entries that are written at once. */
const pageSize = 500

const HoleRow = Schema.Struct({ from: SafeInteger, to: SafeInteger })

/**
 * Restores entries in the order of the ledger into the zones of `record`, whose rows are there already; what no entry
 * covers is planned again at `now` (Unix ms). Fails for an entry of a source that the record does not have.
 */
export const restoreEntries = Effect.fnUntraced(function*<E, R>(
  sql: SqlClient.SqlClient,
  record: CustomerRecord,
  entries: Stream.Stream<RestoredEntry, E, R>,
  now: number
) {
  const customer = record.id
  const sources = record.zones.flatMap((zone) =>
    zone.sources.map(({ status = active, ...source }) => ({
      ...source,
      status,
      zone: zone.id,
      customer,
      origin: record.origin
    }))
  )
  const known = new Map(sources.map((source) => [`${source.zone} ${source.name}`, source]))
  const sourceOf = (chain: string, name: string) => {
    const source = known.get(`${chain} ${name}`)
    return source === undefined
      ? Effect.fail(
        new DatabaseError({
          operation: "CustomerRecords.restore",
          detail: `rejected: the catalog has no source ${name} of zone ${chain}, which the ledger has entries of: ` +
            "the zone was made moments before the database was lost; see the operations guide"
        })
      )
      : Effect.succeed(source)
  }

  const insertEntries = (page: Arr.NonEmptyReadonlyArray<RestoredEntry>) =>
    sql`INSERT INTO ledger_entries ${sql.insert(Arr.map(page, (restored) => entryRow(customer, restored)))}`

  // A window as its entry says it; a gap's is in its document.
  const rowsOf = Effect.fnUntraced(function*({ entry, gap }: RestoredEntry) {
    if (entry.kind === "object") {
      return [{ entry, gap: null, source: yield* sourceOf(entry.chain, entry.source), window: entry.window }]
    }
    return gap === null ? [] : [{ entry, gap, source: yield* sourceOf(gap.chain, gap.source), window: gap }]
  })
  type RestoredWindow = Effect.Success<ReturnType<typeof rowsOf>>[number]

  const insertWindows = Effect.fnUntraced(function*(rows: Arr.NonEmptyReadonlyArray<RestoredWindow>) {
    yield* sql`INSERT INTO log_jobs ${
      sql.insert(Arr.map(rows, ({ entry, gap, source, window }) => ({
        customer_id: customer,
        id: entry.job,
        zone_id: source.zone,
        source_id: source.id,
        from_ms: window.from,
        to_ms: window.to,
        state: gap === null ? "planned" : "gap",
        gap_reason: gap?.reason ?? null,
        gap_detected_ms: gap?.detected ?? null,
        gap_document_sha256: gap === null ? null : Hex.decode(entry.object, 32),
        created_ms: entry.time,
        updated_ms: entry.time
      })))
    }`
    yield* sql`INSERT INTO windows ${
      sql.insert(Arr.map(rows, ({ entry, source, window }) => ({
        customer_id: customer,
        source_id: source.id,
        from_ms: window.from,
        to_ms: window.to,
        job_id: entry.job,
        follows: window.from === source.startsAt ? null : window.from
      })))
    }`
  })

  // The states a window goes through, as the worker took it.
  const commitWindows = Effect.fnUntraced(function*(entries: ReadonlyArray<ObjectEntry>) {
    yield* sql`
      UPDATE log_jobs SET state = 'leased', fence = fence + 1, attempts = attempts + 1, lease_owner = 'rebuild',
        lease_until_ms = created_ms
      WHERE customer_id = ${customer} AND id = ANY (${entries.map(({ job }) => job)}::uuid[])`
    const facts = JSON.stringify(entries.map((entry) => ({
      job: entry.job,
      key: entry.key,
      object: entry.object,
      size: entry.size,
      codec: entry.codec,
      encryption: entry.encryption,
      dek: entry.dek,
      records: entry.records,
      plain_size: entry.plainSize,
      fidelity: entry.fidelity,
      params: entry.params,
      records_root: entry.recordsRoot
    })))
    yield* sql`
      UPDATE log_jobs j SET state = 'committed', lease_owner = NULL, lease_until_ms = NULL, object_key = f.key,
        object_sha256 = decode(f.object, 'hex'), object_size = f.size, codec = f.codec, encryption = f.encryption,
        dek = f.dek, records = f.records, plain_size = f.plain_size, fidelity = f.fidelity,
        params_sha256 = decode(f.params, 'hex'), records_root = decode(f.records_root, 'hex')
      FROM json_to_recordset(${facts}::text::json) AS f (job uuid, key text, object text, size bigint, codec text,
        encryption text, dek text, records bigint, plain_size bigint, fidelity text, params text, records_root text)
      WHERE j.customer_id = ${customer} AND j.id = f.job`
  })

  // The object of a window may be stored although its entry was lost: only a job that was leased before looks for one.
  const endLeases = Effect.fnUntraced(function*(source: string) {
    yield* sql`
      UPDATE log_jobs SET state = 'leased', fence = fence + 1, attempts = attempts + 1, lease_owner = 'rebuild',
        lease_until_ms = ${now}
      WHERE customer_id = ${customer} AND source_id = ${source} AND state = 'planned' AND fence = 0`
    yield* sql`
      UPDATE log_jobs SET state = 'planned', lease_owner = NULL, lease_until_ms = NULL
      WHERE customer_id = ${customer} AND source_id = ${source} AND state = 'leased'`
  })

  // Windows that were planned and not collected have no entry: they are planned again.
  const fillHoles = Effect.fnUntraced(function*(source: (typeof sources)[number]) {
    const holes = yield* decodeRows(HoleRow)(sql`
      SELECT from_ms AS "from", to_ms AS "to" FROM (
        SELECT coalesce(lag(to_ms::bigint) OVER (ORDER BY from_ms), ${source.startsAt}::bigint) AS from_ms,
          from_ms::bigint AS to_ms
        FROM windows WHERE customer_id = ${customer} AND source_id = ${source.id}
      ) tiles WHERE from_ms < to_ms`)
    for (const { from, to } of holes) {
      const windows: Array<Window> = []
      for (let at = from; at < to; at += source.windowMs) {
        windows.push({ from: at, to: Math.min(to, at + source.windowMs) })
      }
      yield* insertPlanned(sql, source, source.startsAt, windows, now)
      yield* endLeases(source.id)
    }
  })

  const addPage = Effect.fnUntraced(function*(page: Arr.NonEmptyReadonlyArray<RestoredEntry>) {
    const rows = (yield* Effect.forEach(page, rowsOf)).flat()
    yield* insertEntries(page)
    if (Arr.isReadonlyArrayNonEmpty(rows)) {
      yield* insertWindows(rows)
      const committed = rows.flatMap(({ entry }) => entry.kind === "object" ? [entry] : [])
      if (committed.length > 0) yield* commitWindows(committed)
    }
    // They speak of windows before them, which are there now.
    for (const { entry, lifecycle } of page) {
      if (lifecycle !== null) yield* restoreLifecycle(sql, customer, entry, lifecycle)
    }
  })

  // The checks of triggers and foreign keys keep the plans they made while the tables were empty, and nobody analyses
  // tables within a transaction: such a plan reads the whole ledger for every entry.
  yield* sql`SELECT set_config('plan_cache_mode', 'force_custom_plan', true)`
  yield* entries.pipe(Stream.grouped(pageSize), Stream.runForEach(addPage))
  yield* Effect.forEach(sources, fillHoles, { discard: true })
})
