import { assert, describe, it } from "@effect/vitest"
import * as AdminToken from "@rainlogs/core/secrets/AdminToken"
import { ConfigProvider, Effect, Layer, Option, Redacted } from "effect"

const configured = (env: Record<string, string>) =>
  AdminToken.AdminToken.pipe(
    Effect.provide(AdminToken.AdminToken.layerConfig.pipe(
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env)))
    ))
  )

const token = "0123456789abcdef0123456789abcdef"

describe("AdminToken", () => {
  it.effect("there is none unless it is configured", () =>
    Effect.gen(function*() {
      assert.isTrue(Option.isNone((yield* configured({})).token))
      const found = yield* configured({ RAINLOGS_ADMIN_TOKEN: token })
      assert.strictEqual(Option.map(found.token, Redacted.value).pipe(Option.getOrNull), token)
    }))

  it.effect("a short one stops the start and says how to make a good one, without repeating it", () =>
    Effect.gen(function*() {
      const error = yield* configured({ RAINLOGS_ADMIN_TOKEN: "changeme" }).pipe(Effect.flip)
      assert.strictEqual(error._tag, "AdminTokenTooShort")
      assert.include(error.message, "openssl rand -hex 32")
      assert.notInclude(error.message, "changeme")
      // An empty variable is an unset one: no token, so nothing is open.
      assert.isTrue(Option.isNone((yield* configured({ RAINLOGS_ADMIN_TOKEN: "" })).token))
    }))

  it("only the very token matches", () => {
    const expected = Redacted.make(token)
    assert.isTrue(AdminToken.matches(expected, Redacted.make(token)))
    for (const other of ["", token.slice(1), `${token}0`, token.toUpperCase(), ` ${token}`]) {
      assert.isFalse(AdminToken.matches(expected, Redacted.make(other)), other)
    }
  })
})
