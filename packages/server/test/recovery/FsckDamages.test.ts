/**
 * One damage each on a real archive: what `fsck` calls it, and whether it makes the command fail.
 */
import { assert, describe, it } from "@effect/vitest"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { Fsck } from "@rainlogs/core/ledger/Fsck"
import { LedgerEvents } from "@rainlogs/core/ledger/LedgerEvents"
import { Publisher } from "@rainlogs/core/ledger/Publisher"
import { parseState, printState } from "@rainlogs/core/ledger/SignerStateFile"
import { parseCheckpoint, printCheckpoint } from "@rainlogs/verify/Checkpoint"
import { publicKey } from "@rainlogs/verify/Ed25519"
import { checkpointKey } from "@rainlogs/verify/Layout"
import { parseNote, printNote, signNote } from "@rainlogs/verify/Note"
import { makeVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { customerWith, makeClock, makeWorld, onEmptyDatabase, World } from "../lifecycle/LifecycleWorld.ts"
import { TestDatabase } from "../TestDatabase.ts"

type Services = Effect.Services<ReturnType<typeof onArchive>>

const onArchive = Effect.fnUntraced(function*() {
  const customer = yield* customerWith(2, [])
  const ledger = { customer: CustomerId.make(customer.id), origin: Origin.make(customer.origin) }
  yield* Publisher.use((publisher) => publisher.publish(ledger))
  const { directory } = yield* World
  const archive = join(directory, "archive")
  return { customer, ledger, archive, directory, served: join(archive, checkpointKey(customer.origin)) }
})

/** Runs on a published archive of two encrypted windows. */
const onWorld = <A, E>(
  test: (
    archive: Effect.Success<ReturnType<typeof onArchive>>
  ) => Effect.Effect<A, E, Services | Fsck | TestDatabase | LedgerEvents>
) =>
  Effect.scoped(Effect.flatMap(
    makeWorld(makeClock()),
    (world) =>
      Effect.provide(
        Effect.gen(function*() {
          const archive = yield* onArchive()
          assert.deepStrictEqual(yield* codes, [])
          return yield* test(archive)
        }),
        onEmptyDatabase(world),
        { local: true }
      )
  ))

const codes = Fsck.use((fsck) => fsck.run({ depth: "deep" })).pipe(
  Effect.map(({ problems }) => problems.map(({ code, severity }) => `${severity} ${code}`).toSorted())
)

/** What is found with other bytes in a file, which is as before afterwards. */
const spoiled = Effect.fnUntraced(function*(path: string, change: (bytes: Buffer) => Uint8Array | null) {
  const bytes = readFileSync(path)
  chmodSync(path, 0o600)
  const other = change(bytes)
  if (other === null) rmSync(path)
  else writeFileSync(path, other)
  const found = yield* codes
  writeFileSync(path, bytes)
  assert.deepStrictEqual(yield* codes, [])
  return found
})

/** Statements of somebody who owns the schema and is stopped by nothing. */
const inSql = (...statements: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const database = yield* TestDatabase
    yield* Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* Effect.forEach(
        ["SET LOCAL session_replication_role = replica", ...statements],
        (text) => sql.unsafe(text),
        {
          discard: true
        }
      ).pipe(sql.withTransaction)
    }).pipe(database.asOwner)
  })

const last = "leaf_index = (SELECT max(leaf_index) FROM ledger_entries)"

describe("fsck names", { timeout: 120_000 }, () => {
  it.live("SQL_ENTRY: a row that is not what its leaf hash says", () =>
    onWorld(() =>
      Effect.gen(function*() {
        yield* inSql(
          "ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_leaf_hash",
          `UPDATE ledger_entries SET entry = convert_to(replace(convert_from(entry, 'LATIN1'), 'records 1', 'records 2'), 'LATIN1') WHERE ${last}`
        )
        assert.deepStrictEqual(yield* codes, ["damage SQL_ENTRY", "damage TILE_DIFFERS"])
      })
    ))

  it.live("ROOT_DIFFERS: rows that are a whole ledger, and not the one that was signed", () =>
    onWorld(() =>
      Effect.gen(function*() {
        yield* inSql(
          "ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_leaf_hash",
          `UPDATE ledger_entries SET entry = convert_to(replace(convert_from(entry, 'LATIN1'), 'records 1', 'records 2'), 'LATIN1') WHERE ${last}`,
          `UPDATE ledger_entries SET leaf_hash = sha256('\\x00'::bytea || entry) WHERE ${last}`
        )
        assert.deepStrictEqual(yield* codes, ["damage ROOT_DIFFERS", "damage TILE_DIFFERS", "damage TILE_DIFFERS"])
      })
    ))

  it.live("HEAD_UNSIGNED and HEAD_DIFFERS: a head of another's key, and one of another root", () =>
    onWorld(({ customer, served }) =>
      Effect.gen(function*() {
        const seed = new Uint8Array(32).fill(7)
        const stranger = { key: makeVerifierKey(customer.origin, 1, publicKey(seed)), seed }
        const signed = (text: string) => printNote(signNote(text, [stranger]))
        assert.deepStrictEqual(
          yield* spoiled(served, (bytes) => signed(parseNote(bytes).text)),
          ["damage HEAD_UNSIGNED"]
        )
        const forked = (bytes: Uint8Array) =>
          printCheckpoint({ ...parseCheckpoint(parseNote(bytes).text), root: new Uint8Array(32) })
        assert.deepStrictEqual(
          yield* spoiled(served, (bytes) => signed(forked(bytes))),
          ["damage HEAD_DIFFERS", "damage HEAD_UNSIGNED"]
        )
      })
    ))

  it.live("HEAD_DIFFERS: a signer that remembers another root", () =>
    onWorld(({ customer, directory }) =>
      Effect.gen(function*() {
        const state = readdirSync(join(directory, "signer")).find((name) => name.endsWith(".state")) ?? ""
        const found = yield* spoiled(join(directory, "signer", state), (bytes) =>
          printState(customer.origin, { ...parseState(customer.origin, bytes), root: new Uint8Array(32) }))
        // The served head, the archived one, and the rows.
        assert.deepStrictEqual(found, ["damage HEAD_DIFFERS", "damage HEAD_DIFFERS", "damage ROOT_DIFFERS"])
      })
    ))

  it.live("KEY_MISSING and KEY_DIFFERS: a key record that is gone, another object's, or no record", () =>
    onWorld(({ archive, customer }) =>
      Effect.gen(function*() {
        const [first, second] = customer.archived.map(({ dek }) => join(archive, "keys", dek))
        if (first === undefined || second === undefined) return yield* Effect.die("no windows")
        assert.deepStrictEqual(yield* spoiled(first, () => null), ["damage KEY_MISSING"])
        assert.deepStrictEqual(yield* spoiled(first, () => readFileSync(second)), ["damage KEY_DIFFERS"])
        assert.deepStrictEqual(yield* spoiled(first, () => Buffer.from("no record\n")), ["damage KEY_DIFFERS"])
      })
    ))

  it.live("SERVED_BEHIND: an older head than was signed, which the next publication mends", () =>
    onWorld(({ ledger, served }) =>
      Effect.gen(function*() {
        const older = readFileSync(served)
        yield* LedgerEvents.use((events) =>
          events.declare(ledger, {
            chain: "control",
            source: "rainlogs/heartbeat",
            from: 0,
            to: 1000,
            reason: "outage",
            detected: 1000,
            detail: null
          }, Date.UTC(2026, 10, 21))
        )
        yield* Publisher.use((publisher) => publisher.publish(ledger))
        assert.deepStrictEqual(yield* spoiled(served, () => older), ["leftover SERVED_BEHIND"])
      })
    ))
})
