import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { gzipSync } from "node:zlib"
import { SourceId } from "../../src/domain/Identifier.ts"
import type { Window } from "../../src/domain/Window.ts"
import { BatchSpool } from "../../src/receiver/BatchSpool.ts"

const source = SourceId.make("01980000-0000-7000-8000-000000000001")
const other = SourceId.make("01980000-0000-7000-8000-000000000002")
const minute = 60_000
const start = 1_767_225_600_000

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "rainlogs-spool-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A spool as a process has it; `leave` ends it as a kill does, for the files say nothing of an orderly end. */
const started = Effect.fnUntraced(function*(directory: string) {
  const scope = yield* Scope.make()
  const context = yield* Layer.buildWithScope(Layer.fresh(BatchSpool.layer({ directory })), scope)
  return { spool: Context.get(context, BatchSpool), leave: Scope.close(scope, Exit.void) }
})

const line = (id: string) => `{"RayID":"${id}","Empty":""}\n`
const batchOf = (...ids: ReadonlyArray<string>) => Buffer.from(ids.map(line).join(""))
const bodyOf = (bytes: Uint8Array) => Stream.fromIterable([bytes.subarray(0, 5), bytes.subarray(5)])

const idsOf = (text: string) => [...text.matchAll(/"RayID":"([^"]*)"/g)].map(([, id]) => id!)

const collect = Effect.fnUntraced(function*(spool: BatchSpool["Service"], window: Window, of = source) {
  const batches = yield* spool.close(of, window)
  const parts = yield* Effect.forEach(batches, (batch) => Stream.runCollect(spool.content(of, batch)))
  return idsOf(Buffer.concat(parts.flat()).toString())
})

const everything: Window = { from: 0, to: Number.MAX_SAFE_INTEGER }

describe("the spool of batches", () => {
  it.effect("stores a batch once, whoever sends it again and however it is compressed", () =>
    Effect.gen(function*() {
      const { spool } = yield* started(yield* temporary)
      const batch = batchOf("a", "b")
      assert.strictEqual(yield* spool.receive(source, bodyOf(batch)), "stored")
      assert.strictEqual(yield* spool.receive(source, bodyOf(batch)), "repeated")
      assert.strictEqual(yield* spool.receive(source, bodyOf(gzipSync(batch))), "repeated")
      assert.strictEqual(yield* spool.receive(other, bodyOf(gzipSync(batch))), "stored", "another source's is another")
      assert.strictEqual(yield* spool.receive(source, bodyOf(gzipSync("{\"content\":\"tests\"}"))), "destination-check")
      assert.strictEqual(yield* spool.receive(source, Stream.empty), "empty")
      assert.deepStrictEqual(yield* collect(spool, everything), ["a", "b"])
      assert.deepStrictEqual(yield* collect(spool, everything, other), ["a", "b"])
    }))

  it.effect("of many at once with the same content stores one", () =>
    Effect.gen(function*() {
      const { spool } = yield* started(yield* temporary)
      const receipts = yield* Effect.forEach(
        Array.from({ length: 40 }),
        (_, index) => spool.receive(source, bodyOf(batchOf(`${index % 4}`))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(receipts.filter((receipt) => receipt === "stored").length, 4)
      assert.deepStrictEqual((yield* collect(spool, everything)).toSorted(), ["0", "1", "2", "3"])
    }))

  it.live("tells nobody that a batch is stored before it is durable, and stores it once however that ends", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      let outcome: "waits" | "fails" | "works" = "waits"
      const waiting: Array<() => void> = []
      const fsync = async () => {
        if (outcome === "waits") await new Promise<void>((resolve) => waiting.push(resolve))
        if (outcome === "fails") throw Object.assign(new Error("the disk is gone"), { code: "EIO" })
      }
      const context = yield* Layer.build(Layer.fresh(BatchSpool.layer({ directory, fsync })))
      const spool = Context.get(context, BatchSpool)
      const first = yield* Effect.forkChild(Effect.exit(spool.receive(source, bodyOf(batchOf("a")))))
      const second = yield* Effect.forkChild(Effect.exit(spool.receive(source, bodyOf(batchOf("a")))))
      yield* Effect.sleep("300 millis")
      assert.isUndefined(first.pollUnsafe())
      assert.isUndefined(second.pollUnsafe(), "the first one is not durable yet")
      outcome = "fails"
      for (const resume of waiting) resume()
      assert.isTrue(Exit.isFailure(yield* Fiber.join(first)))
      assert.isTrue(Exit.isFailure(yield* Fiber.join(second)))
      outcome = "works"
      assert.strictEqual(yield* spool.receive(source, bodyOf(batchOf("a"))), "repeated")
      assert.deepStrictEqual(yield* collect(spool, everything), ["a"])
    }).pipe(Effect.scoped))

  it.effect("keeps nothing of what was refused or broke off, also not after a restart", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const { spool } = yield* started(directory)
      const cut = Stream.concat(Stream.succeed(batchOf("a")), Stream.fail("gone" as const))
      assert.strictEqual(yield* Effect.flip(spool.receive(source, cut)), "gone")
      yield* Effect.flip(spool.receive(source, bodyOf(gzipSync(batchOf("b")).subarray(0, 20))))
      assert.deepStrictEqual(readdirSync(join(directory, "incoming")), [])
      writeFileSync(join(directory, "incoming", "left-by-a-kill"), "x")
      assert.deepStrictEqual(yield* collect((yield* started(directory)).spool, everything), [])
      assert.deepStrictEqual(readdirSync(join(directory, "incoming")), [])
    }))

  it.effect("puts every batch into one window, also when the clock goes back ten minutes, or a window is closed early", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      yield* TestClock.setTime(start)
      const { spool } = yield* started(directory)
      yield* spool.receive(source, bodyOf(batchOf("a")))
      const first = { from: start, to: start + minute }
      yield* TestClock.setTime(start + 2 * minute)
      assert.deepStrictEqual(yield* collect(spool, first), ["a"])
      yield* TestClock.setTime(start - 8 * minute)
      yield* spool.receive(source, bodyOf(batchOf("b")))
      assert.deepStrictEqual(yield* collect(spool, first), ["a"], "a window that was read is closed")
      const again = yield* started(directory)
      yield* again.spool.receive(source, bodyOf(batchOf("c")))
      assert.deepStrictEqual(yield* collect(again.spool, first), ["a"])
      assert.deepStrictEqual(yield* collect(again.spool, { from: first.to, to: first.to + minute }), ["b", "c"])
    }))

  it.effect("remembers a removed batch for three days, across restarts", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      yield* TestClock.setTime(start)
      const { spool } = yield* started(directory)
      yield* spool.receive(source, bodyOf(batchOf("a")))
      yield* spool.remove(source, yield* spool.batches(source))
      assert.deepStrictEqual(yield* spool.batches(source), [])
      assert.strictEqual(yield* spool.receive(source, bodyOf(batchOf("a"))), "repeated")
      yield* TestClock.setTime(start + 2 * 86_400_000)
      const later = yield* started(directory)
      assert.strictEqual(yield* later.spool.receive(source, bodyOf(batchOf("a"))), "repeated")
      yield* TestClock.setTime(start + 4 * 86_400_000)
      const forgotten = yield* started(directory)
      assert.strictEqual(yield* forgotten.spool.receive(source, bodyOf(batchOf("a"))), "stored")
    }))

  it.effect("recognises the lines of a batch that may not have been confirmed, however they are cut anew", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      yield* TestClock.setTime(start)
      const { leave, spool } = yield* started(directory)
      yield* spool.receive(source, bodyOf(gzipSync(batchOf("a", "b", "c"))))
      yield* leave
      yield* TestClock.setTime(start + 3 * minute)
      const again = yield* started(directory)
      // The sender saw no answer: it sends the same records in other batches, with new ones between.
      yield* again.spool.receive(source, bodyOf(batchOf("a", "x")))
      yield* again.spool.receive(source, bodyOf(gzipSync(batchOf("b", "c", "y"))))
      assert.deepStrictEqual(yield* collect(again.spool, everything), ["a", "b", "c", "x", "y"])
      // A batch of a time when everything was confirmed is compared with nothing.
      assert.deepStrictEqual(yield* collect(again.spool, { from: start, to: start + 1 }), ["a", "b", "c"])
    }))

  it.effect("knows for how long nobody listened, until it is told that the ledger has it", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      yield* TestClock.setTime(start)
      const { leave, spool } = yield* started(directory)
      assert.deepStrictEqual(yield* spool.outages, [])
      yield* spool.receive(source, bodyOf(batchOf("a")))
      yield* TestClock.adjust("2 minutes")
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 100)))
      yield* leave
      yield* TestClock.setTime(start + 60 * minute)
      const again = yield* started(directory)
      const [outage, ...rest] = yield* again.spool.outages
      assert.isDefined(outage)
      assert.deepStrictEqual(rest, [])
      assert.strictEqual(outage.source, source)
      assert.isAtLeast(outage.from, start)
      assert.isAtMost(outage.from, start + 2 * minute)
      assert.strictEqual(outage.to, start + 60 * minute)
      yield* again.leave
      const third = yield* started(directory)
      assert.deepInclude(yield* third.spool.outages, outage, "it is not forgotten by another restart")
      yield* third.spool.declared(outage)
      assert.deepStrictEqual(yield* third.spool.outages, [])
      assert.strictEqual(third.spool.identity, spool.identity)
    }))

  it.effect("does not call a time an outage whose window was read", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      yield* TestClock.setTime(start)
      const { leave, spool } = yield* started(directory)
      yield* spool.receive(source, bodyOf(batchOf("a")))
      assert.deepStrictEqual(yield* collect(spool, { from: start, to: start + 3_000 }), ["a"])
      yield* leave
      yield* TestClock.setTime(start + 60 * minute)
      const again = yield* started(directory)
      assert.deepStrictEqual(yield* again.spool.outages, [{ source, from: start + 3_000, to: start + 60 * minute }])
    }))

  it.live(
    "loses and doubles nothing that it confirmed, killed with -9 in the middle of batches",
    () =>
      Effect.gen(function*() {
        const directory = yield* temporary
        const ids = Array.from({ length: 250 }, (_, index) => `r${index}`)
        let draw = 12345
        const below = (limit: number) => (draw = (draw * 1_103_515_245 + 12_345) % 2_147_483_648) % limit
        const child = () =>
          new Promise<{ readonly port: number; readonly kill: () => Promise<void> }>((resolve, reject) => {
            const running = spawn(process.execPath, [
              join(import.meta.dirname, "ReceiverProcess.ts"),
              directory,
              source
            ], {
              stdio: ["ignore", "pipe", "inherit"]
            })
            running.on("error", reject)
            const gone = new Promise<void>((done) => running.on("exit", () => done()))
            createInterface({ input: running.stdout }).once(
              "line",
              (text) => resolve({ port: Number(text), kill: () => (running.kill("SIGKILL"), gone) })
            )
          })
        const send = async (port: number, batch: ReadonlyArray<string>) => {
          const answer = await fetch(`http://127.0.0.1:${port}/`, {
            method: "POST",
            body: new Uint8Array(gzipSync(batchOf(...batch)))
          })
          return answer.status === 200
        }
        let kills = 0
        yield* Effect.promise(async () => {
          // As Cloudflare does: what was not confirmed is sent again, the same or cut anew.
          let waiting = ids
          while (waiting.length > 0) {
            const { kill, port } = await child()
            const soon = new Promise<void>((resolve) => setTimeout(resolve, 10 + below(60)))
            const sending = (async () => {
              while (waiting.length > 0) {
                const batch = waiting.slice(0, 1 + below(9))
                const confirmed = await send(port, batch).catch(() => false)
                if (!confirmed) return
                waiting = waiting.slice(batch.length)
              }
            })()
            await Promise.race([soon, sending])
            await kill()
            await sending
            kills += 1
          }
        })
        assert.isAbove(kills, 3)
        const { spool } = yield* started(directory)
        assert.deepStrictEqual((yield* collect(spool, everything)).toSorted(), ids.toSorted())
        assert.isTrue(existsSync(join(directory, "state.json")))
        assert.isAbove(yield* Clock.currentTimeMillis, start)
      }),
    120_000
  )
})
