/**
 * The publisher of the hammer: publishes and anchors one ledger again and again, until the workers are done and
 * everything is published.
 */
import { paceOf } from "@rainlogs/core/anchor/AnchorSchedule"
import * as BucketAnchor from "@rainlogs/core/anchor/BucketAnchor"
import { makeStamper } from "@rainlogs/core/anchor/Stamper"
import * as LedgerEvents from "@rainlogs/core/ledger/LedgerEvents"
import * as Publisher from "@rainlogs/core/ledger/Publisher"
import * as SignerLocal from "@rainlogs/core/ledger/SignerLocal"
import { ObjectStore } from "@rainlogs/core/storage/ObjectStore"
import * as ObjectStoreFileSystem from "@rainlogs/core/storage/ObjectStoreFileSystem"
import { Clock, Effect, Layer, Option } from "effect"
import { appendFileSync, existsSync } from "node:fs"
import { join } from "node:path"
import { finishFile, type HammerProcessOptions, signedFile } from "./HammerOptions.ts"
import * as KillSwitch from "./KillSwitch.ts"

const services = ({ directory }: HammerProcessOptions, at: KillSwitch.AtStep) =>
  Layer.mergeAll(Publisher.layer, LedgerEvents.layer).pipe(
    Layer.provideMerge(
      KillSwitch.signer(at, (note) =>
        appendFileSync(
          join(directory, signedFile),
          `${JSON.stringify(Buffer.from(note).toString("latin1"))}\n`
        )).pipe(Layer.provide(SignerLocal.layer({ directory: join(directory, "signer") })))
    )
  )

/** Publishes until the end of the run. */
export const run = (options: HammerProcessOptions, at: KillSwitch.AtStep) =>
  Effect.gen(function*() {
    const { directory, ledger } = options
    const events = yield* LedgerEvents.LedgerEvents
    const publisher = yield* Publisher.Publisher
    const stamper = makeStamper(yield* ObjectStore, events)
    const anchor = BucketAnchor.make({
      id: "second-bucket",
      stampsPerMinute: 100_000,
      store: yield* ObjectStoreFileSystem.make(join(directory, "second-bucket"))
    })
    const context = { pace: paceOf(7_200_000), oldest: null }

    const stamp = Effect.gen(function*() {
      const head = yield* stamper.head(ledger)
      if (Option.isSome(head)) yield* stamper.stamp(ledger, anchor, head.value, context)
    })

    // Anchored entries are published with the next ones; the last round does without, or there would be no end.
    const round = Effect.gen(function*() {
      const last = options.kill === null && existsSync(join(directory, finishFile))
      yield* events.open(ledger)
      yield* events.heartbeats(ledger, yield* Clock.currentTimeMillis)
      const published = yield* publisher.publish(ledger)
      if (published.outcome === "halted") {
        yield* Effect.logError(published.reason)
        return yield* Effect.sync(() => process.exit(3))
      }
      if (last) return published.outcome === "unchanged"
      yield* stamp
      return false
    }).pipe(
      // The faults that the store was told to have.
      Effect.catchTags({
        StorageError: ({ detail }) => Effect.as(Effect.logDebug(detail), false),
        AnchorError: ({ detail }) => Effect.as(Effect.logDebug(detail), false)
      })
    )
    while (!(yield* round)) yield* Effect.sleep(5)
  }).pipe(Effect.provide(services(options, at)))
