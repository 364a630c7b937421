import { afterAll, assert, beforeAll, layer } from "@effect/vitest"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { parsePem } from "@rainlogs/verify/timestamp/Certificate"
import { Clock, Effect } from "effect"
import { createHash } from "node:crypto"
import { writeFileSync } from "node:fs"
import type { ServerResponse } from "node:http"
import { join } from "node:path"
import * as TimestampAnchor from "../../src/anchor/TimestampAnchor.ts"
import { httpClient, type Received, request, server } from "./AnchorServers.ts"
import { LocalAuthority } from "./LocalAuthority.ts"

let authority: LocalAuthority
let stranger: LocalAuthority
beforeAll(async () => {
  ;[authority, stranger] = await Promise.all([LocalAuthority.make(), LocalAuthority.make()])
})
afterAll(() => {
  authority.dispose()
  stranger.dispose()
})

type Answer = (response: ServerResponse, received: Received) => void

const reply = (response: ServerResponse, body: Uint8Array) =>
  response.writeHead(200, { "content-type": "application/timestamp-reply" }).end(body)

/** Answers with a real reply to what `question` makes of the request. */
const replying =
  (by: () => LocalAuthority, question: (received: Buffer) => Promise<Buffer> | Buffer): Answer =>
  (response, { body }) =>
    void Promise.resolve(question(body)).then((query) => by().reply(query)).then(
      (answer) => reply(response, answer),
      () => response.writeHead(500).end()
    )

const honest = replying(() => authority, (query) => query)

const anchorThat = Effect.fnUntraced(function*(answer: Answer, timeoutMs = 10_000) {
  const { received, url } = yield* server(answer)
  const anchor = yield* TimestampAnchor.make({
    id: "tsa",
    url,
    roots: parsePem(authority.roots),
    stampsPerMinute: 60,
    timeoutMs
  })
  return { anchor, received }
})

const failureOf = (answer: Answer, timeoutMs?: number) =>
  Effect.gen(function*() {
    const { anchor } = yield* anchorThat(answer, timeoutMs)
    return yield* Effect.flip(anchor.stamp(request(3)))
  })

layer(httpClient, { excludeTestServices: true })("TimestampAnchor", (it) => {
  it.effect("keeps a timestamp that openssl accepts for the bytes of the checkpoint", () =>
    Effect.gen(function*() {
      const { anchor, received } = yield* anchorThat(honest)
      const stamped = request(3)
      const before = yield* Clock.currentTimeMillis
      const receipt = yield* anchor.stamp(stamped)
      const [sent] = received
      assert.strictEqual(sent?.method, "POST")
      assert.strictEqual(sent?.headers["content-type"], "application/timestamp-query")
      assert.include(Hex.encode(sent!.body), Hex.encode(sha256(stamped.checkpoint)))
      assert.isAtMost(Math.abs(receipt.time - before), 5_000)

      const [tsr, data] = ["receipt.tsr", "checkpoint"].map((name) => join(authority.directory, name))
      writeFileSync(tsr!, receipt.bytes)
      writeFileSync(data!, stamped.checkpoint)
      assert.include(yield* Effect.promise(() => authority.verify(tsr!, data!)), "Verification: OK")

      const facts = yield* anchor.check(receipt.bytes, stamped)
      assert.deepStrictEqual(facts, { time: receipt.time, expires: receipt.expires })
      assert.isAbove(receipt.expires ?? 0, before + 3_000 * 86_400_000)
      const other = yield* Effect.flip(anchor.check(receipt.bytes, request(3, "other")))
      assert.strictEqual(other.category, "rejected")
    }))

  it.effect("says when the first certificate behind a timestamp expires", () =>
    Effect.gen(function*() {
      const short = yield* Effect.acquireRelease(
        Effect.promise(() => LocalAuthority.make(20)),
        (running) => Effect.sync(() => running.dispose())
      )
      const { url } = yield* server(replying(() => short, (query) => query))
      const anchor = yield* TimestampAnchor.make({ id: "tsa", url, roots: parsePem(short.roots), stampsPerMinute: 60 })
      const { expires } = yield* anchor.stamp(request(3))
      const days = ((expires ?? 0) - (yield* Clock.currentTimeMillis)) / 86_400_000
      assert.isAbove(days, 19.9)
      assert.isBelow(days, 20.1)
    }))

  it.effect("every request has a nonce of its own", () =>
    Effect.gen(function*() {
      const { anchor, received } = yield* anchorThat(honest)
      yield* anchor.stamp(request(3))
      yield* anchor.stamp(request(3))
      assert.notDeepEqual(received[0]?.body, received[1]?.body)
    }))

  it.effect("a timestamp of another checkpoint, or an old one again, is rejected", () =>
    Effect.gen(function*() {
      const digest = createHash("sha256").update("something else").digest("hex")
      const other = yield* failureOf(replying(() => authority, () => authority.query(digest)))
      assert.strictEqual(other.category, "rejected")
      // The right imprint, but the nonce of an earlier request: a replay.
      const ours = Hex.encode(sha256(request(3).checkpoint))
      const replayed = yield* failureOf(replying(() => authority, () => authority.query(ours)))
      assert.strictEqual(replayed.category, "rejected")
    }))

  it.effect("a timestamp that leads to no trusted root is untrusted", () =>
    Effect.gen(function*() {
      const error = yield* failureOf(replying(() => stranger, (query) => query))
      assert.strictEqual(error.category, "untrusted")
    }))

  it.effect("garbage, an error page and a refusal of the authority are rejected", () =>
    Effect.gen(function*() {
      const refusal = replying(() => authority, (query) => {
        // The object identifier of SHA-256 becomes one that the authority does not know: it does not grant.
        const changed = Buffer.from(query)
        const identifier = changed.indexOf(Buffer.from("608648016503040201", "hex"))
        assert.isAbove(identifier, 0)
        changed[identifier + 8] = 0x7f
        return changed
      })
      const answers: ReadonlyArray<Answer> = [
        (response) => reply(response, createHash("sha256").update("garbage").digest()),
        (response) => reply(response, new Uint8Array()),
        (response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>please log in</html>"),
        refusal
      ]
      for (const answer of answers) assert.strictEqual((yield* failureOf(answer)).category, "rejected")
    }))

  it.effect("an answer of 10 MB is not read to its end", () =>
    Effect.gen(function*() {
      let sent = 0
      const error = yield* failureOf((response) => {
        response.writeHead(200, { "content-type": "application/timestamp-reply" })
        const more = () => {
          while (sent < 10_000_000 && !response.destroyed) {
            sent += 65_536
            if (!response.write(Buffer.alloc(65_536))) return void response.once("drain", more)
          }
          response.end()
        }
        more()
      })
      assert.strictEqual(error.category, "rejected")
      assert.include(error.detail, "longer than 262144 bytes")
    }))

  it.effect("a cut answer is transient, as is one that never ends", () =>
    Effect.gen(function*() {
      const cut = yield* failureOf((response) => {
        response.writeHead(200, { "content-type": "application/timestamp-reply", "content-length": "5000" })
        response.write(Buffer.alloc(100), () => response.destroy())
      })
      assert.strictEqual(cut.category, "transient")
      const drip = yield* failureOf((response) => {
        const timer = setInterval(() => response.destroyed ? clearInterval(timer) : response.write("x"), 20)
      }, 300)
      assert.strictEqual(drip.category, "transient")
    }))

  it.effect("throttling says how long; a redirect goes nowhere", () =>
    Effect.gen(function*() {
      const busy = yield* failureOf((response) => response.writeHead(503, { "retry-after": "120" }).end())
      assert.deepStrictEqual([busy.category, busy.retryAfterMs], ["throttled", 120_000])
      const elsewhere = yield* server(honest)
      const moved = yield* failureOf((response) => response.writeHead(302, { location: elsewhere.url }).end())
      assert.strictEqual(moved.category, "rejected")
      assert.deepStrictEqual(elsewhere.received, [])
    }))
})
