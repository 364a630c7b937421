import { assert, describe, it } from "@effect/vitest"
import { decode } from "@rainlogs/verify/Ascii"
import { parseGap } from "@rainlogs/verify/Gap"
import { eventPath } from "@rainlogs/verify/Layout"
import { parseNote } from "@rainlogs/verify/Note"
import { parsePolicy } from "@rainlogs/verify/Policy"
import { Effect, Exit, Layer } from "effect"
import { TestClock } from "effect/testing"
import { defaultPolicy } from "../../src/domain/Policy.ts"
import * as LedgerEventsModule from "../../src/ledger/LedgerEvents.ts"
import { GenesisMismatch, LedgerEvents, PolicyInvalid } from "../../src/ledger/LedgerEvents.ts"
import { Signer } from "../../src/ledger/Signer.ts"
import * as SignerLocal from "../../src/ledger/SignerLocal.ts"
import { type LedgerWorld, ledgerWorld } from "./LedgerWorld.ts"
import { ledger, zone } from "./MemoryLedger.ts"
import { memorySigner } from "./MemorySigner.ts"

const { origin } = ledger
const open = LedgerEvents.use((events) => events.open(ledger))
const kinds = (world: LedgerWorld) => world.rows.of(origin).map(({ entry }) => entry.kind)

describe("opening a ledger", () => {
  it.effect("puts genesis and policy first, once, however often", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      yield* TestClock.setTime(1_700_000_000_000)
      for (let time = 0; time < 3; time++) yield* world.run(Effect.andThen(open, open))
      assert.deepStrictEqual(kinds(world), ["genesis", "policy"])
      const [genesis, policy] = world.rows.of(origin)
      assert.strictEqual(genesis?.entry.time, 1_700_000_000_000)
      assert.strictEqual(policy?.entry.seq, 1)
      const text = parseNote(world.file(eventPath(policy!.entry.object))!).text
      assert.strictEqual(parsePolicy(text).retention[0]?.days, defaultPolicy.retentionDays)
    }))

  for (const moment of ["before", "after"] as const) {
    it.effect(`dying ${moment} any step and starting again gives the same two entries`, () =>
      Effect.gen(function*() {
        const whole = yield* ledgerWorld
        yield* whole.run(open)
        const { steps } = whole.faults
        assert.isAbove(steps.length, 8)
        for (let step = 1; step <= steps.length; step++) {
          const world = yield* ledgerWorld
          world.faults.restart({ step, moment })
          yield* Effect.exit(world.run(open))
          assert.isTrue(world.faults.dead)
          world.faults.restart()
          yield* world.run(open)
          assert.deepStrictEqual(world.rows.of(origin), whole.rows.of(origin), `${moment} ${steps[step - 1]}`)
          assert.deepStrictEqual(new Map([...world.files].sort()), new Map([...whole.files].sort()))
        }
      }))
  }

  it.effect("many at once give one genesis", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const process = yield* Layer.build(Layer.provideMerge(world.services(), world.signer))
      const other = yield* Layer.build(Layer.fresh(LedgerEventsModule.layer)).pipe(Effect.provide(process))
      const all = Array.from({ length: 10 }, (_, i) => Effect.provide(open, i % 2 === 0 ? process : other))
      yield* Effect.all(all, { concurrency: "unbounded", discard: true })
      assert.deepStrictEqual(kinds(world), ["genesis", "policy"])
    }))

  it.effect("with two signers or two policies at once, one genesis and one policy win", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const openWith = (retentionDays: number) =>
        LedgerEvents.use((events) => events.open(ledger, { ...defaultPolicy, retentionDays }))
      const process = yield* Layer.build(Layer.provideMerge(world.services(), world.signer))
      const otherKeys = memorySigner({ log: new Uint8Array(32).fill(1), clock: new Uint8Array(32).fill(2) })
      const other = yield* Layer.build(Layer.provide(world.services(), Layer.succeed(Signer, otherKeys)))
      const exits = yield* Effect.forEach([process, process, other], (each, i) =>
        Effect.exit(Effect.provide(openWith(400 + i), each)), { concurrency: "unbounded" })
      assert.deepStrictEqual(kinds(world), ["genesis", "policy"])
      assert.isTrue(exits.some(Exit.isFailure))
    }))

  it.effect("with another signer's keys it fails and appends nothing", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      yield* world.run(open)
      const blank = yield* ledgerWorld
      const signer = SignerLocal.layer({ directory: blank.directory })
      const error = yield* open.pipe(
        Effect.provide(Layer.provide(world.services(), signer), { local: true }),
        Effect.flip
      )
      assert.instanceOf(error, GenesisMismatch)
      assert.deepStrictEqual(kinds(world), ["genesis", "policy"])
    }))

  it.effect("a policy the format does not allow is refused", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const policy = { ...defaultPolicy, retentionDays: 10 }
      const error = yield* world.run(Effect.flip(LedgerEvents.use((events) => events.open(ledger, policy))))
      assert.instanceOf(error, PolicyInvalid)
      assert.include(error.detail, "retention-min")
    }))
})

it.effect("a gap document is stored under its hash, whatever its detail says", () =>
  Effect.gen(function*() {
    const world = yield* ledgerWorld
    const source = "cloudflare/logpull/http_requests"
    const facts = { chain: zone, source, from: 60_000, to: 120_000, reason: "expired", detected: 200_000 } as const
    const texts: ReadonlyArray<readonly [string | null, string | null]> = [
      [null, null],
      ["7 days are over", "7 days are over"],
      ["two\nlines – and more", "two lines ? and more"],
      ["-", null],
      ["", null],
      ["x".repeat(600), "x".repeat(500)]
    ]
    for (const [detail, stored] of texts) {
      const { sha256, size } = yield* world.run(LedgerEvents.use((events) => events.gap(ledger, { ...facts, detail })))
      const bytes = world.file(eventPath(sha256))!
      assert.lengthOf(bytes, size)
      assert.deepStrictEqual(parseGap(decode(bytes)), { origin, ...facts, detail: stored })
    }
    assert.deepStrictEqual(kinds(world), [])
  }))
