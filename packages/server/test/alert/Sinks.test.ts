import { assert, describe, it } from "@effect/vitest"
import type { Notice } from "@rainlogs/core/alert/Alert"
import { Effect, Redacted } from "effect"
import { createHmac, randomBytes } from "node:crypto"
import { createServer, type IncomingHttpHeaders, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { SMTPServer, type SMTPServerOptions } from "smtp-server"
import * as EmailSink from "../../src/alert/EmailSink.ts"
import * as WebhookSink from "../../src/alert/WebhookSink.ts"
import * as CloudflareHttpClient from "../../src/http/CloudflareHttpClient.ts"

const notice: Notice = {
  id: "alert_0b6f3c2e-0000-8000-8000-000000000001",
  phase: "firing",
  condition: {
    kind: "source-blocked",
    subject: "zone cloudflare/logpull/http_requests",
    severity: "critical",
    summary: "The source cannot be collected: <retention-off> & more.",
    remedy: "Turn it on."
  },
  since: 1_767_225_600_000,
  at: 1_767_225_600_000
}

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A real HTTP server that answers with `status`, or never. */
const httpServer = (status: number | "never") =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const received: Array<Received> = []
      const server: Server = createServer((request, response) => {
        let body = ""
        request.on("data", (piece) => body += String(piece))
        request.on("end", () => {
          received.push({ headers: request.headers, body })
          if (status !== "never") response.writeHead(status, { "retry-after": "7" }).end()
        })
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const { port } = server.address() as AddressInfo
      return { url: Redacted.make(`http://127.0.0.1:${port}/hook`), received, server }
    }),
    ({ server }) => Effect.sync(() => (server.closeAllConnections(), server.close()))
  )

describe("the webhook", () => {
  const secret = Redacted.make(new Uint8Array(randomBytes(32)))

  it.live("carries a signature that its receiver can check", () =>
    Effect.gen(function*() {
      const { received, url } = yield* httpServer(204)
      const sink = yield* WebhookSink.webhook({ url, secret })
      yield* sink.send(notice)
      yield* sink.send(notice)
      const [first, second] = received
      assert.isDefined(first)
      const { headers } = first
      const expected = createHmac("sha256", Redacted.value(secret)).update(
        `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${first.body}`
      ).digest("base64")
      assert.strictEqual(headers["webhook-signature"], `v1,${expected}`)
      assert.strictEqual(headers["webhook-id"], notice.id)
      assert.strictEqual(second?.headers["webhook-id"], notice.id)
      const body = JSON.parse(first.body)
      assert.strictEqual(body.type, "alert.firing")
      assert.deepStrictEqual(body.data, notice)
    }).pipe(Effect.scoped, Effect.provide(CloudflareHttpClient.layer)))

  it.live("tells a refusal from a failure, and passes on how long to wait", () =>
    Effect.gen(function*() {
      for (const [status, permanent] of [[400, true], [404, true], [401, false], [500, false], [429, false]] as const) {
        const { url } = yield* httpServer(status)
        const error = yield* Effect.flip((yield* WebhookSink.webhook({ url, secret })).send(notice))
        assert.strictEqual(error.permanent, permanent, String(status))
        assert.strictEqual(error.retryAfterMs, 7000)
        assert.notInclude(error.message, "127.0.0.1")
      }
      const hung = yield* httpServer("never")
      const error = yield* Effect.flip(
        (yield* WebhookSink.webhook({ url: hung.url, secret, timeoutMs: 200 })).send(notice)
      )
      assert.isFalse(error.permanent)
      assert.include(error.detail, "within 200 ms")
    }).pipe(Effect.scoped, Effect.provide(CloudflareHttpClient.layer)))

  it.live("for a chat is a text in which nothing is markup", () =>
    Effect.gen(function*() {
      const { received, url } = yield* httpServer(200)
      yield* (yield* WebhookSink.slack({ url })).send(notice)
      const { text } = JSON.parse(received[0]!.body)
      assert.include(text, "*[Rainlogs] Critical: source-blocked zone")
      assert.include(text, "&lt;retention-off&gt; &amp; more")
      assert.notMatch(text, /[<>]/)
    }).pipe(Effect.scoped, Effect.provide(CloudflareHttpClient.layer)))
})

/** A real SMTP server that wants a password. */
const smtpServer = (options: SMTPServerOptions = {}) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const mails: Array<string> = []
      const server = new SMTPServer({
        hideSTARTTLS: true,
        allowInsecureAuth: true,
        onAuth: ({ password, username }, _session, done) =>
          username === "rainlogs" && password === "correct"
            ? done(null, { user: username })
            : done(Object.assign(new Error("no"), { responseCode: 535 })),
        onData: (stream, _session, done) => {
          let mail = ""
          stream.on("data", (piece) => mail += String(piece))
          stream.on("end", () => {
            mails.push(mail)
            done()
          })
        },
        ...options
      })
      server.on("error", () => {})
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const { port } = server.server.address() as AddressInfo
      return { mails, port, server }
    }),
    ({ server }) => Effect.promise(() => new Promise<void>((resolve) => server.close(() => resolve())))
  )

const emailTo = (port: number, password = "correct", timeoutMs = 2000) =>
  EmailSink.make({
    server: Redacted.make(`smtp://rainlogs:${password}@127.0.0.1:${port}`),
    from: "Rainlogs <rainlogs@example.eu>",
    to: ["ops@example.eu", "dpo@example.eu"],
    timeoutMs
  })

describe("the e-mail", () => {
  it.live("reaches every recipient once, with an id that stays the same", () =>
    Effect.gen(function*() {
      const { mails, port } = yield* smtpServer()
      yield* emailTo(port).send(notice)
      assert.strictEqual(mails.length, 1)
      const mail = mails[0]!
      assert.match(mail, /^To: ops@example\.eu, dpo@example\.eu\r?$/mu)
      assert.match(mail, /^Subject: \[Rainlogs\] Critical: source-blocked zone/mu)
      assert.include(mail, `Message-ID: <${notice.id}@rainlogs.invalid>`)
      assert.include(mail, "Turn it on.")
    }).pipe(Effect.scoped))

  it.live("wrong credentials, a refused recipient and a dead server are told apart, without the password", () =>
    Effect.gen(function*() {
      const { port } = yield* smtpServer()
      const wrong = yield* Effect.flip(emailTo(port, "s3cret-wrong").send(notice))
      assert.isFalse(wrong.permanent)
      assert.include(wrong.detail, "EAUTH (SMTP 535)")
      assert.notInclude(wrong.message, "s3cret")
      const refusing = yield* smtpServer({
        onRcptTo: (_address, _session, done) => done(Object.assign(new Error("no such box"), { responseCode: 550 }))
      })
      const refused = yield* Effect.flip(emailTo(refusing.port).send(notice))
      assert.isTrue(refused.permanent)
      const dead = yield* Effect.flip(emailTo(1).send(notice))
      assert.isFalse(dead.permanent)
      assert.include(dead.detail, "ESOCKET")
    }).pipe(Effect.scoped))

  it.live("a server that takes the connection and says nothing is given up in time", () =>
    Effect.gen(function*() {
      const hung = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const { createServer: createTcp } = await import("node:net")
          const sockets = new Set<{ destroy: () => void }>()
          const server = createTcp((socket) => {
            sockets.add(socket)
            socket.on("error", () => {})
          })
          await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
          return { port: (server.address() as AddressInfo).port, server, sockets }
        }),
        ({ server, sockets }) =>
          Effect.sync(() => {
            for (const socket of sockets) socket.destroy()
            server.close()
          })
      )
      const began = Date.now()
      const error = yield* Effect.flip(emailTo(hung.port, "correct", 300).send(notice))
      assert.isFalse(error.permanent)
      assert.isBelow(Date.now() - began, 2000)
    }).pipe(Effect.scoped))
})
