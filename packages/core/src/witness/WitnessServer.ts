/**
 * The HTTP front of a witness: `POST /add-checkpoint`, and nothing else. Slow and large requests are cut off.
 */
import { maxRequestBytes } from "@rainlogs/verify/witness/AddCheckpoint"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { Witness } from "./Witness.ts"

/** How long a request may take to arrive, ms. */
export const requestTimeoutMs = 10_000

const end = (response: ServerResponse, status: number, contentType: string, body: string): void => {
  response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) })
  response.end(body)
}

const plain = "text/plain; charset=utf-8"

const receive = async (request: IncomingMessage): Promise<Uint8Array | null> => {
  const parts: Array<Uint8Array> = []
  let size = 0
  for await (const chunk of request) {
    if (!(chunk instanceof Uint8Array)) continue
    size += chunk.length
    if (size > maxRequestBytes) return null
    parts.push(chunk)
  }
  return Buffer.concat(parts)
}

/** Listens; `onFailure` learns of failures of the witness's own state, which are answered with 500. */
export const serveWitness = (
  witness: Witness,
  address: { readonly host: string; readonly port: number },
  onFailure: (error: unknown) => void
): Promise<Server> => {
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? "").split("?")[0]
    if (path !== "/add-checkpoint") return end(response, 404, plain, "a witness answers POST /add-checkpoint\n")
    if (request.method !== "POST") return end(response, 405, plain, "use POST\n")
    const body = await receive(request)
    if (body === null) {
      response.shouldKeepAlive = false
      return end(response, 413, plain, `a request has at most ${maxRequestBytes} bytes\n`)
    }
    const answer = await witness.addCheckpoint(body, Math.floor(Date.now() / 1000))
    end(response, answer.status, answer.contentType, answer.body)
  }
  const server = createServer(
    { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs },
    (request, response) => {
      handle(request, response).catch((error: unknown) => {
        onFailure(error)
        if (response.headersSent) response.destroy()
        else end(response, 500, plain, "the witness cannot answer now\n")
      })
    }
  )
  return new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(address.port, address.host, () => resolve(server))
  })
}
