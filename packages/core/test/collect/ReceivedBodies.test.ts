import { assert, describe, it } from "@effect/vitest"
import { CloudflareClient } from "@rainlogs/core/collect/CloudflareClient"
import { Effect, Stream } from "effect"
import { gzipSync } from "node:zlib"
import { type Answer, later, layers, received, record, server, token, window, zoneId } from "./Harness.ts"

const gzipped = new Uint8Array(gzipSync(record.repeat(2_000)))
const huge = gzipSync(new Uint8Array(40_000_000))

/** `/logs/received` against a server that gives `answer`. */
const receivedFrom = (answer: Answer) =>
  Effect.scoped(Effect.gen(function*() {
    const baseUrl = yield* server((request, response) => answer(response, request))
    return yield* received.pipe(Effect.provide(layers({ baseUrl }), { local: true }))
  }))

describe("bodies of /logs/received", () => {
  it.live.each<readonly [string, Answer]>([
    ["chunked", (response) => response.writeHead(200).end(record)],
    ["chunked in many pieces", (response) => {
      response.writeHead(200)
      for (const byte of Buffer.from(record)) response.write(Uint8Array.of(byte))
      response.end()
    }],
    ["with a length", (response) => response.writeHead(200, { "content-length": record.length }).end(record)],
    [
      "under another content type",
      (response) => response.writeHead(200, { "content-type": "application/json" }).end(record)
    ]
  ])("come through %s", ([, answer]) => Effect.map(receivedFrom(answer), (text) => assert.strictEqual(text, record)))

  it.live.each<readonly [string, Answer]>([
    ["announced", (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipped)],
    ["not announced", (response) => response.writeHead(200).end(gzipped)],
    [
      "with a length",
      (response) =>
        response.writeHead(200, { "content-encoding": "gzip", "content-length": gzipped.length }).end(gzipped)
    ],
    ["closed at its end", (response) => {
      response.socket?.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\n\r\n")
      response.socket?.end(gzipped)
    }]
  ])(
    "come through as gzip %s",
    ([, answer]) => Effect.map(receivedFrom(answer), (text) => assert.strictEqual(text, record.repeat(2_000)))
  )

  it.live.each<readonly [string, Answer]>([
    ["chunked", (response) => response.writeHead(200).end()],
    ["with length 0", (response) => response.writeHead(200, { "content-length": 0, "content-encoding": "gzip" }).end()],
    ["gzip", (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(""))]
  ])("may be empty, %s", ([, answer]) => Effect.map(receivedFrom(answer), (text) => assert.strictEqual(text, "")))

  it.live.each<readonly [string, string, Answer]>([
    [
      "gzip cut in the middle, HTTP whole",
      "malformed truncated-gzip",
      (response) =>
        response.writeHead(200, { "content-encoding": "gzip" }).end(gzipped.subarray(0, gzipped.length >> 1))
    ],
    [
      "gzip without its last byte",
      "malformed truncated-gzip",
      (response) =>
        response.writeHead(200, { "content-encoding": "gzip", "content-length": gzipped.length - 1 }).end(
          gzipped.subarray(0, -1)
        )
    ],
    [
      "gzip cut to nothing",
      "malformed truncated-gzip",
      (response) => response.writeHead(200, { "content-encoding": "gzip" }).end()
    ],
    [
      "gzip with a trailer behind it",
      "malformed broken-gzip",
      (response) =>
        response.writeHead(200, { "content-encoding": "gzip" }).end(
          Buffer.concat([gzipped, Buffer.from("Error streaming data.")])
        )
    ],
    [
      "gzip that was decompressed on the way",
      "malformed not-gzip",
      (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(record)
    ],
    [
      "an encoding that was not asked for",
      "malformed unsupported-encoding",
      (response) => response.writeHead(200, { "content-encoding": "br" }).end("xxx")
    ],
    ["shorter than its length", "transient connection-lost", (response) => {
      response.writeHead(200, { "content-length": 1_000 }).write(record)
      later(response, () => response.socket?.end())
    }],
    ["chunks without an end", "transient connection-lost", (response) => {
      response.writeHead(200).write(record)
      later(response, () => response.socket?.end())
    }],
    ["a reset", "transient connection-lost", (response) => {
      response.writeHead(200).write(record)
      later(response, () => response.socket?.resetAndDestroy())
    }],
    ["a reset before anything", "transient connection-failed", (response) => {
      response.socket?.resetAndDestroy()
    }],
    ["a body only the closing of the connection ends", "malformed unframed-body", (response) => {
      response.socket?.end(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${record}`)
    }],
    ["silence after the headers", "transient idle-timeout", (response) => response.writeHead(200).flushHeaders()],
    ["silence after some records", "transient idle-timeout", (response) => {
      response.writeHead(200).write(record)
    }],
    ["silence before the headers", "transient idle-timeout", () => undefined],
    [
      "a web page",
      "malformed html-page",
      (response) =>
        response.writeHead(200, { "content-type": "text/html" }).end("<!DOCTYPE html><title>Just a moment...</title>")
    ],
    [
      "a web page under another content type",
      "malformed html-page",
      (response) => response.writeHead(200, { "content-type": "application/json" }).end("<html></html>")
    ],
    [
      "an envelope with status 200",
      "malformed error-envelope",
      (response) =>
        response.writeHead(200).end(
          "{\"success\":false,\"errors\":[{\"code\":10000,\"message\":\"Authentication error\"}]}"
        )
    ],
    ["a redirect", "transient redirected", (response) => response.writeHead(302, { location: "/elsewhere" }).end()],
    ["no content", "blocked not-entitled", (response) => response.writeHead(204).end()],
    [
      "more bytes than it may have",
      "oversize response-too-large",
      (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(huge)
    ]
  ])("fail typed and in time: %s", ([, expected, answer]) =>
    Effect.gen(function*() {
      const begun = performance.now()
      const baseUrl = yield* server((request, response) => answer(response, request))
      const error = yield* Effect.flip(received).pipe(
        Effect.provide(layers({ baseUrl, longestResponseBytes: 30_000_000 }), { local: true })
      )
      assert.strictEqual(`${error.category} ${error.code}`, expected)
      assert.isBelow(performance.now() - begun, 4_000)
    }))

  it.live("a slow drip ends at the cap for the whole response", () =>
    Effect.gen(function*() {
      const begun = performance.now()
      const baseUrl = yield* server((_, response) => {
        response.writeHead(200).write("{")
        const timer = setInterval(() => response.write(" "), 50)
        response.on("close", () => clearInterval(timer))
      })
      const error = yield* Effect.flip(received).pipe(
        Effect.provide(layers({ baseUrl, responseTimeoutMs: 700 }), { local: true })
      )
      assert.strictEqual(error.code, "response-timeout")
      const took = performance.now() - begun
      assert.isTrue(took > 600 && took < 3_000, `${took} ms`)
    }))

  it.live("a slow reader is not taken for a silent server", () =>
    Effect.gen(function*() {
      const baseUrl = yield* server((_, response) => {
        response.writeHead(200).write(record)
        setTimeout(() => response.end(record), 50)
      })
      const slowly = Effect.scoped(Effect.gen(function*() {
        const client = yield* CloudflareClient
        const stream = yield* client.logpullReceived(token, zoneId, window, ["RayID"])
        return yield* Stream.runCollect(Stream.tap(stream, () => Effect.sleep(1_000)))
      }))
      const pieces = yield* slowly.pipe(Effect.provide(layers({ baseUrl, idleTimeoutMs: 500 }), { local: true }))
      assert.strictEqual(Buffer.concat(pieces).toString(), record + record)
    }))

  it.live("closing the scope closes the connection", () =>
    Effect.gen(function*() {
      let closed = 0
      const baseUrl = yield* server((_, response) => {
        response.writeHead(200).write(record)
        response.on("close", () => closed++)
      })
      yield* Effect.scoped(Effect.gen(function*() {
        const client = yield* CloudflareClient
        const stream = yield* client.logpullReceived(token, zoneId, window, ["RayID"])
        yield* Stream.runDrain(Stream.take(stream, 1))
      })).pipe(Effect.provide(layers({ baseUrl }), { local: true }))
      yield* Effect.sleep(100)
      assert.strictEqual(closed, 1)
    }))
})
