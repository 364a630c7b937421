/**
 * The one way into the ledger, for events and for windows: under the customer's advisory lock, at the place that the
 * rows themselves give (ledger format §3). Everything here runs inside an open transaction of the customer.
 */
import type { CustomerId, JobId } from "@rainlogs/core/domain/Identifier"
import { type EntryDraft, placeEntry } from "@rainlogs/core/ledger/EntryDraft"
import type { LedgerOf } from "@rainlogs/core/ledger/LedgerStore"
import { genesisPrev } from "@rainlogs/verify/Chain"
import { type Entry, printEntry } from "@rainlogs/verify/Entry"
import * as Hex from "@rainlogs/verify/Hex"
import { leafHash } from "@rainlogs/verify/Merkle"
import { sha256 } from "@rainlogs/verify/node/NativeSha256"
import { Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { decodeRows, SafeInteger } from "./Row.ts"

/** How long an append waits for others of the same customer, in ms. A heartbeat stores its document under the lock. */
const lockTimeout = 60_000

/** Defect: the job is in the ledger already, with another content. Appending cannot mend that. */
export class LedgerConflict extends Schema.TaggedError<LedgerConflict>()("LedgerConflict", {
  job: Schema.String,
  detail: Schema.String
}) {}

/** Waits until nobody else appends to the customer's ledger; held until the transaction ends. */
export const lockLedger = (sql: SqlClient.SqlClient, ledger: Pick<LedgerOf, "customer">) =>
  sql`SELECT set_config('lock_timeout', ${String(lockTimeout)}, true),
    pg_advisory_xact_lock(hashtextextended(${`rainlogs/ledger/${ledger.customer}`}, 0))`

const PlaceRow = Schema.Struct({
  leafIndex: SafeInteger,
  lastTime: Schema.NullOr(SafeInteger),
  seq: SafeInteger,
  prev: Schema.NullOr(Schema.String),
  chainOfJob: Schema.NullOr(Schema.String),
  objectOfJob: Schema.NullOr(Schema.String)
})

const readPlace = Effect.fnUntraced(
  function*(sql: SqlClient.SqlClient, { customer }: LedgerOf, chain: string, job: JobId) {
    const [place] = yield* decodeRows(PlaceRow)(sql`
      SELECT coalesce(last.leaf_index + 1, 0) AS "leafIndex", last.time_ms AS "lastTime",
        coalesce(head.seq + 1, 0) AS seq, encode(head.hash, 'hex') AS prev,
        same.chain AS "chainOfJob", encode(same.object, 'hex') AS "objectOfJob"
      FROM (VALUES (true)) one
      LEFT JOIN LATERAL (
        SELECT leaf_index, time_ms FROM ledger_entries
        WHERE customer_id = ${customer} ORDER BY leaf_index DESC LIMIT 1
      ) last ON true
      LEFT JOIN LATERAL (
        SELECT seq, hash FROM ledger_entries
        WHERE customer_id = ${customer} AND chain = ${chain} ORDER BY seq DESC LIMIT 1
      ) head ON true
      LEFT JOIN ledger_entries same ON same.customer_id = ${customer} AND same.job_id = ${job}`)
    return place ?? (yield* Effect.die(new Error("reading a ledger's place returned no row")))
  }
)

/** The row of an entry; `bytes` are those of its leaf, at place `leaf` of the tree. */
export const entryRow = (
  customer: CustomerId,
  { bytes, entry, leaf }: { readonly leaf: number; readonly bytes: Uint8Array; readonly entry: Entry }
) => ({
  customer_id: customer,
  leaf_index: leaf,
  origin: entry.origin,
  chain: entry.chain,
  seq: entry.seq,
  kind: entry.kind,
  job_id: entry.job,
  prev: Hex.decode(entry.prev, 32),
  object: Hex.decode(entry.object, 32),
  hash: Hex.decode(entry.hash, 32),
  size: entry.size,
  time_ms: entry.time,
  entry: bytes,
  leaf_hash: leafHash(bytes, sha256)
})

/**
 * Appends the entry of a draft; "exists" if its job is there already with the same object. The transaction holds
 * {@link lockLedger}. Times never go back: an entry's time is `now` (Unix ms) or the last entry's, whichever is later.
 */
export const appendEntry = Effect.fnUntraced(
  function*(sql: SqlClient.SqlClient, ledger: LedgerOf, draft: EntryDraft, now: number) {
    const object = draft.kind === "object" ? draft.object.sha256 : draft.document.sha256
    const place = yield* readPlace(sql, ledger, draft.chain, draft.job)
    if (place.chainOfJob !== null) {
      if (place.chainOfJob === draft.chain && place.objectOfJob === object) return "exists" as const
      return yield* Effect.die(
        new LedgerConflict({
          job: draft.job,
          detail: `the ledger has object ${place.objectOfJob} in chain ${place.chainOfJob} for it, ` +
            `not ${object} in chain ${draft.chain}`
        })
      )
    }
    const entry = placeEntry(draft, {
      origin: ledger.origin,
      seq: place.seq,
      prev: place.prev ?? Hex.encode(genesisPrev(ledger.origin, draft.chain)),
      time: Math.max(now, place.lastTime ?? 0)
    })
    yield* sql`INSERT INTO ledger_entries ${
      sql.insert(entryRow(ledger.customer, { leaf: place.leafIndex, bytes: printEntry(entry), entry }))
    }`
    return "appended" as const
  }
)
