import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { randomBytes } from "node:crypto"
import * as zlib from "node:zlib"
import { framesOf, parseSeekTable, SeekTableWriter, tableBytes } from "../../src/archive/SeekTable.ts"
import {
  compressFrame,
  decompressFrame,
  FrameReader,
  skippableFrame,
  ZstdMalformed
} from "../../src/archive/ZstdFrames.ts"

const Length = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 300_000 })))
const Piece = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000 })))

const contentOf = (length: number): Buffer =>
  Buffer.concat([Buffer.alloc(length >> 1, "abcdefgh"), randomBytes(length - (length >> 1))])

const read = (bytes: Uint8Array, piece: number, maxFrameBytes = 1_000_000) => {
  const reader = new FrameReader(maxFrameBytes)
  const frames = []
  for (let at = 0; at < bytes.length; at += piece) frames.push(...reader.push(bytes.subarray(at, at + piece)))
  reader.end()
  return frames
}

describe("FrameReader", () => {
  it.effect.prop(
    "finds every frame, however the bytes arrive",
    [Schema.Array(Length), Piece],
    ([lengths, piece]) =>
      Effect.gen(function*() {
        const contents = lengths.slice(0, 6).map(contentOf)
        const frames = yield* Effect.forEach(contents, compressFrame)
        const found = read(Buffer.concat([...frames, skippableFrame(3, Buffer.from("note"))]), piece)
        assert.deepStrictEqual(found.map(({ contentSize }) => contentSize), [
          ...contents.map(({ length }) => length),
          null
        ])
        for (const [i, frame] of frames.entries()) {
          assert.isTrue(found[i]!.bytes.equals(frame))
          assert.isTrue((yield* decompressFrame(found[i]!.bytes, contents[i]!.length)).equals(contents[i]!))
        }
      })
  )

  it("reads frames of every shape: checksum, run-length blocks, one byte of size", () => {
    const shapes = [
      zlib.zstdCompressSync(Buffer.alloc(200_000), {
        pledgedSrcSize: 200_000,
        params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 }
      }),
      zlib.zstdCompressSync(Buffer.from("x"), { pledgedSrcSize: 1 }),
      zlib.zstdCompressSync(randomBytes(200_000), {
        pledgedSrcSize: 200_000,
        params: { [zlib.constants.ZSTD_c_compressionLevel]: 19 }
      })
    ]
    const found = read(Buffer.concat(shapes), 777)
    assert.deepStrictEqual(found.map(({ bytes }) => bytes.length), shapes.map(({ length }) => length))
    assert.deepStrictEqual(found.map(({ contentSize }) => contentSize), [200_000, 1, 200_000])
  })

  it.effect("refuses cuts, foreign bytes and frames over the limit", () =>
    Effect.gen(function*() {
      const frame = yield* compressFrame(contentOf(10_000))
      for (let length = 1; length < frame.length; length += 97) {
        assert.throws(() => read(frame.subarray(0, length), 50), ZstdMalformed)
      }
      assert.throws(() => read(Buffer.concat([frame, Buffer.from("trailing bytes")]), 50), ZstdMalformed)
      assert.throws(() => read(frame, 50, 9_999), ZstdMalformed)
      assert.throws(() => read(zlib.gzipSync("x"), 50), ZstdMalformed)
      // A frame header that announces little and blocks that never end.
      const endless = Buffer.concat([frame.subarray(0, 7), Buffer.alloc(8_000_000, Buffer.from([0, 0, 0x08]))])
      assert.throws(() => read(endless, 65_536, 100_000), ZstdMalformed)
      const hugeSkip = skippableFrame(0, Buffer.alloc(0))
      hugeSkip.writeUInt32LE(0xffffffff, 4)
      assert.throws(() => read(hugeSkip, 50), ZstdMalformed)
    }))
})

describe("decompressFrame", () => {
  it.effect("gives out no more than it was asked for", () =>
    Effect.gen(function*() {
      const bomb = yield* compressFrame(Buffer.alloc(50_000_000))
      assert.instanceOf(yield* Effect.flip(decompressFrame(bomb, 1_000_000)), ZstdMalformed)
      const frame = yield* compressFrame(Buffer.from("hello"))
      frame[frame.length - 1]! ^= 0xff
      frame[8]! ^= 0xff
      assert.instanceOf(yield* Effect.flip(decompressFrame(frame.subarray(0, -1), 5)), ZstdMalformed)
    }))
})

const Sizes = Schema.Array(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100 }))))
const Place = Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 0.999 })))

describe("the seek table", () => {
  it.prop("reads what it prints and finds the frames of any range", [Sizes, Place, Place], ([sizes, a, b]) => {
    const entries = sizes.map((plain, i) => ({ compressed: i + 10, plain }))
    const writer = new SeekTableWriter()
    for (const entry of entries) writer.add(entry)
    const table = writer.print()
    assert.strictEqual(tableBytes(table.subarray(-9)), table.length)
    assert.deepStrictEqual(parseSeekTable(table), entries)
    assert.deepStrictEqual(read(table, 5).map(({ contentSize }) => contentSize), [null])

    // Every plaintext byte tagged with its frame: the plain way to say which frames a range needs.
    const owners = entries.flatMap(({ plain }, i) => Array.from({ length: plain }, () => i))
    assert.isUndefined(framesOf(entries, 0, owners.length + 1))
    if (owners.length === 0) return
    const [from, last] = [Math.floor(a * owners.length), Math.floor(b * owners.length)].sort((left, right) =>
      left - right
    )
    const range = framesOf(entries, from!, last! + 1)!
    const start = (frame: number) => entries.slice(0, frame).reduce((sum, { compressed }) => sum + compressed, 0)
    assert.strictEqual(range.from, start(owners[from!]!))
    assert.strictEqual(range.to, start(owners[last!]! + 1))
    assert.strictEqual(range.skip, from! - owners.indexOf(owners[from!]!))
  })

  it("refuses what is no table", () => {
    const writer = new SeekTableWriter()
    writer.add({ compressed: 1, plain: 2 })
    const table = writer.print()
    for (
      const changed of [
        table.subarray(1),
        table.subarray(0, -1),
        Buffer.concat([table, Buffer.alloc(1)]),
        Buffer.alloc(17)
      ]
    ) {
      assert.throws(() => parseSeekTable(changed), ZstdMalformed)
    }
    for (const at of [0, 1, 4, table.length - 5, table.length - 1]) {
      const changed = Buffer.from(table)
      changed[at]! ^= 0x40
      assert.throws(() => parseSeekTable(changed), ZstdMalformed)
    }
  })
})
