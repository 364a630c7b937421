import { assert, it } from "@effect/vitest"
import { decode } from "@rainlogs/verify/Ascii"
import { parseHeartbeat } from "@rainlogs/verify/Heartbeat"
import { eventPath } from "@rainlogs/verify/Layout"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as PublishLoopModule from "../../src/ledger/PublishLoop.ts"
import { PublishLoop } from "../../src/ledger/PublishLoop.ts"
import { ObjectStore, StorageError } from "../../src/storage/ObjectStore.ts"
import { type LedgerWorld, ledgerWorld } from "./LedgerWorld.ts"
import { ledger } from "./MemoryLedger.ts"

const { customer, origin } = ledger
const hour = 3_600_000

// Every port is in memory, but a consistency proof is a promise: time must stand still until all of them are kept.
const settled = Effect.promise(async () => {
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
})
const pass = (ms: number) => Effect.andThen(TestClock.adjust(ms), settled)

const loopIn = (world: LedgerWorld) =>
  PublishLoopModule.layer().pipe(Layer.provideMerge(Layer.provideMerge(world.services(), world.signer)))

const sizes = (world: LedgerWorld) => world.paths("checkpoint.d/").map((path) => Number(path.slice(13)))

it.effect("opens the ledger, publishes shortly after a notice, and many notices are one publish", () =>
  Effect.gen(function*() {
    const world = yield* ledgerWorld
    yield* Effect.gen(function*() {
      const loop = yield* PublishLoop
      yield* settled
      assert.deepStrictEqual(sizes(world), [2])
      yield* pass(1_000)
      for (let index = 0; index < 100; index++) {
        world.rows.appendWindow(origin, index, 0)
        yield* loop.notify(customer)
      }
      yield* settled
      assert.strictEqual(sizes(world).at(-1), 102)
      assert.isAtMost(sizes(world).length, 3)
      // Within the second after a publish nothing is published, then everything that came meanwhile at once.
      for (let index = 100; index < 120; index++) {
        world.rows.appendWindow(origin, index, 0)
        yield* loop.notify(customer)
        yield* pass(10)
      }
      assert.strictEqual(sizes(world).at(-1), 102)
      yield* pass(1_000)
      assert.strictEqual(sizes(world).at(-1), 122)
      assert.isAtMost(sizes(world).length, 4)
    }).pipe(Effect.provide(loopIn(world), { local: true }))
  }))

it.effect("the sweep publishes what nobody told of, and heartbeats are on time", () =>
  Effect.gen(function*() {
    const world = yield* ledgerWorld
    yield* TestClock.setTime(100 * hour)
    yield* Effect.gen(function*() {
      yield* PublishLoop
      yield* settled
      world.rows.appendWindow(origin, 0, 0)
      yield* pass(31_000)
      assert.deepStrictEqual(sizes(world), [2, 3])
      for (let minute = 0; minute < 125; minute++) yield* pass(60_000)
    }).pipe(Effect.provide(loopIn(world), { local: true }))
    const beats = world.rows.of(origin).filter(({ entry }) => entry.kind === "heartbeat").map(({ entry }) => ({
      epoch: parseHeartbeat(decode(world.file(eventPath(entry.object))!)).epoch,
      late: entry.time % hour
    }))
    assert.deepStrictEqual(beats.map(({ epoch }) => epoch), [100, 101])
    for (const { late } of beats) assert.isBelow(late, 120_000)
    assert.strictEqual(sizes(world).at(-1), 5)
  }))

it.effect("a store that fails is tried again with growing pauses until it is back", () =>
  Effect.gen(function*() {
    const world = yield* ledgerWorld
    let down = true
    let attempts = 0
    const failing = Layer.effect(
      ObjectStore,
      Effect.map(ObjectStore, (objects) =>
        ObjectStore.of({
          ...objects,
          putBytes: (key, bytes) =>
            Effect.suspend(() => {
              if (!down || !key.includes("/tile/")) return objects.putBytes(key, bytes)
              attempts += 1
              return Effect.fail(
                new StorageError({ operation: "putBytes", key, category: "transient", detail: "down" })
              )
            })
        }))
    ).pipe(Layer.provide(Layer.succeed(ObjectStore, world.objects)))
    const process = PublishLoopModule.layer().pipe(
      Layer.provide(world.servicesOn(failing)),
      Layer.provide(world.signer)
    )
    yield* Effect.gen(function*() {
      yield* PublishLoop
      yield* settled
      const atOnce = attempts
      assert.isAtLeast(atOnce, 1)
      for (let second = 0; second < 20; second++) yield* pass(1_000)
      assert.isAtLeast(attempts, atOnce * 3)
      assert.isAtMost(attempts, atOnce * 12)
      assert.deepStrictEqual(sizes(world), [])
      down = false
      for (let second = 0; second < 40; second++) yield* pass(1_000)
      assert.deepStrictEqual(sizes(world), [2])
    }).pipe(Effect.provide(process, { local: true }))
  }), 30_000)
