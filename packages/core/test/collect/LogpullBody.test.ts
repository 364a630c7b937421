import { assert, describe, it } from "@effect/vitest"
import type { CollectionError } from "@rainlogs/core/collect/CollectionError"
import { logpullBody, trailer } from "@rainlogs/core/collect/LogpullBody"
import { Effect, Result, Schema, Stream } from "effect"

const bytes = (text: string) => new TextEncoder().encode(text)

/** Passes `text` cut at `places`; the code of the failure, or the text that came out. */
const pass = (text: string, places: ReadonlyArray<number> = []) => {
  const whole = bytes(text)
  const cuts = [0, ...places.map((place) => place % (whole.length + 1)).sort((a, b) => a - b), whole.length]
  const pieces: Stream.Stream<Uint8Array, CollectionError> = Stream.fromArray(
    cuts.slice(1).map((end, index) => whole.subarray(cuts[index], end))
  )
  return Stream.runCollect(logpullBody(pieces)).pipe(
    Effect.map((out) => Buffer.concat(out).toString()),
    Effect.result,
    Effect.map((result) => Result.isFailure(result) ? `failed: ${result.failure.code}` : result.success)
  )
}

const Places = Schema.Array(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 10_000 }))))
const records = "{\"RayID\":\"1\",\"ClientRequestURI\":\"/Error streaming data.\"}\n{\"RayID\":\"2\"}\n"

describe("logpullBody", () => {
  it.effect.prop(
    "a stream that ends in the trailer fails, however it is cut and whatever white space follows",
    [
      Schema.Literals(["", records, "{\"RayID\":\"1\",\"Cli"]),
      Schema.Literals(["", "\n", "\r\n", "\n\n", " ".repeat(200)]),
      Places
    ],
    ([before, after, places]) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* pass(before + trailer + after, places), "failed: truncated-stream")
      }),
    { arbitrary: { runs: 500 } }
  )

  it.effect.prop("anything else passes unchanged", [
    Schema.Literals(["", "\n", "{}", records, records.trimEnd()]),
    Places
  ], ([text, places]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* pass(text, places), text)
    }))

  it.effect("the trailer's words in the middle are just data", () =>
    Effect.gen(function*() {
      const text = `{"a":"${trailer}"}\n{"b":1}\n`
      assert.strictEqual(yield* pass(text), text)
    }))

  it.effect.prop("a last line that is cut fails", [
    Places,
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 12 })))
  ], ([places, end]) =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* pass(`{"a":1}\n${"{\"RayID\":\"2\"}".slice(0, end)}`, places),
        "failed: truncated-stream"
      )
    }))

  it.effect.prop("a web page or an API envelope fails", [
    Schema.Literals([
      ["<!DOCTYPE html><html></html>", "html-page"],
      ["\n  <html>{}</html>", "html-page"],
      ["{\"success\":false,\"errors\":[{\"code\":10000}]}", "error-envelope"],
      ["{ \"errors\": [], \"success\": true }\n", "error-envelope"],
      ["{\"result\":{\"flag\":true}}", "error-envelope"]
    ].map((one) => JSON.stringify(one))),
    Places
  ], ([encoded, places]) =>
    Effect.gen(function*() {
      const [text, code] = JSON.parse(encoded)
      assert.strictEqual(yield* pass(text, places), `failed: ${code}`)
    }))
})
