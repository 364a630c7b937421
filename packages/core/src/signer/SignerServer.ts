/**
 * The HTTP front of the signer process. Nobody is answered without the token but `GET /healthz`; slow, large and many
 * requests are cut off.
 */
import { maxRequestBytes } from "@rainlogs/verify/witness/AddCheckpoint"
import { Effect, Redacted } from "effect"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { SignerUnavailable } from "../ledger/Signer.ts"
import { matches } from "../secrets/AdminToken.ts"
import { maxDocumentBytes, type SignerAnswer, type SignerService, textAnswer } from "./SignerService.ts"

/** How long a request may take to arrive, ms. */
export const requestTimeoutMs = 10_000
/** Connections at once; more are closed. */
const maxConnections = 64
const maxHeaderBytes = 8_192

/** What is served. */
export interface SignerServerOptions {
  readonly service: SignerService
  readonly token: Redacted.Redacted<string>
  /** Whether the signer can work; asked by `GET /healthz`. */
  readonly isHealthy: Effect.Effect<boolean>
  /** PEM texts for HTTPS; HTTP when left out. */
  readonly tls?: { readonly certificate: string; readonly key: Redacted.Redacted<string> }
}

interface Route {
  readonly method: "GET" | "POST"
  readonly maxBytes: number
  readonly answer: (query: URLSearchParams, body: Uint8Array) => Effect.Effect<SignerAnswer, SignerUnavailable>
}

const end = (response: ServerResponse, status: number, contentType: string, body: string): void => {
  response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) })
  response.end(body)
}

const receive = async (request: IncomingMessage, maxBytes: number): Promise<Uint8Array | null> => {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) return null
  const parts: Array<Uint8Array> = []
  let size = 0
  for await (const chunk of request) {
    if (!(chunk instanceof Uint8Array)) continue
    size += chunk.length
    if (size > maxBytes) return null
    parts.push(chunk)
  }
  return new Uint8Array(Buffer.concat(parts))
}

const presentedToken = (request: IncomingMessage): Redacted.Redacted<string> =>
  Redacted.make(/^Bearer (\S+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "")

/** The server; it does not listen yet. */
export const makeSignerServer = Effect.fn("SignerServer.make")(function*(options: SignerServerOptions) {
  const { isHealthy, service, tls, token } = options
  const run = Effect.runPromiseWith(yield* Effect.context<never>())
  const originOf = (query: URLSearchParams) => query.get("origin") ?? ""
  const routes: ReadonlyMap<string, Route> = new Map<string, Route>([
    ["/keys", { method: "POST", maxBytes: 0, answer: (query) => service.keys(originOf(query)) }],
    ["/state", { method: "GET", maxBytes: 0, answer: (query) => service.state(originOf(query)) }],
    ["/add-checkpoint", {
      method: "POST",
      maxBytes: maxRequestBytes,
      answer: (_, body) => service.addCheckpoint(body)
    }],
    ["/sign-document", {
      method: "POST",
      maxBytes: maxDocumentBytes,
      answer: (_, body) => service.signDocument(body)
    }]
  ])

  // Why it failed is for the signer's own log: the asker may be anybody's process.
  const answerOf = (answer: Effect.Effect<SignerAnswer, SignerUnavailable>) =>
    answer.pipe(Effect.catchTag("SignerUnavailable", ({ detail, origin }) =>
      Effect.as(
        Effect.logError(`nothing was signed for ${origin}: ${detail}`),
        textAnswer(503, "the signer cannot read or write its keys or state; its log says why")
      )))

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const refuse = (status: number, body: string): void => {
      // Whatever else the asker sends is not read.
      response.shouldKeepAlive = false
      end(response, status, "text/plain; charset=utf-8", `${body}\n`)
    }
    const url = new URL(`http://signer${request.url ?? "/"}`)
    if (url.pathname === "/healthz") {
      if (request.method !== "GET") return refuse(405, "use GET")
      const healthy = await run(isHealthy)
      const body = healthy ? "ok\n" : "the signer cannot write its directory; its log says why\n"
      return end(response, healthy ? 200 : 503, "text/plain; charset=utf-8", body)
    }
    if (!matches(token, presentedToken(request))) {
      return refuse(403, "wrong or no token: send Authorization: Bearer with the text of the signer's request.token")
    }
    const route = routes.get(url.pathname)
    if (route === undefined) return refuse(404, `the signer answers ${[...routes.keys()].join(", ")}`)
    if (request.method !== route.method) return refuse(405, `use ${route.method}`)
    const body = await receive(request, route.maxBytes)
    if (body === null) return refuse(413, `a request has at most ${route.maxBytes} bytes`)
    const answer = await run(answerOf(route.answer(url.searchParams, body)))
    end(response, answer.status, answer.contentType, answer.body)
  }

  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    handle(request, response).catch((error: unknown) => {
      // The asker hung up, or a defect: either way nothing more can be said on this connection.
      if (!request.destroyed && !response.headersSent) {
        return end(response, 500, "text/plain; charset=utf-8", "defect\n")
      }
      response.destroy()
      if (!request.destroyed) void run(Effect.logError("a request broke off", error))
    })
  }
  const limits = {
    requestTimeout: requestTimeoutMs,
    headersTimeout: requestTimeoutMs,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: maxHeaderBytes
  }
  const server: Server = tls === undefined
    ? createServer(limits, listener)
    : createTlsServer({ ...limits, cert: tls.certificate, key: Redacted.value(tls.key) }, listener)
  server.maxConnections = maxConnections
  return server
})
