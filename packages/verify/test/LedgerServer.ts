/**
 * Serves the ledger of a built archive over HTTP on a free port of this machine, as honestly as a test asks for.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { ledgerPrefix } from "../src/Layout.ts"
import { origin } from "./ArchiveBuilder.ts"
import type { ArchiveFiles } from "./MemoryReader.ts"

/** What a test does to an answer: `true` when it has answered itself. */
export type Interference = (path: string, response: ServerResponse, request: IncomingMessage) => boolean

/** A running server; `files` and `interfere` may be changed at any time. */
export interface LedgerServer {
  readonly url: string
  readonly requests: Array<string>
  files: ArchiveFiles
  interfere: Interference
}

/** Runs `use` with a server of the files below the ledger's directory, at `/ledger/…`. */
export const withLedgerServer = async <Value>(
  files: ArchiveFiles,
  use: (server: LedgerServer) => Promise<Value>
): Promise<Value> => {
  const prefix = ledgerPrefix(origin)
  const requests: Array<string> = []
  const http = createServer((request, response) => {
    const path = (request.url ?? "").replace(/^\/ledger\//, "")
    requests.push(path)
    // A page may read it, as it may read the ledgers that Rainlogs serves.
    response.setHeader("access-control-allow-origin", "*")
    if (state.interfere(path, response, request)) return
    const bytes = state.files.get(`${prefix}/${path}`)
    if (bytes === undefined) response.writeHead(404).end()
    else response.writeHead(200, { "content-length": bytes.length }).end(bytes)
  })
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
  const { port } = http.address() as AddressInfo
  const state: LedgerServer = { url: `http://127.0.0.1:${port}/ledger`, requests, files, interfere: () => false }
  try {
    return await use(state)
  } finally {
    http.closeAllConnections()
    await new Promise((resolve) => http.close(resolve))
  }
}

/** Interferes with the first `times` requests for each path only. */
export const atFirst = (times: number, interference: Interference): Interference => {
  const seen = new Map<string, number>()
  return (path, response, request) => {
    const before = seen.get(path) ?? 0
    seen.set(path, before + 1)
    return before < times && interference(path, response, request)
  }
}
