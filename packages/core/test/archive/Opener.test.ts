import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { join } from "node:path"
import { zstdCompressSync } from "node:zlib"
import { Opener } from "../../src/archive/Opener.ts"
import { CustomerId, JobId, Sha256Hex } from "../../src/domain/Identifier.ts"
import type { LogObject } from "../../src/domain/LogObject.ts"
import { dekIdOf, keyRecordKey, parseKeyRecord, printKeyRecord } from "../../src/secrets/KeyRecord.ts"
import { Kms } from "../../src/secrets/Kms.ts"
import { ObjectStore } from "../../src/storage/ObjectStore.ts"
import { archive, collect, inWorld, kmsOf, open, place } from "./SealWorld.ts"

const lines = Array.from(
  { length: 400 },
  (_, i) => `{"i":${i},"t":1767225600000000001,"u":"/é/${"x".repeat(i % 50)}"}\n`
)
const plain = Buffer.from(lines.join(""))

/** Opens the object and gives the code of its failure. */
const refusal = (object: LogObject) =>
  Effect.map(Effect.flip(open(object)), (error) => error._tag === "OpenError" ? error.code : error._tag)

/** Writes other bytes to a stored file, as a bad disk or a bad hand would. */
const overwrite = (directory: string, key: string, bytes: Uint8Array): void => {
  const path = join(directory, "archive", key)
  fs.chmodSync(path, 0o600)
  fs.writeFileSync(path, bytes)
}

describe("opening", () => {
  it.effect(
    "a single flipped bit anywhere in a stored object is refused",
    () =>
      inWorld((directory) =>
        Effect.gen(function*() {
          const object = yield* archive(Buffer.from(lines.slice(0, 3).join("")))
          const stored = fs.readFileSync(join(directory, "archive", object.key!))
          assert.isAbove(stored.length, 100)
          for (let bit = 0; bit < stored.length * 8; bit++) {
            const changed = Buffer.from(stored)
            changed[bit >> 3]! ^= 1 << (bit & 7)
            overwrite(directory, object.key!, changed)
            // The last chunk is only opened at the end, and there the SHA-256 is compared first.
            assert.include(["not-authentic", "hash-mismatch"], yield* refusal(object), `bit ${bit}`)
          }
          overwrite(directory, object.key!, stored)
          assert.strictEqual((yield* open(object)).toString(), lines.slice(0, 3).join(""))
        })
      ),
    60_000
  )

  it.effect("a cut or lengthened object is refused, at any length", () =>
    inWorld((directory) =>
      Effect.gen(function*() {
        const object = yield* archive(plain)
        const stored = fs.readFileSync(join(directory, "archive", object.key!))
        for (const length of [0, 1, 55, 56, 72, 1000, stored.length - 16, stored.length - 1]) {
          overwrite(directory, object.key!, stored.subarray(0, length))
          assert.include(["not-authentic", "size-mismatch"], yield* refusal(object), `${length} bytes`)
        }
        overwrite(directory, object.key!, Buffer.concat([stored, Buffer.alloc(1)]))
        assert.include(["not-authentic", "size-mismatch"], yield* refusal(object))
      }), { frameBytes: 2000 }))

  it.effect(
    "a flipped bit anywhere in the key record is refused, or changes nothing the object depends on",
    () =>
      inWorld((directory) =>
        Effect.gen(function*() {
          const object = yield* archive(Buffer.from("{}\n"))
          const key = keyRecordKey(object.dek!)
          const stored = fs.readFileSync(join(directory, "archive", key))
          let refused = 0
          for (let bit = 0; bit < stored.length * 8; bit++) {
            const changed = Buffer.from(stored)
            changed[bit >> 3]! ^= 1 << (bit & 7)
            overwrite(directory, key, changed)
            const outcome = yield* Effect.result(open(object))
            if (outcome._tag === "Failure") refused++
            else assert.strictEqual(outcome.success.toString(), "{}\n")
          }
          assert.isAbove(refused, stored.length * 8 - 100 * 8)
        })
      ),
    60_000
  )

  it.effect("what the ledger says must be what the object is", () =>
    inWorld(() =>
      Effect.gen(function*() {
        const object = yield* archive(plain)
        assert.isTrue((yield* open(object)).equals(plain))
        assert.strictEqual(yield* refusal({ ...object, records: object.records + 1 }), "records-mismatch")
        assert.strictEqual(yield* refusal({ ...object, records: object.records - 1 }), "records-mismatch")
        assert.strictEqual(yield* refusal({ ...object, plainSize: object.plainSize + 1 }), "size-mismatch")
        assert.strictEqual(yield* refusal({ ...object, plainSize: object.plainSize - 1 }), "size-mismatch")
        assert.strictEqual(yield* refusal({ ...object, size: object.size + 1 }), "size-mismatch")
        assert.strictEqual(yield* refusal({ ...object, codec: "identity" }), "key-record-mismatch")
        assert.strictEqual(yield* refusal({ ...object, codec: "gzip" }), "unsupported-codec")
        const sha256 = Sha256Hex.make("ab".repeat(32))
        assert.strictEqual(yield* refusal({ ...object, sha256 }), "key-record-mismatch")
        assert.strictEqual(yield* refusal({ ...object, sha256, dek: dekIdOf(place.job, sha256) }), "key-missing")
      }), { frameBytes: 2000 }))

  it.effect("an erased key makes the object unreadable, and says so", () =>
    inWorld(() =>
      Effect.gen(function*() {
        const object = yield* archive(plain)
        yield* (yield* ObjectStore).remove(keyRecordKey(object.dek!))
        assert.strictEqual(yield* refusal(object), "key-missing")
        const error = yield* Effect.flip(collect((yield* Opener).openRange({ ...place, object }, { from: 0, to: 1 })))
        assert.deepInclude({ ...error }, { _tag: "OpenError", code: "key-missing" })
      })
    ))

  it.effect("a missing object is ObjectMissing", () =>
    inWorld(() =>
      Effect.gen(function*() {
        const object = yield* archive(plain)
        yield* (yield* ObjectStore).remove(object.key!)
        assert.strictEqual(yield* refusal(object), "ObjectMissing")
      })
    ))

  it.effect("another customer, job, origin or master key does not open it", () =>
    inWorld(() =>
      Effect.gen(function*() {
        const object = yield* archive(plain)
        const opener = yield* Opener
        const other = "01980000-0000-7000-8000-0000000000ff"
        const targets = [
          { ...place, object, customer: CustomerId.make(other) },
          { ...place, object, job: JobId.make(other) },
          { ...place, object, origin: `archive.example.eu/t/${other}` }
        ]
        const outcomes = yield* Effect.forEach(targets, (target) => Effect.flip(collect(opener.open(target))))
        assert.deepStrictEqual(outcomes.map(({ _tag }) => _tag), ["KmsError", "OpenError", "OpenError"])
        const stranger = Opener.layer().pipe(Layer.provide(Layer.succeed(Kms, kmsOf(8))))
        assert.strictEqual((yield* Effect.flip(Effect.provide(open(object), stranger)))._tag, "KmsError")
      })
    ))

  it.effect("a key record rewritten for another job does not unwrap", () =>
    inWorld((directory) =>
      Effect.gen(function*() {
        const object = yield* archive(plain)
        const stolen = parseKeyRecord(fs.readFileSync(join(directory, "archive", keyRecordKey(object.dek!))))
        const job = JobId.make("01980000-0000-7000-8000-0000000000ff")
        const dek = dekIdOf(job, object.sha256)
        yield* (yield* ObjectStore).putBytes(keyRecordKey(dek), printKeyRecord({ ...stolen, job, dek }))
        const target = { ...place, job, object: { ...object, dek } }
        assert.strictEqual((yield* Effect.flip(collect((yield* Opener).open(target))))._tag, "KmsError")
      })
    ))

  it.effect("an object without encryption is read, and its SHA-256 alone guards it", () =>
    inWorld((directory) =>
      Effect.gen(function*() {
        const store = yield* ObjectStore
        const frames = Buffer.concat([
          zstdCompressSync(lines[0]!, { pledgedSrcSize: Buffer.byteLength(lines[0]!) }),
          zstdCompressSync("{}\n", { pledgedSrcSize: 3 })
        ])
        for (const [codec, bytes] of [["identity", Buffer.from(`${lines[0]}{}\n`)], ["zstd", frames]] as const) {
          const object: LogObject = {
            key: `logs/plain-${codec}`,
            sha256: Sha256Hex.make(createHash("sha256").update(bytes).digest("hex")),
            size: bytes.length,
            codec,
            encryption: "none",
            dek: null,
            records: 2,
            plainSize: Buffer.byteLength(lines[0]!) + 3,
            fidelity: "complete",
            params: null,
            recordsRoot: null
          }
          yield* store.putBytes(object.key!, bytes)
          assert.strictEqual((yield* open(object)).toString(), `${lines[0]}{}\n`)
          overwrite(directory, object.key!, bytes.map((byte, at) => at === bytes.length - 2 ? byte ^ 1 : byte))
          assert.include(["hash-mismatch", "not-zstd"], yield* refusal(object))
          if (codec === "identity") assert.strictEqual(yield* refusal(object), "hash-mismatch")
        }
      })
    ))

  it.effect("frames larger than the opener allows are refused before they are decompressed", () =>
    inWorld(() =>
      Effect.gen(function*() {
        const object = yield* archive(plain)
        const strict = Opener.layer({ maxFrameBytes: 1000 })
        const error = yield* Effect.flip(Effect.provide(open(object), strict))
        assert.deepInclude({ ...error }, { code: "not-zstd" })
      }), { frameBytes: 2000 }))
})

describe("ranges", () => {
  it.effect("any range is the same bytes as in the whole", () =>
    inWorld(() =>
      Effect.gen(function*() {
        const bytes = Buffer.from(
          Array.from({ length: 3000 }, (_, i) => `{"i":${i},"r":"${Math.random()}"}\n`).join("")
        )
        const object = yield* archive(bytes)
        const opener = yield* Opener
        const random = Array.from({ length: 12 }, () => Math.floor(Math.random() * bytes.length))
        const cuts = [0, 1, 1999, 2000, 2001, 40_000, bytes.length - 1, bytes.length, ...random]
        for (const from of cuts) {
          for (const to of cuts.filter((cut) => cut > from)) {
            const part = yield* collect(opener.openRange({ ...place, object }, { from, to }))
            assert.isTrue(part.equals(bytes.subarray(from, to)), `[${from}, ${to})`)
          }
        }
      }), { frameBytes: 2000 }))

  it.effect("outside the object is refused", () =>
    inWorld(() =>
      Effect.gen(function*() {
        const object = yield* archive(plain)
        for (const [from, to] of [[0, plain.length + 1], [-1, 5], [5, 5], [9, 5], [0.5, 5]] as const) {
          const error = yield* Effect.flip(collect((yield* Opener).openRange({ ...place, object }, { from, to })))
          assert.deepInclude({ ...error }, { code: "range" })
        }
      })
    ))

  it.effect("a flipped bit in the frames of the range is refused", () =>
    inWorld((directory) =>
      Effect.gen(function*() {
        const object = yield* archive(plain)
        const stored = fs.readFileSync(join(directory, "archive", object.key!))
        stored[60]! ^= 1
        overwrite(directory, object.key!, stored)
        const error = yield* Effect.flip(collect((yield* Opener).openRange({ ...place, object }, { from: 0, to: 10 })))
        assert.deepInclude({ ...error }, { code: "not-authentic" })
      })
    ))

  it.effect("reads only what it needs of a large object", () =>
    inWorld(() =>
      Effect.gen(function*() {
        const hex = Array.from(
          { length: 40_000 },
          () => `{"r":"${Math.random().toString(36)}${Math.random().toString(36)}"}\n`
        )
        const bytes = Buffer.from(hex.join(""))
        const object = yield* archive(bytes)
        const store = yield* ObjectStore
        let read = 0
        const counting = Layer.succeed(ObjectStore, {
          ...store,
          get: (key, range) => Stream.tap(store.get(key, range), (part) => Effect.sync(() => read += part.length))
        })
        const opener = Opener.layer().pipe(Layer.provide(counting))
        const part = yield* Effect.provide(
          Effect.flatMap(
            Opener,
            (opener) => collect(opener.openRange({ ...place, object }, { from: 900_000, to: 900_100 }))
          ),
          opener
        )
        assert.isTrue(part.equals(bytes.subarray(900_000, 900_100)))
        assert.isAbove(object.size, 500_000)
        assert.isAtMost(read, 120_000)
      }), { frameBytes: 32_768 }))
})
