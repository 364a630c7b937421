import { assert, describe, it } from "@effect/vitest"
import { wireBody, type WireLimits } from "@rainlogs/core/collect/WireBody"
import { Effect, Stream } from "effect"
import { HttpClientRequest, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"

const limits: WireLimits = { idleMs: 30_000, deadline: 600_000, longestBytes: 1_000_000 }

/** A response of a client that does not check lengths by itself. */
const response = (headers: Record<string, string>, pieces: ReadonlyArray<string>) =>
  HttpClientResponse.fromWeb(
    HttpClientRequest.get("https://api.cloudflare.com"),
    new Response(
      new ReadableStream<Uint8Array>({
        start: (controller) => {
          for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece))
          controller.close()
        }
      }),
      { headers }
    )
  )

const text = (headers: Record<string, string>, pieces: ReadonlyArray<string>) =>
  Effect.map(Stream.runCollect(wireBody(response(headers, pieces), limits)), (out) => Buffer.concat(out).toString())

describe("wireBody", () => {
  it.effect("passes a body of the announced length", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* text({ "content-length": "6" }, ["{}\n", "{}\n"]), "{}\n{}\n")
      assert.strictEqual(yield* text({ "transfer-encoding": "chunked" }, ["{}\n"]), "{}\n")
    }))

  it.effect("fails when fewer or more bytes came than announced", () =>
    Effect.gen(function*() {
      for (const length of ["7", "5", "600"]) {
        const error = yield* Effect.flip(text({ "content-length": length }, ["{}\n", "{}\n"]))
        assert.deepStrictEqual([error.category, error.code], ["transient", "connection-lost"])
        assert.include(error.detail, `6 of ${length} bytes`)
      }
    }))

  it.effect("fails when the reader comes back after the deadline, even if bytes are there", () =>
    Effect.gen(function*() {
      const stream = wireBody(response({ "content-length": "6" }, ["{}\n", "{}\n"]), limits)
      const error = yield* Stream.runForEach(stream, () => TestClock.adjust(600_001)).pipe(Effect.flip)
      assert.strictEqual(error.code, "response-timeout")
    }))

  it.effect("fails at the end of the longest silence, not before", () =>
    Effect.gen(function*() {
      const silent = HttpClientResponse.fromWeb(
        HttpClientRequest.get("https://api.cloudflare.com"),
        new Response(new ReadableStream(), { headers: { "content-length": "6" } })
      )
      const fiber = yield* Effect.forkChild(Effect.flip(Stream.runDrain(wireBody(silent, limits))), {
        startImmediately: true
      })
      yield* TestClock.adjust(29_999)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      const exit = fiber.pollUnsafe()
      assert.isTrue(exit !== undefined && exit._tag === "Success" && exit.value.code === "idle-timeout")
    }))
})
