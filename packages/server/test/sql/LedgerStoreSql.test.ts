import { assert, describe, layer } from "@effect/vitest"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { chainHash, genesisPrev } from "@rainlogs/verify/Chain"
import { parseEntry } from "@rainlogs/verify/Entry"
import * as Hex from "@rainlogs/verify/Hex"
import { leafHash } from "@rainlogs/verify/Merkle"
import { Cause, Deferred, Effect, Exit, Fiber, Option, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { LedgerConflict } from "../../src/sql/LedgerAppend.ts"
import { TestDatabase } from "../TestDatabase.ts"
import { digest, eventFor, Live, live, makeCustomer, makeOne, start } from "./fixtures.ts"

const ledgerOf = Effect.map(makeCustomer, ({ id, origin }) => ({ customer: id, origin }))

describe("LedgerStoreSql", { timeout: 60_000 }, () => {
  layer(Live, live)((it) => {
    it.effect("links every entry to the one before and gives leaf and sequence numbers without a gap", () =>
      Effect.gen(function*() {
        const store = yield* LedgerStore
        const ledger = yield* ledgerOf
        for (let i = 0; i < 5; i++) {
          assert.strictEqual(
            yield* store.append(ledger, eventFor(ledger.origin, `document ${i}`), start + i),
            "appended"
          )
        }
        const rows = yield* Stream.runCollect(store.rows(ledger, 0, 100))
        let prev = Hex.encode(genesisPrev(ledger.origin, "control"))
        for (const [index, row] of rows.entries()) {
          const entry = parseEntry(row.entry)
          assert.strictEqual(row.leafIndex, index)
          assert.strictEqual(entry.seq, index)
          assert.strictEqual(entry.prev, prev)
          assert.strictEqual(
            entry.hash,
            Hex.encode(chainHash(Hex.decode(entry.prev), Hex.decode(entry.object), entry.job))
          )
          assert.deepStrictEqual(row.leafHash, leafHash(row.entry))
          prev = entry.hash
        }
        assert.strictEqual(rows.length, 5)
        assert.deepStrictEqual(yield* store.snapshot(ledger), {
          size: 5,
          heads: [{ chain: "control", nextSeq: 5, head: prev }],
          lastTime: start + 4
        })
      }))

    it.effect("an empty ledger has size 0 and no heads, and no last event", () =>
      Effect.gen(function*() {
        const store = yield* LedgerStore
        const ledger = yield* ledgerOf
        assert.deepStrictEqual(yield* store.snapshot(ledger), { size: 0, heads: [], lastTime: null })
        assert.isTrue(Option.isNone(yield* store.lastEvent(ledger, "genesis")))
        assert.deepStrictEqual(yield* Stream.runCollect(store.rows(ledger, 0, 10)), [])
      }))

    it.effect("streams the events of a kind, the newest first, over more than a page", () =>
      Effect.gen(function*() {
        const store = yield* LedgerStore
        const ledger = yield* ledgerOf
        for (let i = 0; i < 130; i++) yield* store.append(ledger, eventFor(ledger.origin, `document ${i}`), start + i)
        const kind = eventFor(ledger.origin, "").kind
        const all = yield* Stream.runCollect(store.events(ledger, kind))
        assert.deepStrictEqual(all.map(({ seq }) => seq), Array.from({ length: 130 }, (_, index) => 129 - index))
        assert.strictEqual(all[0]?.time, start + 129)
        assert.deepStrictEqual(yield* Stream.runCollect(store.events(ledger, "anchored")), [])
        const other = yield* ledgerOf
        assert.deepStrictEqual(yield* Stream.runCollect(store.events(other, kind)), [])
      }))

    it.effect("an event appended twice is one entry", () =>
      Effect.gen(function*() {
        const store = yield* LedgerStore
        const ledger = yield* ledgerOf
        const draft = eventFor(ledger.origin, "genesis", "genesis")
        assert.strictEqual(yield* store.append(ledger, draft, start), "appended")
        assert.strictEqual(yield* store.append(ledger, draft, start + 1), "exists")
        assert.strictEqual((yield* store.snapshot(ledger)).size, 1)
      }))

    it.effect("a job that comes back with another object is a conflict and nothing is written", () =>
      Effect.gen(function*() {
        const store = yield* LedgerStore
        const ledger = yield* ledgerOf
        const draft = eventFor(ledger.origin, "one")
        yield* store.append(ledger, draft, start)
        const exit = yield* Effect.exit(
          store.append(ledger, { ...draft, document: { sha256: digest("two"), size: 3 } }, start)
        )
        assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof LedgerConflict)
        assert.strictEqual((yield* store.snapshot(ledger)).size, 1)
      }))

    it.effect("times never go back, also when the clock does", () =>
      Effect.gen(function*() {
        const store = yield* LedgerStore
        const ledger = yield* ledgerOf
        for (const [i, time] of [start + 10, start + 5, start + 20].entries()) {
          yield* store.append(ledger, eventFor(ledger.origin, `document ${i}`), time)
        }
        const rows = yield* Stream.runCollect(store.rows(ledger, 0, 3))
        assert.deepStrictEqual(rows.map((row) => parseEntry(row.entry).time), [start + 10, start + 10, start + 20])
      }))

    it.effect("eight writers at once give one chain without gap or fork", () =>
      Effect.gen(function*() {
        const store = yield* LedgerStore
        const ledger = yield* ledgerOf
        const each = 50
        yield* Effect.forEach(
          Array.from({ length: 8 }, (_, writer) => writer),
          (writer) =>
            Effect.forEach(
              Array.from({ length: each }, (_, i) => i),
              (i) => store.append(ledger, eventFor(ledger.origin, `${writer}/${i}`), start + i)
            ),
          { concurrency: "unbounded" }
        )
        const rows = yield* Stream.runCollect(store.rows(ledger, 0, Number.MAX_SAFE_INTEGER))
        const entries = rows.map((row) => parseEntry(row.entry))
        assert.deepStrictEqual(entries.map(({ seq }) => seq), Array.from({ length: 8 * each }, (_, i) => i))
        assert.strictEqual(new Set(entries.map(({ prev }) => prev)).size, 8 * each)
        for (const [i, entry] of entries.entries()) {
          if (i > 0) assert.strictEqual(entry.prev, entries[i - 1]?.hash)
        }
        assert.strictEqual(new Set(entries.map(({ job }) => job)).size, 8 * each)
      }))

    it.effect("eight writers of the same event append it once", () =>
      Effect.gen(function*() {
        const store = yield* LedgerStore
        const ledger = yield* ledgerOf
        const outcomes = yield* Effect.forEach(
          Array.from({ length: 8 }),
          () => store.append(ledger, eventFor(ledger.origin, "policy"), start),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(outcomes.toSorted(), ["appended", ...Array.from({ length: 7 }, () => "exists")])
      }))

    it.effect("streams pages of rows in order, from and to where asked", () =>
      Effect.gen(function*() {
        const store = yield* LedgerStore
        const ledger = yield* ledgerOf
        const count = 1100
        yield* Effect.forEach(
          Array.from({ length: count }, (_, i) => i),
          (i) => store.append(ledger, eventFor(ledger.origin, `document ${i}`), start),
          { discard: true }
        )
        const indexes = (from: number, to: number) =>
          Effect.map(Stream.runCollect(store.rows(ledger, from, to)), (rows) => rows.map(({ leafIndex }) => leafIndex))
        const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
        assert.deepStrictEqual(yield* indexes(0, count), range(0, count))
        assert.deepStrictEqual(yield* indexes(3, 515), range(3, 515))
        assert.deepStrictEqual(yield* indexes(3, 516), range(3, 516))
        assert.deepStrictEqual(yield* indexes(1099, 5000), [1099])
        assert.deepStrictEqual(yield* indexes(7, 7), [])
      }))

    it.effect("lastEvent finds the newest of its kind", () =>
      Effect.gen(function*() {
        const store = yield* LedgerStore
        const ledger = yield* ledgerOf
        yield* store.append(ledger, eventFor(ledger.origin, "h1", "heartbeat"), start)
        yield* store.append(ledger, eventFor(ledger.origin, "h2", "heartbeat"), start + 1)
        yield* store.append(ledger, eventFor(ledger.origin, "p", "policy"), start + 2)
        assert.deepStrictEqual(
          yield* store.lastEvent(ledger, "heartbeat"),
          Option.some({ documentSha256: digest("h2"), time: start + 1, seq: 1, leafIndex: 1 })
        )
      }))

    it.effect("lists the ledgers of all customers", () =>
      Effect.gen(function*() {
        const store = yield* LedgerStore
        const one = yield* ledgerOf
        const two = yield* ledgerOf
        const all = yield* store.ledgers
        assert.deepInclude(all, one)
        assert.deepInclude(all, two)
      }))

    describe("appendAt", () => {
      it.effect("nobody appends between the snapshot and the entry", () =>
        Effect.gen(function*() {
          const store = yield* LedgerStore
          const ledger = yield* ledgerOf
          const seen = yield* Deferred.make<void>()
          const heartbeat = yield* Effect.forkChild(store.appendAt(ledger, start, (snapshot) =>
            Effect.gen(function*() {
              yield* Deferred.succeed(seen, undefined)
              yield* Effect.sleep(100)
              return Option.some(eventFor(ledger.origin, `heartbeat at ${snapshot.size}`, "heartbeat"))
            })))
          yield* Deferred.await(seen)
          yield* store.append(ledger, eventFor(ledger.origin, "rival"), start)
          assert.isTrue(yield* Fiber.join(heartbeat))
          const kinds = (yield* Stream.runCollect(store.rows(ledger, 0, 9))).map((row) => parseEntry(row.entry).kind)
          assert.deepStrictEqual(kinds, ["heartbeat", "policy"])
        }))

      it.effect("none and a failure append nothing, and the failure comes out as it is", () =>
        Effect.gen(function*() {
          const store = yield* LedgerStore
          const ledger = yield* ledgerOf
          assert.isFalse(yield* store.appendAt(ledger, start, () => Effect.succeedNone))
          const error = yield* Effect.flip(store.appendAt(ledger, start, () => Effect.fail("no room" as const)))
          assert.strictEqual(error, "no room")
          assert.strictEqual((yield* store.snapshot(ledger)).size, 0)
        }))

      it.effect("does not append what is there already", () =>
        Effect.gen(function*() {
          const store = yield* LedgerStore
          const ledger = yield* ledgerOf
          const draft = eventFor(ledger.origin, "heartbeat", "heartbeat")
          assert.isTrue(yield* store.appendAt(ledger, start, () => Effect.succeedSome(draft)))
          assert.isFalse(yield* store.appendAt(ledger, start, () => Effect.succeedSome(draft)))
        }))
    })

    describe("exclusively", () => {
      it.effect("runs one publisher of a ledger at a time, and others of other ledgers", () =>
        Effect.gen(function*() {
          const store = yield* LedgerStore
          const one = yield* ledgerOf
          const two = yield* ledgerOf
          const started = yield* Deferred.make<void>()
          const finish = yield* Deferred.make<void>()
          const first = yield* Effect.forkChild(store.exclusively(
            one,
            Effect.andThen(Deferred.succeed(started, undefined), Effect.as(Deferred.await(finish), "first"))
          ))
          yield* Deferred.await(started)
          assert.isTrue(Option.isNone(yield* store.exclusively(one, Effect.succeed("second"))))
          assert.deepStrictEqual(yield* store.exclusively(two, Effect.succeed("other")), Option.some("other"))
          yield* Deferred.succeed(finish, undefined)
          assert.deepStrictEqual(yield* Fiber.join(first), Option.some("first"))
          assert.deepStrictEqual(yield* store.exclusively(one, Effect.succeed("later")), Option.some("later"))
        }))

      it.effect("lets go when the work fails or is interrupted", () =>
        Effect.gen(function*() {
          const store = yield* LedgerStore
          const ledger = yield* ledgerOf
          assert.strictEqual(yield* Effect.flip(store.exclusively(ledger, Effect.fail("broken" as const))), "broken")
          const started = yield* Deferred.make<void>()
          const hanging = yield* Effect.forkChild(
            store.exclusively(ledger, Effect.andThen(Deferred.succeed(started, undefined), Effect.never))
          )
          yield* Deferred.await(started)
          yield* Fiber.interrupt(hanging)
          assert.isTrue(Option.isSome(yield* store.exclusively(ledger, Effect.void)))
        }))

      it.effect("the work's own appends are not undone with the lock's transaction", () =>
        Effect.gen(function*() {
          const store = yield* LedgerStore
          const ledger = yield* ledgerOf
          yield* store.exclusively(
            ledger,
            Effect.andThen(store.append(ledger, eventFor(ledger.origin, "inside"), start), Effect.fail("afterwards"))
          ).pipe(Effect.flip)
          assert.strictEqual((yield* store.snapshot(ledger)).size, 1)
        }))

      it.effect("a holder whose connection dies is stopped, and the lock is free at once", () =>
        Effect.gen(function*() {
          const store = yield* LedgerStore
          const database = yield* TestDatabase
          const ledger = yield* ledgerOf
          const started = yield* Deferred.make<void>()
          const holder = yield* Effect.forkChild(Effect.exit(
            store.exclusively(ledger, Effect.andThen(Deferred.succeed(started, undefined), Effect.never))
          ))
          yield* Deferred.await(started)
          yield* Effect.gen(function*() {
            const sql = yield* SqlClient.SqlClient
            yield* sql`SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
          }).pipe(database.asOwner)
          assert.isTrue(Option.isSome(yield* store.exclusively(ledger, Effect.void)))
          const exit = yield* Fiber.join(holder)
          assert.isTrue(Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause))
        }))
    })

    it.effect("heads come sorted by chain, and only of chains with entries", () =>
      Effect.gen(function*() {
        const store = yield* LedgerStore
        const { customer } = yield* makeOne
        const ledger = { customer: customer.id, origin: customer.origin }
        yield* store.append(ledger, eventFor(ledger.origin, "genesis", "genesis"), start)
        assert.deepStrictEqual((yield* store.snapshot(ledger)).heads.map(({ chain }) => chain), ["control"])
      }))
  })
})
