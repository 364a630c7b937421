import { assert, describe, it as plain, layer } from "@effect/vitest"
import * as Base64 from "@rainlogs/verify/Base64"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { Effect, Redacted } from "effect"
import { createHmac } from "node:crypto"
import type { ServerResponse } from "node:http"
import * as WebhookAnchor from "../../src/anchor/WebhookAnchor.ts"
import { httpClient, request, secretBytes, server } from "./AnchorServers.ts"

const live = { excludeTestServices: true }

const anchorAt = (url: string, timeoutMs = 2_000) =>
  WebhookAnchor.make({ id: "pin", url, secret: secretBytes, stampsPerMinute: 60, timeoutMs })

const failureOf = (answer: (response: ServerResponse) => void, timeoutMs?: number) =>
  Effect.gen(function*() {
    const { received, url } = yield* server(answer)
    const error = yield* Effect.flip((yield* anchorAt(url, timeoutMs)).stamp(request(3)))
    return { error, received }
  })

layer(httpClient, live)("WebhookAnchor", (it) => {
  it.effect("posts the checkpoint, signed as Standard Webhooks says, and keeps a receipt of it", () =>
    Effect.gen(function*() {
      const { received, url } = yield* server((response) => response.writeHead(204).end())
      const anchor = yield* anchorAt(url)
      const stamped = request(3)
      const receipt = yield* anchor.stamp(stamped)
      const [sent] = received
      const { "webhook-id": id, "webhook-signature": signature, "webhook-timestamp": seconds } = sent!.headers
      // Recomputed as a receiver would: HMAC over `id.timestamp.body`.
      const expected = createHmac("sha256", Redacted.value(secretBytes)).update(`${id}.${seconds}.${sent!.body}`)
        .digest("base64")
      assert.strictEqual(signature, `v1,${expected}`)
      assert.match(String(id), /^msg_[0-9a-f-]{36}$/)
      const body = JSON.parse(sent!.body.toString())
      assert.strictEqual(body.origin, stamped.origin)
      assert.strictEqual(body.size, 3)
      assert.strictEqual(body.root, Hex.encode(stamped.root))
      assert.deepStrictEqual(Base64.decode(body.checkpoint), stamped.checkpoint)
      assert.strictEqual(body.timestamp, new Date(body.time).toISOString())
      const text = new TextDecoder().decode(receipt.bytes)
      assert.strictEqual(
        text,
        `{"anchor":"pin","checkpoint":"${Hex.encode(sha256(stamped.checkpoint))}","message":"${id}","size":3,` +
          `"status":204,"time":${receipt.time},"type":"webhook"}`
      )
      assert.deepStrictEqual(yield* anchor.check(receipt.bytes, stamped), { time: receipt.time, expires: null })
      const other = yield* Effect.flip(anchor.check(receipt.bytes, request(3, "other")))
      assert.strictEqual(other.category, "rejected")
    }))

  it.effect("every attempt carries the same id", () =>
    Effect.gen(function*() {
      const { received, url } = yield* server((response) => response.writeHead(500).end())
      const anchor = yield* anchorAt(url)
      yield* Effect.flip(anchor.stamp(request(3)))
      yield* Effect.flip(anchor.stamp(request(3)))
      yield* Effect.flip(anchor.stamp(request(4)))
      const ids = received.map(({ headers }) => headers["webhook-id"])
      assert.strictEqual(ids[0], ids[1])
      assert.notStrictEqual(ids[0], ids[2])
    }))

  it.effect("what the receiver says decides what becomes of it", () =>
    Effect.gen(function*() {
      const statuses = [[400, "rejected"], [401, "unauthorised"], [403, "unauthorised"], [410, "rejected"], [
        500,
        "transient"
      ], [408, "transient"]] as const
      for (const [status, category] of statuses) {
        const { error } = yield* failureOf((response) => response.writeHead(status).end())
        assert.strictEqual(error.category, category, String(status))
      }
      const { error } = yield* failureOf((response) => response.writeHead(429, { "retry-after": "7" }).end())
      assert.strictEqual(error.category, "throttled")
      assert.strictEqual(error.retryAfterMs, 7_000)
    }))

  it.effect("a redirect is not followed", () =>
    Effect.gen(function*() {
      const elsewhere = yield* server((response) => response.writeHead(204).end())
      const { error } = yield* failureOf((response) => response.writeHead(307, { location: elsewhere.url }).end())
      assert.strictEqual(error.category, "rejected")
      assert.include(error.detail, "redirect")
      assert.deepStrictEqual(elsewhere.received, [])
    }))

  it.effect("a receiver that hangs, or breaks the connection, is transient", () =>
    Effect.gen(function*() {
      const hung = yield* failureOf(() => {}, 200)
      assert.strictEqual(hung.error.category, "transient")
      assert.include(hung.error.detail, "within 200 ms")
      const broken = yield* failureOf((response) => void response.destroy())
      assert.strictEqual(broken.error.category, "transient")
    }))

  it.effect("an answer of any length is a yes", () =>
    Effect.gen(function*() {
      const { url } = yield* server((response) => response.writeHead(200).end(Buffer.alloc(10_000_000)))
      const receipt = yield* (yield* anchorAt(url)).stamp(request(3))
      assert.isAbove(receipt.time, 0)
    }))
})

describe("the secret of a webhook", () => {
  const key = (length: number) => `whsec_${Base64.encode(new Uint8Array(length))}`

  plain("is whsec_ and 24 to 64 bytes in base64", () => {
    assert.strictEqual(WebhookAnchor.parseSecret(key(24))?.length, 24)
    assert.strictEqual(WebhookAnchor.parseSecret(key(64))?.length, 64)
    for (const text of [key(23), key(65), key(32).slice(6), "whsec_***", "whsec_", ""]) {
      assert.isNull(WebhookAnchor.parseSecret(text), text)
    }
  })

  plain("signs the example of the specification's libraries", () => {
    const secret = WebhookAnchor.parseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert.isNotNull(secret)
    const body = new TextEncoder().encode("{\"test\": 2432232314}")
    const message = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", seconds: 1614265330, body }
    assert.strictEqual(
      WebhookAnchor.signature(Redacted.make(secret!), message),
      "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )
  })
})
