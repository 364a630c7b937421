import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Condition, Notice } from "../../src/alert/Alert.ts"
import { emptyBook } from "../../src/alert/AlertBook.ts"
import { AlertConditions } from "../../src/alert/AlertConditions.ts"
import * as AlertLoop from "../../src/alert/AlertLoop.ts"
import { type AlertSink, AlertSinks, AlertUndelivered } from "../../src/alert/AlertSink.ts"

const blocked: Condition = {
  kind: "source-blocked",
  subject: "zone",
  severity: "critical",
  summary: "It broke.",
  remedy: "Mend it."
}

interface World {
  conditions: ReadonlyArray<Condition>
  failing: "no" | "transient" | "permanent" | "hangs"
  readonly got: Array<Notice>
}

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "rainlogs-alerts-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const ports = (world: World, more: ReadonlyArray<AlertSink> = []) => {
  const sink: AlertSink = {
    id: "webhook",
    send: (notice) =>
      Effect.suspend(() => {
        if (world.failing === "hangs") return Effect.never
        if (world.failing !== "no") {
          const permanent = world.failing === "permanent"
          return Effect.fail(new AlertUndelivered({ sink: "webhook", permanent, detail: "away", retryAfterMs: null }))
        }
        world.got.push(notice)
        return Effect.void
      })
  }
  return Layer.mergeAll(
    Layer.succeed(AlertSinks, [sink, ...more]),
    Layer.succeed(AlertConditions, {
      look: Effect.sync(() => ({ conditions: world.conditions, events: [], unseen: new Set<never>() }))
    })
  )
}

const optionsIn = (path: string) => ({ ...AlertLoop.defaultAlertLoop, file: join(path, "alerts.json") })

const phases = ({ got }: World) => got.map(({ phase }) => phase)

/** Runs the loop for some minutes of the test clock, as a process that then ends. */
const live = (world: World, path: string, minutes: number) =>
  Effect.gen(function*() {
    const running = yield* Effect.forkChild(
      Effect.scoped(Effect.andThen(Layer.build(AlertLoop.layer(optionsIn(path))), Effect.never))
    )
    for (let at = 0; at < minutes * 2; at++) {
      // File operations are real: the loop must come to its sleep before the clock moves on.
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 15)))
      yield* TestClock.adjust("30 seconds")
    }
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 30)))
    yield* Fiber.interrupt(running)
  }).pipe(Effect.provide(ports(world)))

const world = (): World => ({ conditions: [blocked], failing: "no", got: [] })

describe("the loop of alerts", () => {
  it.effect("tells once across restarts, and the end too", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const state = world()
      yield* live(state, path, 2)
      yield* live(state, path, 2)
      assert.deepStrictEqual(phases(state), ["firing"])
      state.conditions = []
      yield* live(state, path, 4)
      yield* live(state, path, 1)
      assert.deepStrictEqual(phases(state), ["firing", "resolved"])
    }))

  it.effect("delivers later what a sink did not take, also after a restart, under the same id", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const state = world()
      state.failing = "transient"
      yield* live(state, path, 2)
      const waiting = JSON.parse(readFileSync(join(path, "alerts.json"), "utf8")).outbox
      assert.strictEqual(waiting.length, 1)
      assert.isAbove(waiting[0].attempts, 0)
      state.failing = "no"
      yield* live(state, path, 20)
      assert.deepStrictEqual(phases(state), ["firing"])
      assert.strictEqual(state.got[0]?.id, waiting[0].notice.id)
    }))

  it.effect("gives up what is refused for good", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const state = world()
      state.failing = "permanent"
      yield* live(state, path, 1)
      assert.deepStrictEqual(JSON.parse(readFileSync(join(path, "alerts.json"), "utf8")).outbox, [])
      state.failing = "no"
      yield* live(state, path, 2)
      assert.deepStrictEqual(phases(state), [])
    }))

  it.effect("a killed process had written a notice down before it sent it", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const state = world()
      state.failing = "hangs"
      yield* live(state, path, 1)
      state.failing = "no"
      yield* live(state, path, 1)
      assert.deepStrictEqual(phases(state), ["firing"])
    }))

  it.effect("a book that cannot be read does not keep anybody from being told", () =>
    Effect.gen(function*() {
      const path = yield* directory
      writeFileSync(join(path, "alerts.json"), "{\"version\":1,\"open\":[")
      const state = world()
      yield* live(state, path, 1)
      assert.deepStrictEqual(phases(state), ["firing"])
    }))

  it.effect("gives up after the time it was given, and not before", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const state = world()
      state.failing = "transient"
      const options = optionsIn(path)
      let book = emptyBook
      const step = Effect.gen(function*() {
        book = yield* AlertLoop.round(options, book)
      }).pipe(Effect.provide(ports(state)))
      yield* step
      for (let hour = 0; hour < 71; hour++) {
        yield* TestClock.adjust("1 hour")
        yield* step
      }
      assert.strictEqual(book.outbox.length, 1)
      yield* TestClock.adjust("2 hours")
      yield* step
      assert.strictEqual(book.outbox.length, 0)
      assert.isAbove(yield* Clock.currentTimeMillis, options.giveUpMs)
    }))
})
