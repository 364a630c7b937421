/**
 * An erasure that is cut off before and after every call to the store and the database: whoever starts next finishes
 * it, once, and the verifier finds nothing wrong.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { type LedgerOf, LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import * as ErasureLoop from "@rainlogs/core/lifecycle/ErasureLoop"
import * as ErasuresModule from "@rainlogs/core/lifecycle/Erasures"
import { Erasures } from "@rainlogs/core/lifecycle/Erasures"
import { ErasureStore } from "@rainlogs/core/lifecycle/ErasureStore"
import { Retention } from "@rainlogs/core/lifecycle/Retention"
import { ObjectStore, StorageError } from "@rainlogs/core/storage/ObjectStore"
import { parseEntry } from "@rainlogs/verify/Entry"
import { printNote, signNote } from "@rainlogs/verify/Note"
import { Effect, Exit, Layer, Option, Schedule, Stream } from "effect"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { approver, customerWith, day, Live, verdict, World } from "./LifecycleWorld.ts"

const [dpo, ceo] = [approver("dpo", 1), approver("ceo", 2)]
const live = { excludeTestServices: true, timeout: "240 seconds" } as const

class Killed extends Error {
  override readonly name = "Killed"
}

/** Counts the calls of a process and ends it at the chosen one: before the call, or after it. */
class Executioner {
  #calls = 0
  readonly #at: number
  constructor(at: number) {
    this.#at = at
  }
  readonly #step = Effect.suspend(() => this.#calls++ === this.#at ? Effect.die(new Killed()) : Effect.void)
  around<A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return this.#step.pipe(Effect.andThen(call), Effect.tap(() => this.#step))
  }
}

/** The erasures of a process that ends at the call number `at`. */
const mortal = (at: number) => {
  const end = new Executioner(at)
  const objects = Layer.effect(
    ObjectStore,
    Effect.map(ObjectStore, (real) =>
      ObjectStore.of({
        ...real,
        putBytes: (key, bytes) => end.around(real.putBytes(key, bytes)),
        remove: (key) => end.around(real.remove(key))
      }))
  )
  const ledgers = Layer.effect(
    LedgerStore,
    Effect.map(
      LedgerStore,
      (real) =>
        LedgerStore.of({ ...real, appendAt: (ledger, now, make) => end.around(real.appendAt(ledger, now, make)) })
    )
  )
  const store = Layer.effect(
    ErasureStore,
    Effect.map(ErasureStore, (real) =>
      ErasureStore.of({
        ...real,
        announce: (customer, announcement) => end.around(real.announce(customer, announcement)),
        begin: (customer, id, now) => end.around(real.begin(customer, id, now)),
        finish: (customer, id, report) => end.around(real.finish(customer, id, report))
      }))
  )
  return Layer.fresh(ErasuresModule.layer).pipe(Layer.provide(Layer.mergeAll(objects, ledgers, store)))
}

const encode = (document: string) => printNote(signNote(document, [dpo, ceo]))

const request = (window: { readonly from: number; readonly to: number }) =>
  ({ zone: null, ...window, reason: "gdpr-art17", method: "delete", basis: "case 12" }) as const

/** Runs a new process's loop until it has nothing open that it would finish. */
const nextStart = (ledger: LedgerOf, retention: "on" | "off") =>
  Effect.scoped(Effect.gen(function*() {
    yield* Layer.build(ErasureLoop.layer({ intervalMs: 20, retention }))
    const store = yield* ErasureStore
    const left = Effect.map(store.open(ledger.customer, 1000), (open) =>
      open.filter(({ state }) => retention === "on" || state === "executing"))
    yield* Effect.repeat(left, {
      schedule: Schedule.spaced("20 millis"),
      until: (open) =>
        open.length === 0
    })
  }))

const tombstones = (ledger: LedgerOf) =>
  Effect.flatMap(
    LedgerStore,
    (ledgers) =>
      Stream.runFold(ledgers.rows(ledger, 0, 100_000), () =>
        0, (count, { entry }) =>
        parseEntry(entry).kind === "tombstone" ? count + 1 : count)
  )

describe("an interrupted erasure", { timeout: 120_000 }, () => {
  layer(Live, live)((it) => {
    it.effect("is finished once by the next start, wherever it was cut off", () =>
      Effect.gen(function*() {
        const { clock, directory } = yield* World
        const windows = 40
        const { archived, ...customer } = yield* customerWith(windows, [dpo, ceo])
        const ledger = { customer: CustomerId.make(customer.id), origin: Origin.make(customer.origin) }
        const erasures = yield* Erasures
        const store = yield* ErasureStore
        let cut = 0
        const states = new Set<string>()
        for (let at = 0; at < windows; at++) {
          const window = archived[at]
          if (window === undefined) return yield* Effect.die("too few windows")
          const now = clock.currentTimeMillisUnsafe()
          const draft = Option.getOrThrow(yield* erasures.draft(ledger, request(window), null, now))
          const bytes = encode(draft.document)
          const whole = yield* Effect.exit(
            Effect.gen(function*() {
              const dying = yield* Erasures
              yield* dying.announce(ledger, bytes, now)
              yield* dying.execute(ledger, draft.id)
            }).pipe(Effect.provide(mortal(at), { local: true }))
          )
          states.add(Option.match(yield* store.erasure(ledger.customer, draft.id), {
            onNone: () => "nothing",
            onSome: ({ state }) => state
          }))
          if (Exit.isFailure(whole)) {
            assert.include(JSON.stringify(whole), "Killed")
            cut += 1
          }
          // The next start finishes what was begun; what was only announced, or asked for, the caller asks for again.
          yield* nextStart(ledger, "off")
          yield* erasures.announce(ledger, bytes, now)
          assert.strictEqual((yield* erasures.execute(ledger, draft.id)).state, "done")
          assert.isFalse(existsSync(join(directory, "archive", window.key)))
          assert.strictEqual(yield* tombstones(ledger), 2 * (at + 1), `cut off at call ${at}`)
          if (Exit.isSuccess(whole)) break
        }
        assert.isAbove(cut, 15)
        assert.isBelow(cut, windows)
        assert.deepStrictEqual(states, new Set(["nothing", "announced", "executing", "done"]))
        const report = yield* verdict(customer)
        assert.strictEqual(report.verdict.erasures, "PASS", JSON.stringify(report.findings))
        assert.strictEqual(report.verdict.integrity, "PASS")
      }))

    it.effect("is all that a loop without retention goes on with: not what a person announced, nor what is due", () =>
      Effect.gen(function*() {
        const { clock, directory, store } = yield* World
        const { archived, ...customer } = yield* customerWith(3, [dpo, ceo])
        const ledger = { customer: CustomerId.make(customer.id), origin: Origin.make(customer.origin) }
        const erasures = yield* Erasures
        const [begun, announced, due] = archived
        if (begun === undefined || announced === undefined || due === undefined) return yield* Effect.die("no windows")
        const announce = Effect.fnUntraced(function*(window: typeof begun) {
          const now = clock.currentTimeMillisUnsafe()
          const draft = Option.getOrThrow(yield* erasures.draft(ledger, request(window), null, now))
          return yield* erasures.announce(ledger, encode(draft.document), now)
        })
        const [first, second] = [yield* announce(begun), yield* announce(announced)]
        store.remove = (key) =>
          Effect.fail(new StorageError({ operation: "remove", key, category: "transient", detail: "busy" }))
        yield* Effect.flip(erasures.execute(ledger, first.id))
        delete store.remove
        clock.jump(396 * day)
        assert.strictEqual((yield* (yield* Retention).due(ledger, clock.currentTimeMillisUnsafe())).due.windows, 1)
        const open = Effect.flatMap(ErasureStore, (erasures) => erasures.open(ledger.customer, 10))
        yield* Effect.scoped(Effect.gen(function*() {
          yield* Layer.build(ErasureLoop.layer({ intervalMs: 10, retention: "off" }))
          yield* Effect.repeat(open, { schedule: Schedule.spaced("10 millis"), until: (left) => left.length === 1 })
          // Rounds enough for what must not happen.
          yield* Effect.sleep("500 millis")
        }))
        assert.deepStrictEqual((yield* open).map(({ id, state }) => [id, state]), [[second.id, "announced"]])
        assert.deepStrictEqual(
          archived.map(({ key }) => existsSync(join(directory, "archive", key))),
          [false, true, true]
        )
      }))

    it.effect("of retention comes before the next one", () =>
      Effect.gen(function*() {
        const { clock, store } = yield* World
        const { archived, ...customer } = yield* customerWith(1, [])
        const ledger = { customer: CustomerId.make(customer.id), origin: Origin.make(customer.origin) }
        clock.jump(396 * day)
        const retention = yield* Retention
        store.remove = (key) =>
          Effect.fail(new StorageError({ operation: "remove", key, category: "transient", detail: "busy" }))
        yield* Effect.flip(retention.step(ledger))
        delete store.remove
        const [left] = yield* (yield* ErasureStore).open(ledger.customer, 10)
        assert.isDefined(left)
        assert.deepInclude(left, { state: "executing", targets: archived.length })
        assert.deepInclude(Option.getOrThrow(yield* retention.step(ledger)), { id: left.id, state: "done" })
        assert.isTrue(Option.isNone(yield* retention.step(ledger)))
      }))

    it.effect("of the retention run is finished by the next run, and nothing is left", () =>
      Effect.gen(function*() {
        const { clock, directory } = yield* World
        const { archived, ...customer } = yield* customerWith(4, [])
        const ledger = { customer: CustomerId.make(customer.id), origin: Origin.make(customer.origin) }
        clock.jump(396 * day)
        const now = clock.currentTimeMillisUnsafe()
        const erasures = yield* Erasures
        const retention = yield* Retention
        const { due } = yield* retention.due(ledger, now)
        assert.strictEqual(due.windows, 4)
        // Off, the loop deletes nothing.
        yield* nextStart(ledger, "off")
        assert.strictEqual((yield* retention.due(ledger, now)).due.windows, 4)
        // One process announces and is gone; windows of its own are left for the next.
        const first = archived[0]
        assert.isDefined(first)
        const draft = Option.getOrThrow(
          yield* erasures.draft(
            ledger,
            { ...request(first), reason: "retention", basis: "retention of the policy in force" },
            null,
            now
          )
        )
        yield* erasures.announce(ledger, new TextEncoder().encode(draft.document), now)
        yield* Effect.scoped(Effect.gen(function*() {
          yield* Layer.build(ErasureLoop.layer({ intervalMs: 20, retention: "on" }))
          yield* Effect.repeat(
            Effect.sync(() => archived.filter(({ key }) => existsSync(join(directory, "archive", key)))),
            {
              schedule: Schedule.spaced("20 millis"),
              until: (left) => left.length === 0
            }
          )
        }))
        yield* nextStart(ledger, "on")
        assert.strictEqual(yield* tombstones(ledger), 4)
        const report = yield* verdict(customer)
        assert.strictEqual(report.verdict.erasures, "PASS", JSON.stringify(report.findings))
      }))
  })
})
