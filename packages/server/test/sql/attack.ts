/**
 * Statements an attacker, or a wrong program, might run, and what the server says to them.
 */
import { assert } from "@effect/vitest"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import type { Source } from "@rainlogs/core/domain/Source"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import * as Hex from "@rainlogs/verify/Hex"
import { Effect, Option, Predicate } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { randomUUID } from "node:crypto"
import { withCustomer } from "../../src/database/Tenant.ts"
import {
  digest,
  eventFor,
  jobAt,
  leaseOrDie,
  makeOne,
  objectFor,
  plan,
  readTiles,
  start,
  step,
  windowAt
} from "./fixtures.ts"

/** What the server says to a statement that must fail: SQLSTATE, constraint and message in one line. */
export const refusal = (error: SqlError.SqlError): string => {
  const { cause } = error.reason
  if (!Predicate.isObject(cause)) return error.message
  return ["code", "constraint", "message"]
    .map((name) => Predicate.hasProperty(cause, name) && cause[name] !== undefined ? String(cause[name]) : "-")
    .join(" ")
}

/** Puts a hold over all of the customer, and an erasure of the source's first window, into ledger and tables. */
const holdAndErase = Effect.fnUntraced(function*(source: Source) {
  const { customer, origin } = source
  const ledger = yield* LedgerStore
  const sql = yield* SqlClient.SqlClient
  const [hold, erasure] = [eventFor(origin, "hold", "hold"), eventFor(origin, "tombstone", "tombstone")]
  const document = (draft: typeof hold) => Hex.decode(draft.document.sha256, 32)
  const [holding, erasing] = [randomUUID(), randomUUID()]
  yield* ledger.appendAt({ customer, origin }, start, () =>
    Effect.gen(function*() {
      yield* sql`INSERT INTO holds ${
        sql.insert({
          customer_id: customer,
          id: holding,
          basis: "case 12",
          issued_ms: start,
          job_id: hold.job,
          document: document(hold)
        })
      }`
      yield* sql`INSERT INTO hold_scopes ${
        sql.insert({ customer_id: customer, hold_id: holding, chain: "*", from_ms: 0, to_ms: 1 })
      }`
      return Option.some(hold)
    }))
  yield* ledger.appendAt({ customer, origin }, start, () =>
    Effect.gen(function*() {
      yield* sql`INSERT INTO erasures ${
        sql.insert({
          customer_id: customer,
          id: erasing,
          state: "announced",
          reason: "retention",
          method: "delete",
          basis: "retention",
          policy: document(hold),
          requested_ms: start,
          not_before_ms: start,
          targets: 1,
          intent_job: erasure.job,
          intent_document: document(erasure),
          updated_ms: start
        })
      }`
      yield* sql`UPDATE log_jobs SET erasure_id = ${erasing} WHERE id = ${jobAt(source, 0)}`
      return Option.some(erasure)
    }))
})

/** The source with three windows: the first committed, the others planned; a hold, and an erasure of the first. */
export const makeHeldTimeline = Effect.tap(Effect.suspend(() => makeTimeline), holdAndErase)

/** The source with three windows: the first committed, the others planned. */
export const makeTimeline = Effect.gen(function*() {
  const { customer, source } = yield* makeOne
  yield* plan(source, [windowAt(0), windowAt(1), windowAt(2)])
  const leased = yield* leaseOrDie(customer.id, jobAt(source, 0), start)
  yield* (yield* WindowLedger).commit(leased, objectFor(leased), start)
  return source
})

/** Runs statements in one transaction of the source's customer and returns the server's refusal. */
export const attack = (
  source: Source,
  statements: (sql: SqlClient.SqlClient) => ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>
) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const before = yield* readTiles(source)
    const error = yield* Effect.flip(
      Effect.forEach(statements(sql), (statement) => statement, { discard: true }).pipe(withCustomer(source.customer))
    )
    assert.deepStrictEqual(yield* readTiles(source), before)
    return refusal(error)
  })

/** A planned job, unless told otherwise. */
export const insertJob = (
  sql: SqlClient.SqlClient,
  source: Source,
  id: string,
  from: number,
  to: number,
  more: object = {}
) =>
  sql`INSERT INTO log_jobs ${
    sql.insert({
      customer_id: source.customer,
      id,
      zone_id: source.zone,
      source_id: source.id,
      from_ms: from,
      to_ms: to,
      state: "planned",
      created_ms: start,
      updated_ms: start,
      ...more
    })
  }`

/** A tile that names a job. */
export const insertTile = (
  sql: SqlClient.SqlClient,
  source: Source,
  job: string,
  from: number,
  to: number,
  follows: number | null
) =>
  sql`INSERT INTO windows ${
    sql.insert({ customer_id: source.customer, source_id: source.id, job_id: job, from_ms: from, to_ms: to, follows })
  }`

/** A tile with its job. */
export const insertBoth = (
  sql: SqlClient.SqlClient,
  source: Source,
  from: number,
  to: number,
  follows: number | null
) => {
  const id = randomUUID()
  return [insertJob(sql, source, id, from, to), insertTile(sql, source, id, from, to, follows)]
}

/** Where the timeline of {@link makeTimeline} ends. */
export const end = start + 3 * step

/** An entry as a forger would write it: consistent, unless told otherwise. */
export interface Forgery {
  readonly leaf?: number
  readonly seq?: number
  readonly prev?: string
  readonly chain?: string
  readonly kind?: string
  readonly job?: string
  readonly hash?: string
  readonly leafHash?: string
  readonly text?: string
  readonly tail?: string
  readonly time?: number
  readonly origin?: string
}

/** A ledger entry as a forger would write it. */
export const insertEntry = (sql: SqlClient.SqlClient, source: Source, forgery: Forgery) => {
  const { chain = "control", job = randomUUID(), kind = "policy", leaf = 0, origin = source.origin, seq = 0 } = forgery
  const object = digest("forged")
  const time = forgery.time ?? start
  const prev = forgery.prev === undefined
    ? sql`sha256(convert_to(concat('rainlogs-genesis/v1', E'\n', ${origin}::text, E'\n', ${chain}::text, E'\n'), 'UTF8'))`
    : sql`decode(${forgery.prev}, 'hex')`
  return sql`
    WITH given AS (SELECT ${prev} AS prev, decode(${object}, 'hex') AS object),
    linked AS (
      SELECT *, coalesce(decode(${
    forgery.hash ?? null
  }, 'hex'), sha256(prev || object || convert_to(${job}, 'UTF8'))) AS hash
      FROM given
    ), printed AS (
      SELECT *, coalesce(convert_to(${forgery.text ?? null}, 'UTF8'),
        ledger_entry_head(${origin}, ${chain}, ${seq}::bigint, ${kind}, ${job}::uuid, prev, object, hash, 1, ${time}::bigint)
          || convert_to(${forgery.tail ?? `event/${object}\n`}, 'UTF8')) AS entry
      FROM linked
    )
    INSERT INTO ledger_entries (customer_id, leaf_index, origin, chain, seq, kind, job_id, prev, object, hash, size,
      time_ms, entry, leaf_hash)
    SELECT ${source.customer}::uuid, ${leaf}::bigint, ${origin}, ${chain}, ${seq}::bigint, ${kind}, ${job}::uuid, prev,
      object, hash, 1, ${time}::bigint, entry,
      coalesce(decode(${forgery.leafHash ?? null}, 'hex'), sha256('\\x00'::bytea || entry))
    FROM printed`
}
