import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Stream } from "effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { ObjectAdoption } from "../../src/archive/ObjectAdoption.ts"
import { Opener } from "../../src/archive/Opener.ts"
import { CustomerId, JobId } from "../../src/domain/Identifier.ts"
import { keyRecordKey, parseKeyRecord, printKeyRecord } from "../../src/secrets/KeyRecord.ts"
import { Kms } from "../../src/secrets/Kms.ts"
import { ObjectStore, StorageError } from "../../src/storage/ObjectStore.ts"
import { archive, inWorld, kmsOf, place } from "./SealWorld.ts"

const plain = Buffer.from(Array.from({ length: 100 }, (_, i) => `{"i":${i}}\n`).join(""))

const find = Effect.flatMap(ObjectAdoption, (adoption) => adoption.find(place))

const overwrite = (directory: string, key: string, bytes: Uint8Array): void => {
  const path = join(directory, "archive", key)
  fs.chmodSync(path, 0o600)
  fs.writeFileSync(path, bytes)
}

describe("adoption", () => {
  it.effect("a whole orphan is adopted as the very object that was sealed", () =>
    inWorld(() =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* find, Option.none())
        const object = yield* archive(plain)
        assert.deepStrictEqual(yield* find, Option.some(object))
      })
    ))

  it.effect("other jobs, hours and zones are not looked at", () =>
    inWorld(() =>
      Effect.gen(function*() {
        yield* archive(plain)
        const adoption = yield* ObjectAdoption
        const elsewhere = [
          { ...place, job: JobId.make("01980000-0000-7000-8000-0000000000ff") },
          { ...place, window: { from: place.window.from + 3_600_000, to: place.window.to + 3_600_000 } }
        ]
        for (const input of elsewhere) assert.deepStrictEqual(yield* adoption.find(input), Option.none())
      })
    ))

  it.effect(
    "an object changed in any way is left alone and not adopted",
    () =>
      inWorld((directory) =>
        Effect.gen(function*() {
          const object = yield* archive(plain)
          const stored = fs.readFileSync(join(directory, "archive", object.key!))
          const changed = [
            stored.subarray(0, -1),
            Buffer.concat([stored, Buffer.alloc(1)]),
            Buffer.alloc(0),
            ...Array.from({ length: stored.length }, (_, i) => stored.map((byte, at) => at === i ? byte ^ 1 : byte))
          ]
          for (const bytes of changed) {
            overwrite(directory, object.key!, bytes)
            assert.deepStrictEqual(yield* find, Option.none())
            assert.strictEqual(fs.readFileSync(join(directory, "archive", object.key!)).length, bytes.length)
          }
          overwrite(directory, object.key!, stored)
          assert.deepStrictEqual(yield* find, Option.some(object))
        })
      ),
    60_000
  )

  it.effect("a whole object under another hash's name is not adopted", () =>
    inWorld((directory) =>
      Effect.gen(function*() {
        const { key } = yield* archive(plain)
        const path = join(directory, "archive", key!)
        fs.renameSync(path, path.replace(/-[0-9a-f]{16}\.ndjson/, "-0000000000000000.ndjson"))
        assert.deepStrictEqual(yield* find, Option.none())
      })
    ))

  it.effect("without its key, with another's key, or with a record that says other numbers it is not adopted", () =>
    inWorld((directory) =>
      Effect.gen(function*() {
        const object = yield* archive(plain)
        const key = keyRecordKey(object.dek!)
        const stored = fs.readFileSync(join(directory, "archive", key))
        const record = parseKeyRecord(stored)
        const wrongs = [
          printKeyRecord({ ...record, records: 99 }),
          printKeyRecord({ ...record, plainSize: plain.length + 1 }),
          printKeyRecord({ ...record, codec: "identity" }),
          printKeyRecord({ ...record, origin: record.origin.replace("archive", "other") }),
          printKeyRecord({ ...record, kek: "0000000000000000" }),
          printKeyRecord({ ...record, wrapped: record.wrapped.map((byte) => byte ^ 1) }),
          Buffer.from("rainlogs-key/v1\n")
        ]
        for (const wrong of wrongs) {
          overwrite(directory, key, wrong)
          assert.deepStrictEqual(yield* find, Option.none(), wrong.toString())
        }
        yield* (yield* ObjectStore).remove(key)
        assert.deepStrictEqual(yield* find, Option.none())
        overwriteNew(directory, key, stored)
        assert.deepStrictEqual(yield* find, Option.some(object))
      })
    ))

  it.effect("a whole orphan is found behind a broken one", () =>
    inWorld((directory) =>
      Effect.gen(function*() {
        const objects = [yield* archive(plain), yield* archive(plain)].sort((left, right) =>
          left.key! < right.key! ? -1 : 1
        )
        overwrite(directory, objects[0]!.key!, Buffer.from("broken"))
        assert.deepStrictEqual(yield* find, Option.some(objects[1]))
      })
    ))

  it.effect("another customer cannot adopt it", () =>
    inWorld(() =>
      Effect.gen(function*() {
        yield* archive(plain)
        const adoption = yield* ObjectAdoption
        const customer = CustomerId.make("01980000-0000-7000-8000-0000000000ff")
        assert.deepStrictEqual(yield* adoption.find({ ...place, customer }), Option.none())
        const stranger = ObjectAdoption.layer.pipe(
          Layer.provide(Opener.layer()),
          Layer.provide(Layer.succeed(Kms, kmsOf(8)))
        )
        assert.deepStrictEqual(yield* Effect.provide(find, stranger, { local: true }), Option.none())
      })
    ))

  it.effect("a store that cannot be read now is an error, not a missing orphan", () =>
    inWorld(() =>
      Effect.gen(function*() {
        yield* archive(plain)
        const store = yield* ObjectStore
        const down = new StorageError({ operation: "get", key: "x", category: "transient", detail: "EIO" })
        const failing = Layer.succeed(ObjectStore, { ...store, get: () => Stream.fail(down) })
        const live = ObjectAdoption.layer.pipe(Layer.provide(Opener.layer()), Layer.provide(failing))
        assert.strictEqual(yield* Effect.flip(Effect.provide(find, live, { local: true })), down)
      })
    ))
})

const overwriteNew = (directory: string, key: string, bytes: Uint8Array): void =>
  fs.writeFileSync(join(directory, "archive", key), bytes, { mode: 0o440 })
