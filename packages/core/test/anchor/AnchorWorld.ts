/**
 * A ledger world with anchors: everything in memory, so that time can be moved.
 */
import { type Anchored, parseAnchored } from "@rainlogs/verify/Anchored"
import { decode } from "@rainlogs/verify/Ascii"
import { type Gap, parseGap } from "@rainlogs/verify/Gap"
import { eventPath } from "@rainlogs/verify/Layout"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { type Anchor, Anchors } from "../../src/anchor/Anchor.ts"
import * as AnchorLoop from "../../src/anchor/AnchorLoop.ts"
import * as PublishLoop from "../../src/ledger/PublishLoop.ts"
import { CircuitBreaker } from "../../src/resilience/CircuitBreaker.ts"
import { RateBudget } from "../../src/resilience/RateBudget.ts"
import { ObjectStore } from "../../src/storage/ObjectStore.ts"
import type { LedgerWorld } from "../ledger/LedgerWorld.ts"
import { ledger } from "../ledger/MemoryLedger.ts"

/** Units in ms. */
export const minute = 60_000
/** An hour in ms. */
export const hour = 60 * minute
/** A day in ms. */
export const day = 24 * hour

// Every port is in memory, but a consistency proof is a promise: time must stand still until all of them are kept.
const settled = Effect.promise(async () => {
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
})

/** Lets `ms` pass in steps of `stepMs`, with everything done that is due in between. */
export const pass = Effect.fnUntraced(function*(ms: number, stepMs = 30_000) {
  yield* settled
  for (let passed = 0; passed < ms; passed += stepMs) {
    yield* TestClock.adjust(Math.min(stepMs, ms - passed))
    yield* settled
  }
})

/** A process that publishes and anchors; `sweepMs` and the world's own store when left out. */
export const anchoring = (
  world: LedgerWorld,
  anchors: ReadonlyArray<Anchor>,
  sweepMs = 30_000,
  objects: ObjectStore["Service"] = world.objects
) =>
  Layer.fresh(AnchorLoop.layer({ sweepMs })).pipe(
    Layer.provideMerge(Layer.fresh(PublishLoop.layer({ sweepMs }))),
    Layer.provideMerge(
      Layer.provideMerge(world.servicesOn(Layer.succeed(ObjectStore, objects)), Layer.fresh(world.signer))
    ),
    Layer.provide(Layer.succeed(Anchors, anchors)),
    Layer.provide(Layer.fresh(Layer.merge(CircuitBreaker.layer, RateBudget.layer)))
  )

/** The `anchored` documents of the ledger, in order. */
export const anchoredOf = (world: LedgerWorld): ReadonlyArray<Anchored> =>
  world.rows.of(ledger.origin).flatMap(({ entry }) =>
    entry.kind === "anchored" ? [parseAnchored(decode(world.file(eventPath(entry.object))!))] : []
  )

/** The gaps of the control chain, in order. */
export const gapsOf = (world: LedgerWorld): ReadonlyArray<Gap> =>
  world.rows.of(ledger.origin).flatMap(({ entry }) =>
    entry.kind === "gap" ? [parseGap(decode(world.file(eventPath(entry.object))!))] : []
  )
