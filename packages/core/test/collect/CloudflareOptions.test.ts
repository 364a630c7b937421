import { assert, describe, it } from "@effect/vitest"
import { cloudflareOptions, isUnprotected } from "@rainlogs/core/collect/CloudflareOptions"
import { ConfigProvider, Effect } from "effect"

describe("settings", () => {
  const read = (values: Record<string, string>) =>
    cloudflareOptions.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(values))))

  it.effect("default to Cloudflare and its limits", () =>
    Effect.gen(function*() {
      const options = yield* read({})
      assert.deepStrictEqual(
        [options.baseUrl, options.zoneRequestsPerMinute, options.userRequestsPerMinute, options.requestsPerFiveMinutes],
        ["https://api.cloudflare.com/client/v4", 15, 180, 1_200]
      )
      const own = yield* read({
        RAINLOGS_CLOUDFLARE_BASE_URL: "http://127.0.0.1:8787/client/v4/",
        RAINLOGS_CLOUDFLARE_IDLE_TIMEOUT_MS: "500"
      })
      assert.deepStrictEqual([own.baseUrl, own.idleTimeoutMs], ["http://127.0.0.1:8787/client/v4", 500])
    }))

  it.effect.each([
    ["RAINLOGS_CLOUDFLARE_BASE_URL", "api.cloudflare.com"],
    ["RAINLOGS_CLOUDFLARE_BASE_URL", "ftp://api.cloudflare.com"],
    ["RAINLOGS_CLOUDFLARE_BASE_URL", "https://me:secret@api.cloudflare.com"],
    ["RAINLOGS_CLOUDFLARE_BASE_URL", "https://api.cloudflare.com/?a=1"],
    ["RAINLOGS_CLOUDFLARE_ZONE_REQUESTS_PER_MINUTE", "0"],
    ["RAINLOGS_CLOUDFLARE_GRAPHQL_REQUESTS_PER_5_MINUTES", "0"],
    ["RAINLOGS_CLOUDFLARE_GRAPHQL_RATE_LIMIT", "none"],
    ["RAINLOGS_CLOUDFLARE_IDLE_TIMEOUT_MS", "soon"]
  ])("refuse %s=%s", ([name, value]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(read({ [name ?? ""]: value ?? "" }))
      assert.strictEqual(error._tag, "ConfigError")
    }))

  it("know where a token would travel in the clear", () => {
    const unprotected = [
      "http://api.example",
      "http://127.0.0.1:1",
      "http://localhost/x",
      "http://[::1]:9",
      "https://api.example",
      "http://127.evil.example"
    ]
    assert.deepStrictEqual(unprotected.filter(isUnprotected), ["http://api.example", "http://127.evil.example"])
  })
})
