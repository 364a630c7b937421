import { assert, describe, it } from "@effect/vitest"
import { CloudflareClient } from "@rainlogs/core/collect/CloudflareClient"
import { defaultCloudflareOptions } from "@rainlogs/core/collect/CloudflareOptions"
import { CircuitBreaker } from "@rainlogs/core/resilience/CircuitBreaker"
import { RateBudget } from "@rainlogs/core/resilience/RateBudget"
import * as CloudflareHttpClient from "@rainlogs/server/http/CloudflareHttpClient"
import { Effect, Layer, Redacted, Stream } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer, type RequestListener, type Server } from "node:http"
import * as Https from "node:https"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"

/** Opens `server` on a free port of this machine, for the length of a scope; succeeds with the port. */
const listening = (server: Server) =>
  Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    }),
    () =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )

const serving = (listener: RequestListener) => listening(createServer(listener))

/** A certificate for 127.0.0.1 that nobody vouches for. */
const selfSigned = () => {
  const directory = mkdtempSync(join(tmpdir(), "rainlogs-tls-"))
  try {
    const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")]
    const request =
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=127.0.0.1 -addext"
    execFileSync(
      "openssl",
      [...request.split(" "), "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
      { stdio: "ignore" }
    )
    return { key: readFileSync(key), cert: readFileSync(cert) }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const get = (url: string) =>
  Effect.flatMap(
    HttpClient.HttpClient,
    (client) =>
      client.execute(
        HttpClientRequest.get(url).pipe(
          HttpClientRequest.setHeaders({ authorization: "Bearer secret", "accept-encoding": "gzip" })
        )
      )
  )

const bytesOf = (url: string) =>
  Effect.flatMap(
    get(url),
    (response) => Effect.map(Stream.runCollect(response.stream), (pieces) => Buffer.concat(pieces))
  )

describe("CloudflareHttpClient", () => {
  it.live("leaves bodies as they came", () =>
    Effect.gen(function*() {
      const body = gzipSync("{}\n".repeat(10_000))
      const port = yield* serving((_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(body))
      assert.isTrue((yield* bytesOf(`http://127.0.0.1:${port}`)).equals(body))
    }).pipe(Effect.provide(CloudflareHttpClient.layer)))

  it.live("follows no redirect, so the token goes nowhere else", () =>
    Effect.gen(function*() {
      let elsewhere = 0
      const other = yield* serving((_, response) => {
        elsewhere++
        response.end()
      })
      const port = yield* serving((_, response) =>
        response.writeHead(307, { location: `http://127.0.0.1:${other}/` }).end()
      )
      assert.strictEqual((yield* get(`http://127.0.0.1:${port}`)).status, 307)
      assert.strictEqual(elsewhere, 0)
    }).pipe(Effect.provide(CloudflareHttpClient.layer)))

  it.live("keeps one connection for requests in a row", () =>
    Effect.gen(function*() {
      const ports = new Set<number | undefined>()
      const port = yield* serving((request, response) => {
        ports.add(request.socket.remotePort)
        response.end("{}")
      })
      yield* Effect.replicateEffect(bytesOf(`http://127.0.0.1:${port}`), 5)
      assert.strictEqual(ports.size, 1)
    }).pipe(Effect.provide(CloudflareHttpClient.layer)))

  it.live("refuses a certificate nobody vouches for, before the token is sent", () =>
    Effect.gen(function*() {
      let requests = 0
      const port = yield* listening(Https.createServer(selfSigned(), (_, response) => {
        requests++
        response.end("{}")
      }))
      const error = yield* Effect.flatMap(CloudflareClient, (client) => client.verifyToken(Redacted.make("secret")))
        .pipe(
          Effect.flip,
          Effect.provide(
            CloudflareClient.layerOptions({ ...defaultCloudflareOptions, baseUrl: `https://127.0.0.1:${port}` }).pipe(
              Layer.provide(Layer.mergeAll(CloudflareHttpClient.layer, RateBudget.layer, CircuitBreaker.layer))
            )
          )
        )
      assert.deepStrictEqual([error.category, error.code], ["transient", "tls-failed"])
      assert.match(error.detail, /SELF_SIGNED|VERIFY/)
      assert.strictEqual(requests, 0)
    }))
})
