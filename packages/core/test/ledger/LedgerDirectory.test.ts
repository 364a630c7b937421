/**
 * The written ledger as files, verified by the public verifier from the directory alone.
 */
import { assert, it } from "@effect/vitest"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { LedgerEvents } from "../../src/ledger/LedgerEvents.ts"
import { Publisher } from "../../src/ledger/Publisher.ts"
import { Signer } from "../../src/ledger/Signer.ts"
import * as SignerLocal from "../../src/ledger/SignerLocal.ts"
import * as ObjectStoreFileSystem from "../../src/storage/ObjectStoreFileSystem.ts"
import { ledgerWorld } from "./LedgerWorld.ts"
import { ledger } from "./MemoryLedger.ts"

const { origin } = ledger
const hour = 3_600_000
const minute = 60_000

it.effect(
  "a day of windows, heartbeats and an outage, in two processes, is INTEGRITY and COMPLETENESS: PASS",
  () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const archive = yield* Effect.acquireRelease(
        Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "rainlogs-archive-"))),
        (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
      )
      const inProcess = <A, E>(effect: Effect.Effect<A, E, LedgerEvents | Publisher | Signer>) => {
        const services = Layer.provideMerge(
          world.servicesOn(Layer.orDie(ObjectStoreFileSystem.layer(archive))),
          SignerLocal.layer({ directory: world.directory })
        )
        return Effect.provide(effect, services, { local: true })
      }
      const day = (from: number, to: number) =>
        Effect.gen(function*() {
          const events = yield* LedgerEvents
          const publisher = yield* Publisher
          yield* TestClock.setTime(from)
          yield* events.open(ledger)
          for (let now = from; now <= to; now += 5 * minute) {
            yield* TestClock.setTime(now)
            yield* events.heartbeats(ledger, now)
            for (let next = now / minute - 5; next < now / minute; next++) {
              if (next >= 1_000 * 60) world.rows.appendWindow(origin, next, now)
            }
            yield* publisher.publish(ledger)
          }
        })
      yield* inProcess(day(1_000 * hour, 1_012 * hour))
      // Twelve hours without a process; the windows of that time are collected afterwards.
      yield* TestClock.setTime(1_024 * hour + minute)
      const vkey = yield* inProcess(Effect.gen(function*() {
        const events = yield* LedgerEvents
        yield* events.heartbeats(ledger, 1_024 * hour + minute)
        for (let next = 1_012 * 60; next < 1_024 * 60; next++) {
          world.rows.appendWindow(origin, next, 1_024 * hour + minute)
        }
        yield* (yield* Publisher).publish(ledger)
        return (yield* (yield* Signer).keys(origin)).log
      }))
      const reader = yield* Effect.promise(() => openDirectory(archive))
      const report = yield* Effect.promise(() => verifyArchive(reader, { keys: [parseVerifierKey(vkey)] }))
      const shown = JSON.stringify(report.findings)
      assert.strictEqual(report.verdict.integrity, "PASS", shown)
      assert.strictEqual(report.verdict.completeness, "PASS", shown)
      assert.strictEqual(report.counts.heartbeats, 13)
      assert.strictEqual(report.counts.entries, world.rows.of(origin).length)
      assert.deepStrictEqual(report.findings.filter(({ code }) => code === "HEARTBEAT_EXCUSED").length, 1, shown)
    }),
  60_000
)
