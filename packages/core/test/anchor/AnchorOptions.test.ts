import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Redacted } from "effect"
import { anchorOptions } from "../../src/anchor/AnchorOptions.ts"

const settingsOf = (environment: Readonly<Record<string, string>>) =>
  anchorOptions.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment))))

const faultOf = (environment: Readonly<Record<string, string>>) =>
  Effect.map(Effect.flip(settingsOf(environment)), (error) => error.message)

const roots = { RAINLOGS_TSA_ROOTS: "/etc/roots.pem" }
const webhook = { RAINLOGS_ANCHOR_WEBHOOK_URL: "https://pin.example/hook" }
const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`

describe("the settings of anchors", () => {
  it.effect("none are set, or empty: none are there", () =>
    Effect.gen(function*() {
      const nothing = { timestamps: null, directory: null, webhook: null, witnesses: [] }
      assert.deepStrictEqual(yield* settingsOf({}), nothing)
      assert.deepStrictEqual(yield* settingsOf({ RAINLOGS_TSA_URLS: "", RAINLOGS_ANCHOR_DIRECTORY: "" }), nothing)
    }))

  it.effect("authorities have the names they are given, or that of their host", () =>
    Effect.gen(function*() {
      const { timestamps } = yield* settingsOf({
        ...roots,
        RAINLOGS_TSA_URLS: "https://Tsa.Example.eu:444/tsr?a=b, second=http://tsa.example.eu/x",
        RAINLOGS_TSA_REQUESTS_PER_MINUTE: "4"
      })
      assert.deepStrictEqual(timestamps, {
        authorities: [
          { id: "tsa-tsa-example-eu", url: "https://Tsa.Example.eu:444/tsr?a=b" },
          { id: "second", url: "http://tsa.example.eu/x" }
        ],
        roots: "/etc/roots.pem",
        stampsPerMinute: 4
      })
    }))

  it.effect("a webhook and its secret, which no print shows", () =>
    Effect.gen(function*() {
      const settings = yield* settingsOf({ ...webhook, RAINLOGS_ANCHOR_WEBHOOK_SECRET: secret })
      assert.strictEqual(settings.webhook?.url, webhook.RAINLOGS_ANCHOR_WEBHOOK_URL)
      assert.deepStrictEqual(Redacted.value(settings.webhook!.secret), new Uint8Array(32).fill(7))
      assert.notInclude(JSON.stringify(settings), "BwcHBw")
    }))

  it.effect("what is half configured, or cannot be, says what is missing", () =>
    Effect.gen(function*() {
      assert.include(yield* faultOf({ RAINLOGS_TSA_URLS: "https://a.example" }), "RAINLOGS_TSA_ROOTS")
      assert.include(yield* faultOf(roots), "RAINLOGS_TSA_URLS")
      assert.include(yield* faultOf({ ...roots, RAINLOGS_TSA_URLS: " , " }), "no URL")
      assert.include(
        yield* faultOf({ ...roots, RAINLOGS_TSA_URLS: "https://a.example/1,https://a.example/2" }),
        "give them names"
      )
      assert.include(yield* faultOf({ ...roots, RAINLOGS_TSA_URLS: "bucket=https://a.example" }), "another name")
      for (const url of ["a.example", "ftp://a.example", "https://user:word@a.example", "https://a.example/#x"]) {
        assert.include(yield* faultOf({ ...roots, RAINLOGS_TSA_URLS: url }), "RAINLOGS_TSA_URLS", url)
        assert.include(
          yield* faultOf({ RAINLOGS_ANCHOR_WEBHOOK_URL: url, RAINLOGS_ANCHOR_WEBHOOK_SECRET: secret }),
          "RAINLOGS_ANCHOR_WEBHOOK_URL",
          url
        )
      }
      assert.include(yield* faultOf(webhook), "openssl rand")
      const short = yield* faultOf({ ...webhook, RAINLOGS_ANCHOR_WEBHOOK_SECRET: "whsec_c2hvcnQ=" })
      assert.include(short, "24 to 64")
      assert.notInclude(short, "c2hvcnQ")
      assert.include(yield* faultOf({ RAINLOGS_ANCHOR_WEBHOOK_SECRET: secret }), "RAINLOGS_ANCHOR_WEBHOOK_URL")
      yield* faultOf({ ...roots, RAINLOGS_TSA_URLS: "https://a.example", RAINLOGS_TSA_REQUESTS_PER_MINUTE: "0" })
    }))
})
