import { assert, describe, it } from "@effect/vitest"
import { parseCheckpoint } from "@rainlogs/verify/Checkpoint"
import { checkpointArchiveKey, checkpointKey } from "@rainlogs/verify/Layout"
import { parseNote, verifyNote } from "@rainlogs/verify/Note"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Effect, Exit, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { readdirSync } from "node:fs"
import { KeyChanges } from "../../src/ledger/KeyChanges.ts"
import { type ChainedKeys, KeyHistory, keyId } from "../../src/ledger/KeyHistory.ts"
import { LedgerEvents } from "../../src/ledger/LedgerEvents.ts"
import { Publisher } from "../../src/ledger/Publisher.ts"
import { Signer } from "../../src/ledger/Signer.ts"
import { ObjectStore } from "../../src/storage/ObjectStore.ts"
import { type LedgerWorld, ledgerWorld } from "./LedgerWorld.ts"
import { ledger } from "./MemoryLedger.ts"

const { origin } = ledger
const start = Date.UTC(2026, 0, 1)
const open = LedgerEvents.use((events) => events.open(ledger))
const publish = Publisher.use((publisher) => publisher.publish(ledger))
const rotate = KeyChanges.use((changes) => changes.rotate(ledger, null, start))
const history = KeyHistory.use((keys) => keys.of(ledger))
const revoke = (since: number) =>
  KeyChanges.use((changes) => changes.rotate(ledger, { since, reason: "compromised" }, start))

const windows = (world: LedgerWorld, from: number, to: number) => {
  for (let index = from; index < to; index++) world.rows.appendWindow(origin, index, start)
}

// A ledger of two entries and five windows, published.
const begin = (world: LedgerWorld) =>
  Effect.gen(function*() {
    yield* open
    windows(world, 0, 5)
    yield* publish
    return (yield* Signer.use((signer) => signer.keys(origin))).log
  })

const signerOf = (world: LedgerWorld, key: string, candidates: ReadonlyArray<string>) => {
  const bytes = world.files.get(key)
  if (bytes === undefined) throw new Error(`${key} is missing`)
  const note = parseNote(bytes)
  const log = candidates.find((vkey) => verifyNote(note, [parseVerifierKey(vkey)]).verified.length > 0)
  return { size: parseCheckpoint(note.text).size, log }
}

const filesIn = (world: LedgerWorld) => readdirSync(world.directory).map((name) => name.split(".").at(-1)).sort()
const sealedIn = (world: LedgerWorld) => [...world.files.keys()].filter((key) => key.startsWith("catalog/signer/"))

const verdictOf = (world: LedgerWorld, ...keys: ReadonlyArray<string>) =>
  Effect.map(world.reportWith({ keys: keys.map(parseVerifierKey) }), ({ findings, verdict }) => ({
    integrity: verdict.integrity,
    codes: findings.filter(({ question, severity }) => question === "integrity" && severity !== "notice")
      .map(({ code }) => code)
  }))

const clean = { integrity: "PASS" as const, codes: [] }

describe("a change of keys", () => {
  it.effect("the new key signs first the checkpoint that covers the entry, and the old seeds are gone", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(start)
      const world = yield* ledgerWorld
      yield* world.run(
        Effect.gen(function*() {
          const old = yield* begin(world)
          const { keys, outcome, pending } = yield* rotate
          assert.deepStrictEqual([outcome, pending, keys.version, keys.fromSize], ["changed", null, 2, 8])
          assert.notStrictEqual(keys.log, old)
          assert.strictEqual((yield* Signer.use((signer) => signer.keys(origin))).log, keys.log)
          const both = [old, keys.log]
          assert.deepStrictEqual(signerOf(world, checkpointArchiveKey(origin, 7), both), { size: 7, log: old })
          assert.deepStrictEqual(signerOf(world, checkpointArchiveKey(origin, 8), both), { size: 8, log: keys.log })
          assert.deepStrictEqual(signerOf(world, checkpointKey(origin), both), { size: 8, log: keys.log })
          windows(world, 5, 9)
          yield* publish
          assert.deepStrictEqual(yield* verdictOf(world, old), clean)
          assert.deepStrictEqual(yield* verdictOf(world, keys.log), clean)
          assert.deepStrictEqual((yield* history).map(({ log, version }) => [version, log]), [[1, old], [2, keys.log]])
          assert.deepStrictEqual(filesIn(world), ["keys", "key", "lock", "state"].sort())
          assert.deepStrictEqual(sealedIn(world).map((key) => key.slice(-8)), [keyId(keys.log)])
        }),
        world.signerRandom
      )
    }))

  it.effect("goes on in the next process, and again to the next keys", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(start)
      const world = yield* ledgerWorld
      const old = yield* world.run(begin(world), world.signerRandom)
      for (let number = 2; number <= 4; number++) {
        const { keys } = yield* world.run(Effect.andThen(open, rotate), world.signerRandom)
        assert.strictEqual(keys.version, number)
        windows(world, 10 * number, 10 * number + 2)
        const published = yield* world.run(Effect.andThen(open, publish), world.signerRandom)
        assert.strictEqual(published.outcome, "published")
        assert.deepStrictEqual(yield* verdictOf(world, old), clean)
        assert.deepStrictEqual(yield* verdictOf(world, keys.log), clean)
      }
    }))

  it.effect("two at once are one", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(start)
      const world = yield* ledgerWorld
      yield* world.run(
        Effect.gen(function*() {
          const old = yield* begin(world)
          const both = yield* Effect.all([rotate, rotate, rotate], { concurrency: "unbounded" })
          assert.deepStrictEqual(both.map(({ keys }) => keys.version), [2, 2, 2])
          yield* publish
          assert.lengthOf(yield* history, 2)
          assert.deepStrictEqual(yield* verdictOf(world, old), clean)
        }),
        world.signerRandom
      )
    }))

  it.effect("while others publish and append, no checkpoint is signed by a key out of its time", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(start)
      const world = yield* ledgerWorld
      yield* world.run(
        Effect.gen(function*() {
          const old = yield* begin(world)
          const work = Effect.forEach(
            Array.from({ length: 30 }, (_, index) => index),
            (index) => Effect.andThen(Effect.sync(() => windows(world, 5 + index, 6 + index)), publish),
            { discard: true }
          )
          yield* Effect.all([work, Effect.andThen(rotate, rotate)], { concurrency: "unbounded" })
          yield* publish
          assert.isAtLeast((yield* history).length, 2)
          assert.isAbove(world.paths("checkpoint.d/").length, 5)
          assert.deepStrictEqual(yield* verdictOf(world, old), clean)
        }),
        world.signerRandom
      )
    }))

  it.effect("a signer directory from before the change signs nothing", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(start)
      const world = yield* ledgerWorld
      yield* world.run(Effect.andThen(begin(world), rotate), world.signerRandom)
      yield* world.run(
        Effect.gen(function*() {
          const opened = yield* Effect.flip(open)
          assert.strictEqual(opened._tag, "GenesisMismatch")
          windows(world, 5, 6)
          const published = yield* publish
          assert.strictEqual(published.outcome, "halted")
        }),
        world.signerLocalOf("another")
      )
    }))

  for (const moment of ["before", "after"] as const) {
    it.effect(
      `dying ${moment} any step and starting again ends with one key, old or new`,
      () =>
        Effect.gen(function*() {
          yield* TestClock.setTime(start)
          const whole = yield* ledgerWorld
          yield* whole.run(begin(whole), whole.signerRandom)
          whole.faults.restart()
          yield* whole.run(revoke(start), whole.signerRandom)
          const { steps } = whole.faults
          const prepared = steps.indexOf("prepare keys") + 1
          assert.isAbove(steps.length, 10)
          for (let step = 1; step <= steps.length; step++) {
            const what = `${moment} step ${step}: ${steps[step - 1]}`
            const world = yield* ledgerWorld
            const old = yield* world.run(begin(world), world.signerRandom)
            world.faults.restart({ step, moment })
            yield* Effect.exit(world.run(revoke(start), world.signerRandom))
            assert.isTrue(world.faults.dead, what)
            world.rows.publishing = false
            world.faults.restart()
            const keys = yield* world.run(
              Effect.gen(function*() {
                yield* open
                windows(world, 5, 7)
                const published = yield* publish
                assert.strictEqual(published.outcome, "published", what)
                return yield* history
              }),
              world.signerRandom
            )
            const decided = moment === "after" ? step >= prepared : step > prepared
            assert.strictEqual(keys.length, decided ? 2 : 1, what)
            assert.deepStrictEqual(yield* verdictOf(world, old), clean, what)
            assert.notInclude(filesIn(world), "next", what)
            // The former sealed keys go with the next opening at the latest.
            yield* world.run(open, world.signerRandom)
            assert.deepStrictEqual(sealedIn(world).map((key) => key.slice(-8)), [keyId(keys.at(-1)!.log)], what)
          }
        }),
      300_000
    )
  }
})

describe("a revocation", () => {
  it.effect("exposes a head that the old key signs afterwards, with the list in the archive or given", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(start)
      const world = yield* ledgerWorld
      // The insider keeps what there was: database, archive and the old signer's directory.
      const insider = yield* ledgerWorld
      const old = yield* world.run(begin(world), world.signerRandom)
      const stolen = yield* insider.takeOver(world)
      const { keys } = yield* world.run(revoke(start - 1000), world.signerRandom)
      assert.deepStrictEqual(keys.revoked.map(({ since }) => since), [start - 1000, start - 1000])
      assert.include(keys.revoked.map(({ id }) => id.toString(16).padStart(8, "0")), keyId(old))
      assert.deepStrictEqual(yield* verdictOf(world, old), clean)

      yield* insider.run(
        Effect.gen(function*() {
          windows(insider, 20, 25)
          assert.strictEqual((yield* publish).outcome, "published")
        }),
        stolen
      )
      // Without the list nobody can know.
      assert.deepStrictEqual(yield* verdictOf(insider, old), clean)
      const name = world.paths("event/").find((path) =>
        new TextDecoder().decode(world.file(path)).startsWith("rainlogs-keys/v1")
      )
      const document = world.file(name!)!
      const given = yield* insider.reportWith({ keys: [parseVerifierKey(old)], keyChanges: [document] })
      assert.strictEqual(given.verdict.integrity, "FAIL")
      assert.include(given.findings.map(({ code }) => code), "REVOKED_KEY")
      const byNewKey = yield* verdictOf(insider, keys.log)
      assert.notStrictEqual(byNewKey.integrity, "PASS")
      // Put over the true archive, with the true documents still there.
      for (const [key, bytes] of world.files) if (!insider.files.has(key)) insider.files.set(key, bytes)
      insider.files.delete(checkpointArchiveKey(origin, 8))
      const mixed = yield* verdictOf(insider, old)
      assert.strictEqual(mixed.integrity, "FAIL")
      assert.include(mixed.codes, "REVOKED_KEY")
    }))

  it.effect("is done in full after a rotation that was broken off, and beside one that goes on", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(start)
      const probe = yield* ledgerWorld
      yield* probe.run(begin(probe), probe.signerRandom)
      probe.faults.restart()
      yield* probe.run(rotate, probe.signerRandom)
      for (const step of ["prepare keys", "sql append", "sign"].map((name) => probe.faults.steps.indexOf(name) + 1)) {
        const world = yield* ledgerWorld
        const old = yield* world.run(begin(world), world.signerRandom)
        world.faults.restart({ step, moment: "after" })
        yield* Effect.exit(world.run(rotate, world.signerRandom))
        assert.isTrue(world.faults.dead)
        world.rows.publishing = false
        world.faults.restart()
        const { keys, pending } = yield* world.run(revoke(start - 1), world.signerRandom)
        assert.isNull(pending)
        const inUse = (yield* world.run(Signer.use((signer) => signer.keys(origin)), world.signerRandom)).log
        assert.strictEqual(inUse, keys.log)
        const ids = keys.revoked.map(({ id }) => id)
        // Signed already, the keys in use when it was asked for were the new ones.
        const asked = step === probe.faults.steps.indexOf("sign") + 1
          ? (yield* world.run(history, world.signerRandom))[1]!.log
          : old
        assert.include(ids, parseVerifierKey(asked).id)
        assert.deepStrictEqual(yield* verdictOf(world, old), clean)
      }

      const world = yield* ledgerWorld
      yield* world.run(
        Effect.gen(function*() {
          const old = yield* begin(world)
          const exits = yield* Effect.forEach([rotate, revoke(start - 1), rotate, revoke(start - 1)], Effect.exit, {
            concurrency: "unbounded"
          })
          yield* publish
          const ids = (keys: ReadonlyArray<ChainedKeys>) => keys.at(-1)!.revoked.map(({ id }) => id)
          // Done, or refused in words; never passed over.
          for (const exit of [exits[1]!, exits[3]!]) {
            if (Exit.isSuccess(exit)) assert.include(ids(yield* history), parseVerifierKey(old).id)
            else assert.match(String(exit.cause), /Try again/)
          }
          if (exits.every(Exit.isFailure)) assert.fail("none was done")
          const former = yield* KeyChanges.use((changes) =>
            changes.revokeFormer(ledger, keyId(old), { since: start - 1, reason: "compromised" }, start)
          )
          assert.include(former.keys.revoked.map(({ id }) => id), parseVerifierKey(old).id)
          const newest = (yield* history).at(-1)!
          assert.isAtMost(newest.version, 4)
          assert.deepStrictEqual(yield* verdictOf(world, old), clean)
        }),
        world.signerRandom
      )
    }))

  it.effect("of a former key adds to the list, keeps the keys in use, and lists each once with its earliest time", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(start)
      const world = yield* ledgerWorld
      yield* world.run(
        Effect.gen(function*() {
          const old = yield* begin(world)
          yield* rotate
          const former = (id: string, since: number) =>
            KeyChanges.use((changes) => changes.revokeFormer(ledger, id, { since, reason: "lost" }, start))
          const first = yield* former(keyId(old), start - 5)
          assert.deepStrictEqual(first.keys.revoked, [{
            id: parseVerifierKey(old).id,
            since: start - 5,
            reason: "lost"
          }])
          const second = yield* former(keyId(old), start - 3)
          assert.deepStrictEqual(second.keys.revoked, first.keys.revoked)
          assert.strictEqual(second.keys.version, 4)
          assert.deepStrictEqual(yield* verdictOf(world, old), clean)
          for (
            const [id, says] of [[keyId(second.keys.log), /in use/], ["00000000", /names no key/]] as const
          ) assert.match((yield* Effect.flip(former(id, start))).message, says)
          assert.match((yield* Effect.flip(former(keyId(old), start + 1))).message, /not before now/)
        }),
        world.signerRandom
      )
    }))
})

describe("what it needs", () => {
  it.effect("an open ledger, and sane facts of a revocation", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(start)
      const world = yield* ledgerWorld
      yield* world.run(
        Effect.gen(function*() {
          assert.match((yield* Effect.flip(rotate)).message, /no genesis yet/)
          yield* begin(world)
          for (const facts of [{ since: start + 1, reason: "lost" }, { since: 0, reason: "two words" }]) {
            const error = yield* Effect.flip(KeyChanges.use((changes) => changes.rotate(ledger, facts, start)))
            assert.strictEqual(error._tag, "KeysRefused")
          }
          assert.lengthOf(yield* history, 1)
          assert.isTrue(Option.isNone(yield* Signer.use((signer) => signer.preparedKeys(origin))))
          const sealed = yield* ObjectStore.use((objects) => Stream.runCollect(objects.list("catalog/signer/")))
          assert.lengthOf(sealed, 1)
        }),
        world.signerRandom
      )
    }))
})
