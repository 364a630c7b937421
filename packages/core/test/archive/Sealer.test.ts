import { assert, describe, it } from "@effect/vitest"
import * as Hex from "@rainlogs/verify/Hex"
import { RecordsRoot } from "@rainlogs/verify/records/RecordsRoot"
import { Deferred, Effect, Fiber, Redacted, Schema, Stream } from "effect"
import { execFileSync, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { join } from "node:path"
import { Sealer } from "../../src/archive/Sealer.ts"
import { SealError } from "../../src/archive/SealError.ts"
import { decompressFrame, FrameReader } from "../../src/archive/ZstdFrames.ts"
import { emptyObject } from "../../src/domain/LogObject.ts"
import { ChunkedDecryptor } from "../../src/secrets/ChunkedEncryption.ts"
import { dekIdOf, parseKeyRecord, seedContext, wrappingContext } from "../../src/secrets/KeyRecord.ts"
import { ObjectStore } from "../../src/storage/ObjectStore.ts"
import { archive, inPieces, inWorld, kmsOf, open, params, place, seal } from "./SealWorld.ts"

const Text = Schema.String.pipe(Schema.check(Schema.isMaxLength(200)))
const Piece = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 700 })))

/** A line no parse-and-print survives: integers over 2^53, line separators, odd spacing, escapes, CR at the end. */
const lineOf = (text: string, i: number): string =>
  [
    `{"t":176722560000000000${i % 10},"u":${JSON.stringify(text)}}`,
    `{"a" : "\u2028\u2029\\u2028", "n":1.0e+05, "s":${JSON.stringify(text)}}\r`,
    `{"a":1,"a":2,"z":${JSON.stringify(text.repeat(i % 7 * 20))}}`
  ][i % 3]!

const failureOf = (text: string | Buffer, options = {}) =>
  inWorld((directory) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(seal(inPieces(Buffer.from(text), 7))))
      assert.deepStrictEqual(fs.readdirSync(join(directory, "spool")), [], "the spool file is gone")
      assert.instanceOf(error, SealError)
      const { category, code, line, offset } = error
      return { category, code, line, offset, message: error.message }
    }), options)

/** The plaintext of a sealed file by the shortest road: unwrap, decrypt, and nothing of the Opener. */
const decrypted = Effect.fnUntraced(function*(file: string, keyRecord: Uint8Array) {
  const record = parseKeyRecord(keyRecord)
  const aad = wrappingContext(place.origin, place.job, record.kek)
  const key = Redacted.value(yield* kmsOf(7).unwrap(place.customer, { kek: record.kek, bytes: record.wrapped }, aad))
  const decryptor = new ChunkedDecryptor(key, Buffer.from(place.job))
  return Buffer.concat([decryptor.update(fs.readFileSync(file)), decryptor.final()])
})

describe("sealing", () => {
  it.effect.prop(
    "any lines come back byte for byte, however they arrive",
    [Schema.Array(Text), Piece],
    ([texts, piece]) =>
      inWorld(() =>
        Effect.gen(function*() {
          const bytes = Buffer.from(texts.map((text, i) => `${lineOf(text, i)}\n`).join(""))
          const object = yield* archive(bytes, piece)
          assert.isTrue((yield* open(object)).equals(bytes))
          assert.strictEqual(object.records, texts.length)
          assert.strictEqual(object.plainSize, bytes.length)
        }), { frameBytes: 500 }),
    60_000
  )

  it.effect("says the truth about the object, and keeps the wrapped key beside it", () =>
    inWorld(() =>
      Effect.gen(function*() {
        const bytes = Buffer.from("{\"a\":1}\n{\"b\":2}")
        const sealed = yield* seal(inPieces(bytes, 3))
        const { file, keyRecord } = sealed.spooled!
        const stored = fs.readFileSync(file)
        const sha256 = createHash("sha256").update(stored).digest("hex")
        assert.deepStrictEqual({ ...sealed.object }, {
          key: `logs/${place.chain}/2026/01/01/00/${place.job}-${sha256.slice(0, 16)}.ndjson.zst`,
          sha256,
          size: stored.length,
          codec: "zstd",
          encryption: "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM",
          dek: dekIdOf(place.job, sha256),
          records: 2,
          plainSize: bytes.length + 1,
          fidelity: "complete",
          params,
          recordsRoot: sealed.object.recordsRoot
        })
        const { wrapped, wrappedSeed, ...record } = parseKeyRecord(keyRecord)
        assert.deepStrictEqual([wrapped.length, wrappedSeed?.length], [60, 60])
        // The root is that of the very lines, under the seed that only the key record holds.
        const kek = yield* kmsOf(7).currentKek(place.customer)
        const seed = yield* kmsOf(7).unwrap(
          place.customer,
          { kek, bytes: wrappedSeed! },
          seedContext(place.origin, place.job, kek)
        )
        const root = new RecordsRoot(Redacted.value(seed))
        root.addLines(bytes)
        assert.strictEqual(sealed.object.recordsRoot, Hex.encode(root.root()))
        assert.deepStrictEqual(record, {
          origin: place.origin,
          job: place.job,
          dek: sealed.object.dek!,
          kek: yield* kmsOf(7).currentKek(place.customer),
          object: sha256,
          records: 2,
          plainSize: bytes.length + 1,
          params,
          fidelity: "complete",
          codec: "zstd",
          recordsRoot: sealed.object.recordsRoot
        })
      })
    ))

  it.effect("two seals of the same lines share no stored bytes", () =>
    inWorld(() =>
      Effect.gen(function*() {
        const bytes = Buffer.from("{\"a\":1}\n")
        const [one, two] = [yield* seal(inPieces(bytes, 3)), yield* seal(inPieces(bytes, 3))]
        assert.notStrictEqual(one.object.sha256, two.object.sha256)
        assert.notStrictEqual(one.object.dek, two.object.dek)
      })
    ))

  it.effect("the decrypted object is independent zstd frames of whole lines, about the frame size each", () =>
    inWorld(() =>
      Effect.gen(function*() {
        const lines = Array.from({ length: 1000 }, (_, i) =>
          `{"i":${i},"pad":"${"x".repeat(i === 500 ? 20_000 : i % 90)}"}\n`)
        const sealed = yield* seal(inPieces(Buffer.from(lines.join("")), 997))
        const compressed = yield* decrypted(sealed.spooled!.file, sealed.spooled!.keyRecord)
        const reader = new FrameReader(1_000_000)
        const frames = reader.push(compressed).filter(({ contentSize }) =>
          contentSize !== null
        )
        const plain = yield* Effect.forEach(frames, ({ bytes, contentSize }) => decompressFrame(bytes, contentSize!))
        reader.end()
        assert.isAbove(frames.length, 10)
        assert.strictEqual(Buffer.concat(plain).toString(), lines.join(""))
        for (const frame of plain) assert.strictEqual(frame.at(-1), 0x0a)
        const long = plain.filter((frame) => frame.length > 4096)
        assert.deepStrictEqual(long.map(String), [lines[500]!])
        const table = compressed.subarray(compressed.length - 9)
        assert.strictEqual(table.readUInt32LE(0), frames.length)
        assert.strictEqual(table.readUInt32LE(5), 0x8f92eab1)
      }), { frameBytes: 4096 }))

  const zstd = spawnSync("zstd", ["--version"]).status === 0
  const python = spawnSync("python3", ["-c", "import zstandard"]).status === 0
  const tool = zstd ? "zstd -d" : python ? "python zstandard" : "Bun's zstd, one call for all frames"
  it.effect(`an independent decompressor reads the decrypted object as one stream (${tool})`, () =>
    inWorld(() =>
      Effect.gen(function*() {
        const lines = Array.from({ length: 3000 }, (_, i) => `{"i":${i}}\n`).join("")
        const sealed = yield* seal(inPieces(Buffer.from(lines), 997))
        const compressed = yield* decrypted(sealed.spooled!.file, sealed.spooled!.keyRecord)
        const bun = join(import.meta.dirname, "../../../../node_modules/.bin/bun")
        const [command, ...argv]: ReadonlyArray<string> = zstd
          ? ["zstd", "-d", "-c"]
          : python
          ? [
            "python3",
            "-c",
            "import sys,zstandard; zstandard.ZstdDecompressor().copy_stream(sys.stdin.buffer, sys.stdout.buffer, read_across_frames=True)"
          ]
          : [
            bun,
            "-e",
            "const z=require('node:zlib');process.stdout.write(z.zstdDecompressSync(require('node:fs').readFileSync(0)))"
          ]
        assert.strictEqual(execFileSync(command!, argv, { input: compressed, maxBuffer: 1e8 }).toString(), lines)
      }), { frameBytes: 4096 }))

  it.effect("a window without a line is an empty object, and nothing is stored", () =>
    inWorld((directory) =>
      Effect.gen(function*() {
        const sealed = yield* seal(Stream.empty)
        assert.deepStrictEqual(sealed.object, {
          key: null,
          sha256: emptyObject,
          size: 0,
          codec: "identity",
          encryption: "none",
          dek: null,
          records: 0,
          plainSize: 0,
          fidelity: "complete",
          params,
          recordsRoot: null
        })
        assert.isNull(sealed.spooled)
        yield* (yield* Sealer).store(sealed)
        const store = yield* ObjectStore
        assert.strictEqual((yield* Stream.runCollect(store.list(""))).length, 0)
        assert.deepStrictEqual(fs.readdirSync(join(directory, "spool")), [])
        assert.strictEqual((yield* open(sealed.object)).length, 0)
      })
    ))

  it.effect("storing again is fine, and the key is stored before the object", () =>
    inWorld((directory) =>
      Effect.gen(function*() {
        const sealer = yield* Sealer
        const sealed = yield* seal(inPieces(Buffer.from("{}\n"), 3))
        fs.renameSync(sealed.spooled!.file, `${sealed.spooled!.file}.away`)
        const error = yield* Effect.flip(sealer.store(sealed))
        assert.strictEqual(error._tag, "StorageError")
        assert.isTrue(fs.existsSync(join(directory, "archive/keys", sealed.object.dek!)))
        fs.renameSync(`${sealed.spooled!.file}.away`, sealed.spooled!.file)
        assert.strictEqual(yield* sealer.store(sealed), "created")
        assert.strictEqual(yield* sealer.store(sealed), "exists")
      })
    ))
})

describe("refusals", () => {
  it.effect("name the line and the byte, never the content", () =>
    Effect.gen(function*() {
      const good = "{\"a\":1}\n"
      const at = (line: number, offset: number, code: string) => ({ category: "malformed", code, line, offset })
      const cases = [
        [`${good}${good}secret\n${good}`, at(3, 16, "not-json")],
        [`${good}[1]\n`, at(2, 8, "not-object")],
        [`${good}\n${good}`, at(2, 8, "empty-line")],
        ["\n", at(1, 0, "empty-line")],
        [`${good.repeat(100)}{"a":`, at(101, 800, "not-json")],
        [
          Buffer.concat([Buffer.from(good.repeat(50)), Buffer.from([0x7b, 0xff, 0x7d, 0x0a])]),
          at(51, 400, "invalid-utf8")
        ],
        [`${good.repeat(20)}{"a":"${"x".repeat(300)}"}\n`, at(21, 160, "line-too-long")],
        [`${good.repeat(20)}{"a":"${"x".repeat(3000)}"}\n`, at(21, 160, "line-too-long")],
        [`${good}Error streaming data.`, at(2, 8, "not-json")]
      ] as const
      for (const [text, expected] of cases) {
        const { message, ...failure } = yield* failureOf(text, { frameBytes: 128, maxLineBytes: 256 })
        assert.deepStrictEqual(failure, expected)
        assert.include(message, `line ${expected.line} `)
        assert.notInclude(message, "secret")
      }
    }))

  it.effect("an object over the limit is oversize, and nothing is left in the spool", () =>
    Effect.gen(function*() {
      const random = Array.from({ length: 2000 }, (_, i) =>
        `{"a":"${createHash("sha512").update(String(i)).digest("base64")}"}\n`).join("")
      const { category, code } = yield* failureOf(random, { frameBytes: 4096, maxStoredBytes: 50_000 })
      assert.deepStrictEqual({ category, code }, { category: "oversize", code: "object-too-large" })
    }))

  it.effect("the limit is exact", () =>
    Effect.gen(function*() {
      const bytes = inPieces(Buffer.from("{\"a\":1}\n"), 100)
      const size = yield* inWorld(() => Effect.map(seal(bytes), ({ object }) => object.size))
      yield* inWorld(() => seal(bytes), { maxStoredBytes: size })
      const error = yield* Effect.flip(inWorld(() => seal(bytes), { maxStoredBytes: size - 1 }))
      assert.deepInclude({ ...error }, { category: "oversize" })
    }))

  it.effect("an input that fails fails the seal with its own error", () =>
    inWorld((directory) =>
      Effect.gen(function*() {
        const bytes = Stream.concat(inPieces(Buffer.from("{}\n".repeat(10_000)), 100), Stream.fail("truncated"))
        assert.strictEqual(yield* Effect.flip(Effect.scoped(seal(bytes))), "truncated")
        assert.deepStrictEqual(fs.readdirSync(join(directory, "spool")), [])
      }), { frameBytes: 1024 }))
})

describe("resources", () => {
  it.effect("the spool file is private and lives exactly as long as the scope", () =>
    inWorld((directory) =>
      Effect.gen(function*() {
        const file = yield* Effect.scoped(Effect.gen(function*() {
          const sealed = yield* seal(inPieces(Buffer.from("{}\n"), 3))
          assert.strictEqual(fs.statSync(sealed.spooled!.file).mode & 0o777, 0o600)
          return sealed.spooled!.file
        }))
        assert.isFalse(fs.existsSync(file))
        assert.strictEqual(fs.statSync(join(directory, "spool")).mode & 0o777, 0o700)
      })
    ))

  it.effect("an interrupted seal leaves nothing", () =>
    inWorld((directory) =>
      Effect.gen(function*() {
        const begun = yield* Deferred.make<void>()
        const stuck = Stream.concat(
          inPieces(Buffer.from("{\"a\":12345}\n".repeat(2000)), 1000),
          Stream.fromEffect(Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
        )
        const fiber = yield* Effect.forkChild(Effect.scoped(seal(stuck)))
        yield* Deferred.await(begun)
        assert.strictEqual(fs.readdirSync(join(directory, "spool")).length, 1)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(fs.readdirSync(join(directory, "spool")), [])
      }), { frameBytes: 1024 }))

  it.effect(
    "an endless input is pulled no further than a few frames past what is written",
    () =>
      Effect.gen(function*() {
        let pulled = 0
        // Hex of hashes: zstd keeps a little more than half of it.
        const endless = Stream.fromIteratorSucceed(
          (function*() {
            for (;;) {
              pulled++
              yield Buffer.from(`{"a":"${createHash("sha512").update(String(pulled)).digest("hex")}"}\n`)
            }
          })(),
          1
        )
        const limit = 100_000
        const error = yield* Effect.flip(
          inWorld(() => seal(endless), { frameBytes: 1360, framesInFlight: 3, maxStoredBytes: limit })
        )
        assert.deepInclude({ ...error }, { code: "object-too-large" })
        // 64 bytes of a line cannot be compressed; one chunk of 16 KiB waits in the encryption; a frame has 9 lines.
        assert.isAtMost(pulled, (limit + 16_384) / 64 + 9 * (3 + 2))
      }),
    30_000
  )
})
