import { assert, describe, it } from "@effect/vitest"
import * as ApiKey from "@rainlogs/core/secrets/ApiKey"
import { Effect, Option, Redacted } from "effect"
import { createHash } from "node:crypto"

const textOf = (key: ApiKey.ApiKey) => Redacted.value(ApiKey.format(key))

describe("ApiKey", () => {
  it.effect("a new key reads back as itself and matches what is stored of it", () =>
    Effect.gen(function*() {
      const key = yield* ApiKey.make
      const text = textOf(key)
      assert.match(text, /^rl_[0-9a-f]{16}_[0-9a-f]{64}$/)
      const read = Option.getOrThrow(ApiKey.parse(Redacted.make(text)))
      assert.strictEqual(textOf(read), text)
      const stored = ApiKey.toStored(read)
      assert.strictEqual(stored.prefix, text.slice(3, 19))
      assert.strictEqual(stored.sha256, createHash("sha256").update(text.slice(20)).digest("hex"))
      assert.isTrue(ApiKey.matches(read, Option.some(stored.sha256)))
    }))

  it.effect("keys do not repeat", () =>
    Effect.gen(function*() {
      const keys = yield* Effect.replicateEffect(ApiKey.make, 1000)
      assert.strictEqual(new Set(keys.map(({ prefix }) => prefix)).size, 1000)
      assert.strictEqual(new Set(keys.map(({ secret }) => Redacted.value(secret))).size, 1000)
    }))

  it.effect("a key with any one character changed is malformed, another prefix, or does not match", () =>
    Effect.gen(function*() {
      const key = yield* ApiKey.make
      const text = textOf(key)
      const { sha256 } = ApiKey.toStored(key)
      for (let index = 0; index < text.length; index++) {
        for (const character of ["0", "f", "F", "_", " ", "\n", "\u0660"]) {
          const changed = text.slice(0, index) + character + text.slice(index + 1)
          if (changed === text) continue
          const accepted = Option.exists(
            ApiKey.parse(Redacted.make(changed)),
            (read) => read.prefix === key.prefix && ApiKey.matches(read, Option.some(sha256))
          )
          assert.isFalse(accepted, JSON.stringify(changed))
        }
      }
      for (const changed of [`${text}\n`, ` ${text}`, text.slice(1), `${text}0`, ""]) {
        assert.isTrue(Option.isNone(ApiKey.parse(Redacted.make(changed))))
      }
    }))

  it.effect("nothing matches an unknown prefix or a stored hash that is not one", () =>
    Effect.gen(function*() {
      const key = yield* ApiKey.make
      assert.isFalse(ApiKey.matches(key, Option.none()))
      for (const stored of ["", "00", "0".repeat(64), "not hexadecimal", ApiKey.toStored(key).sha256.slice(2)]) {
        assert.isFalse(ApiKey.matches(key, Option.some(stored)), stored)
      }
    }))

  it.effect("a key prints without its secret", () =>
    Effect.gen(function*() {
      const key = yield* ApiKey.make
      const secret = Redacted.value(key.secret)
      for (const text of [JSON.stringify(key), String(key.secret), String(ApiKey.format(key)), `${key}`]) {
        assert.notInclude(text, secret)
      }
    }))
})
