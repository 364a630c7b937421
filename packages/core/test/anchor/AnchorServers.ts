/**
 * Real HTTP servers that play an anchor, and what the adapters need to reach them.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { encode } from "@rainlogs/verify/Ascii"
import { signCheckpoint } from "@rainlogs/verify/Checkpoint"
import * as Hex from "@rainlogs/verify/Hex"
import { Effect, Redacted } from "effect"
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http"
import type { StampRequest } from "../../src/anchor/Anchor.ts"
import { keysOf } from "../../src/ledger/SignerKeyFile.ts"
import { ledger } from "../ledger/MemoryLedger.ts"
import golden from "../vectors/ledger.json" with { type: "json" }

/** One request as the server received it. */
export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** A server for the time of a scope; `answer` is called when a request is complete. */
export const server = (answer: (response: ServerResponse, request: Received) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly received: Array<Received>; readonly stop: () => void }>(
      (resume) => {
        const received: Array<Received> = []
        const http = createServer((request, response) => {
          const parts: Array<Buffer> = []
          request.on("data", (part) => parts.push(part))
          request.on("end", () => {
            const { headers, method = "", url: path = "" } = request
            const one = { method, path, headers, body: Buffer.concat(parts) }
            received.push(one)
            answer(response, one)
          })
        })
        http.listen(0, "127.0.0.1", () => {
          const address = http.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          resume(Effect.succeed({
            url: `http://127.0.0.1:${port}/`,
            received,
            stop: () => {
              http.close()
              http.closeAllConnections()
            }
          }))
        })
      }
    ),
    ({ stop }) => Effect.sync(stop)
  )

const seeds = { log: Hex.decode(golden.keys.log.testSeedHex), clock: Hex.decode(golden.keys.clock.testSeedHex) }

/** A request about a checkpoint of the golden ledger, signed by its key. */
export const request = (size: number, rootText = "root"): StampRequest => {
  const { origin } = ledger
  const root = new Uint8Array(32)
  root.set(encode(rootText))
  const { clock, log } = keysOf(origin, seeds)
  const { immutable } = signCheckpoint({ checkpoint: { origin, size, root }, log, clock: { ...clock, timestamp: 1 } })
  return { origin, size, root, checkpoint: immutable }
}

/** The client of the adapters. */
export const httpClient = NodeHttpClient.layerNodeHttpOptions({ keepAlive: true })

/** A secret of a webhook. */
export const secretBytes = Redacted.make(Uint8Array.from({ length: 32 }, (_, index) => index))
