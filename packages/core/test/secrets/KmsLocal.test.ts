import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { CustomerId } from "../../src/domain/Identifier.ts"
import { Kms } from "../../src/secrets/Kms.ts"
import * as KmsLocal from "../../src/secrets/KmsLocal.ts"

const alice = CustomerId.make("01980000-0000-7000-8000-000000000001")
const bob = CustomerId.make("01980000-0000-7000-8000-000000000002")
const aad = Buffer.from("origin\0job\0kek")
const secret = Redacted.make<Uint8Array>(new Uint8Array(randomBytes(32)))

const directory = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "rainlogs-kms-"))),
  (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
)

const open = (file: string, environment: Record<string, string> = {}) =>
  Effect.gen(function*() {
    return yield* Kms
  }).pipe(
    Effect.provide(
      Layer.provide(KmsLocal.layer({ file }), ConfigProvider.layer(ConfigProvider.fromUnknown(environment)))
    )
  )

const refusal = (file: string, environment: Record<string, string> = {}) =>
  Effect.map(Effect.flip(open(file, environment)), (error) => error._tag === "KmsError" ? error.detail : error._tag)

describe("wrapping", () => {
  const kms = KmsLocal.make(Redacted.make<Uint8Array>(new Uint8Array(randomBytes(32))))

  it.effect("unwraps what it wrapped, with a fresh nonce each time", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* kms.wrap(alice, secret, aad), yield* kms.wrap(alice, secret, aad)]
      assert.strictEqual(one.bytes.length, 12 + 32 + 16)
      assert.notDeepEqual(one.bytes, two.bytes)
      assert.deepStrictEqual(Redacted.value(yield* kms.unwrap(alice, one, aad)), Redacted.value(secret))
    }))

  it.effect("a flipped bit, other additional data, a cut and another customer are refused", () =>
    Effect.gen(function*() {
      const wrapped = yield* kms.wrap(alice, secret, aad)
      for (let bit = 0; bit < wrapped.bytes.length * 8; bit++) {
        const bytes = Uint8Array.from(wrapped.bytes)
        bytes[bit >> 3]! ^= 1 << (bit & 7)
        assert.strictEqual((yield* Effect.flip(kms.unwrap(alice, { ...wrapped, bytes }, aad)))._tag, "KmsError")
      }
      yield* Effect.flip(kms.unwrap(alice, wrapped, Buffer.from("origin\0job\0other")))
      yield* Effect.flip(kms.unwrap(alice, { ...wrapped, bytes: wrapped.bytes.subarray(0, 20) }, aad))
      const error = yield* Effect.flip(kms.unwrap(bob, wrapped, aad))
      assert.include(error.detail, "unknown key")
      // Even under the right id the other customer's key does not open it.
      const kek = yield* kms.currentKek(bob)
      assert.notStrictEqual(kek, wrapped.kek)
      yield* Effect.flip(kms.unwrap(bob, { ...wrapped, kek }, aad))
    }))

  it.effect("a key id has 16 hex digits, is stable, and is not taken from the wrapping key", () =>
    Effect.gen(function*() {
      const master = new Uint8Array(32).fill(7)
      const [first, second] = [KmsLocal.make(Redacted.make(master)), KmsLocal.make(Redacted.make(master))]
      const kek = yield* first.currentKek(alice)
      assert.match(kek, /^[0-9a-f]{16}$/)
      assert.strictEqual(kek, yield* second.currentKek(alice))
      assert.strictEqual((yield* first.wrap(alice, secret, aad)).kek, kek)
      assert.deepStrictEqual(
        Redacted.value(yield* second.unwrap(alice, yield* first.wrap(alice, secret, aad), aad)),
        Redacted.value(secret)
      )
    }))
})

describe("the master key file", () => {
  it.effect("is made at the first start, private, and used again", () =>
    Effect.gen(function*() {
      const file = join(yield* directory, "secrets", "master.key")
      const first = yield* open(file)
      assert.strictEqual(fs.statSync(file).size, 32)
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
      assert.deepStrictEqual(fs.readdirSync(join(file, "..")), ["master.key"])
      const wrapped = yield* first.wrap(alice, secret, aad)
      assert.deepStrictEqual(
        Redacted.value(yield* (yield* open(file)).unwrap(alice, wrapped, aad)),
        Redacted.value(secret)
      )
    }))

  it.effect("several first starts at once agree on one key", () =>
    Effect.gen(function*() {
      const file = join(yield* directory, "master.key")
      const all = yield* Effect.all(Array.from({ length: 8 }, () => open(file)), { concurrency: "unbounded" })
      const keks = yield* Effect.forEach(all, (kms) => kms.currentKek(alice))
      assert.strictEqual(new Set(keks).size, 1)
      assert.deepStrictEqual(fs.readdirSync(join(file, "..")), ["master.key"])
    }))

  it.effect("is refused when others can read it, and is not changed", () =>
    Effect.gen(function*() {
      const file = join(yield* directory, "master.key")
      for (const mode of [0o640, 0o604, 0o620, 0o601]) {
        fs.writeFileSync(file, randomBytes(32))
        fs.chmodSync(file, mode)
        const before = fs.readFileSync(file)
        assert.include(yield* refusal(file), mode.toString(8).padStart(4, "0"))
        assert.isTrue(fs.readFileSync(file).equals(before))
      }
    }))

  it.effect("is refused with a wrong length or all zero, and is not replaced", () =>
    Effect.gen(function*() {
      const file = join(yield* directory, "master.key")
      for (
        const [bytes, why] of [[randomBytes(31), "31"], [randomBytes(33), "33"], [Buffer.alloc(0), "not 0"], [
          Buffer.alloc(32),
          "all zero"
        ]] as const
      ) {
        fs.writeFileSync(file, bytes, { mode: 0o600 })
        assert.include(yield* refusal(file), why)
        assert.isTrue(fs.readFileSync(file).equals(bytes))
      }
    }))
})

describe("RAINLOGS_MASTER_KEY", () => {
  const key = randomBytes(32)

  it.effect("is used without making a file", () =>
    Effect.gen(function*() {
      const file = join(yield* directory, "master.key")
      const kms = yield* open(file, { RAINLOGS_MASTER_KEY: key.toString("base64") })
      const same = KmsLocal.make(Redacted.make<Uint8Array>(new Uint8Array(key)))
      assert.strictEqual(yield* kms.currentKek(alice), yield* same.currentKek(alice))
      assert.isFalse(fs.existsSync(file))
    }))

  it.effect("is refused when it is no key, without showing it", () =>
    Effect.gen(function*() {
      const file = join(yield* directory, "master.key")
      for (
        const text of [
          "secret-not-base64!",
          randomBytes(16).toString("base64"),
          Buffer.alloc(32).toString("base64"),
          `${key.toString("base64")}\n`
        ]
      ) {
        const detail = yield* refusal(file, { RAINLOGS_MASTER_KEY: text })
        assert.include(detail, "RAINLOGS_MASTER_KEY")
        assert.notInclude(detail, text.trim())
      }
    }))

  it.effect("is refused when the file holds another key", () =>
    Effect.gen(function*() {
      const file = join(yield* directory, "master.key")
      fs.writeFileSync(file, key, { mode: 0o600 })
      yield* open(file, { RAINLOGS_MASTER_KEY: key.toString("base64") })
      assert.include(
        yield* refusal(file, { RAINLOGS_MASTER_KEY: randomBytes(32).toString("base64") }),
        "different keys"
      )
    }))
})
