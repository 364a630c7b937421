import { assert, describe, it } from "@effect/vitest"
import { gunzip } from "@rainlogs/core/collect/Gunzip"
import { Effect, Fiber, Result, Schema, Stream } from "effect"
import { gzipSync } from "node:zlib"

/** Text that compresses about as logs do. */
const lines = (count: number): Uint8Array =>
  new TextEncoder().encode(
    Array.from({ length: count }, (_, i) => `{"RayID":"${(i * 2_654_435_761) % 4_294_967_296}","n":${i}}\n`).join("")
  )

const concatenated = (parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))

const decompressed = (pieces: ReadonlyArray<Uint8Array>) =>
  Effect.map(Stream.runCollect(gunzip(Stream.fromArray([...pieces]))), concatenated)

/** Cuts `bytes` at the given places (taken modulo the length). */
const cutAt = (bytes: Uint8Array, places: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end))
}

const codeOf = (pieces: ReadonlyArray<Uint8Array>) =>
  Effect.map(Effect.flip(decompressed(pieces)), (error) => error.code)

describe("gunzip", () => {
  const Places = Schema.Array(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))))

  it.effect.prop(
    "gives back what was compressed, however the bytes are cut",
    [Schema.Uint8Array, Places],
    ([bytes, places]) =>
      Effect.gen(function*() {
        const out = yield* decompressed(cutAt(new Uint8Array(gzipSync(bytes)), places))
        assert.deepStrictEqual(Buffer.from(out), Buffer.from(bytes))
      })
  )

  it.effect("reads several members one after the other (RFC 1952 §2.2)", () =>
    Effect.gen(function*() {
      const all = lines(1_000)
      const members = [gzipSync(all.subarray(0, 5_000)), gzipSync(all.subarray(5_000))]
      assert.deepStrictEqual(yield* decompressed(members), all)
      assert.deepStrictEqual(yield* decompressed([Buffer.concat(members)]), all)
    }))

  it.effect("fails at every place it can be cut", () =>
    Effect.gen(function*() {
      const whole = new Uint8Array(gzipSync(lines(20)))
      for (let end = 0; end < whole.length; end++) {
        assert.strictEqual(
          yield* codeOf([whole.subarray(0, end)]),
          "truncated-gzip",
          `cut at ${end} of ${whole.length}`
        )
      }
    }))

  it.effect("a flipped bit never changes what comes out unnoticed", () =>
    Effect.gen(function*() {
      const original = lines(20)
      const whole = new Uint8Array(gzipSync(original))
      let harmless = 0
      for (let at = 0; at < whole.length; at++) {
        for (let bit = 0; bit < 8; bit++) {
          const damaged = whole.slice()
          damaged[at]! ^= 1 << bit
          const result = yield* Effect.result(decompressed([damaged]))
          if (Result.isFailure(result)) assert.strictEqual(result.failure.category, "malformed")
          else {
            assert.deepStrictEqual(Buffer.from(result.success), Buffer.from(original), `bit ${bit} of byte ${at}`)
            harmless++
          }
        }
      }
      // The header's time and system bytes, and the unused bits of the last deflate byte.
      assert.isBelow(harmless, 80)
    }))

  it.effect("fails when anything follows the end, zero bytes too", () =>
    Effect.gen(function*() {
      const whole = new Uint8Array(gzipSync(lines(500)))
      for (const tail of [[0], [0, 0, 0, 0, 0, 0, 0, 0], [10], [0x1f], [0x1f, 0x8b], [0x7b, 0x7d]]) {
        yield* Effect.flip(decompressed([whole, new Uint8Array(tail)]))
        yield* Effect.flip(decompressed([Buffer.concat([whole, new Uint8Array(tail)])]))
      }
    }))

  it.effect("comes out in pieces: a bomb does not fill the memory", () =>
    Effect.gen(function*() {
      const bomb = new Uint8Array(gzipSync(new Uint8Array(64 * 1024 * 1024)))
      let largest = 0
      let total = 0
      yield* Stream.runForEachArray(gunzip(Stream.make(bomb)), (pieces) =>
        Effect.sync(() => {
          const size = pieces.reduce((sum, piece) => sum + piece.length, 0)
          largest = Math.max(largest, size)
          total += size
        }))
      assert.strictEqual(total, 64 * 1024 * 1024)
      assert.isAtMost(largest, 4 * 1024 * 1024)
    }))

  it.live("can be interrupted while it waits", () =>
    Effect.gen(function*() {
      const whole = new Uint8Array(gzipSync(lines(500)))
      const stream = gunzip(Stream.concat(Stream.make(whole.subarray(0, 100)), Stream.never))
      const fiber = yield* Effect.forkChild(Stream.runDrain(stream))
      yield* Effect.sleep(20)
      yield* Fiber.interrupt(fiber)
    }))
})
