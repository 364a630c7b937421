/**
 * Sends one response over a real socket: streamed with back-pressure, gzip when accepted, and ended the way a fault demands
 * (complete, closed early, TCP reset, silence). Works alike on Node's and Bun's `node:http`.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises"
import { constants, createGzip, type Gzip } from "node:zlib"
import type { Fault } from "./Faults.ts"
import { faultyChunks } from "./FaultyBody.ts"
import type { Ending } from "./Truth.ts"

/** A response to send; `chunks` end at line ends. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly chunks: Iterable<Uint8Array>
}

/** What was sent: lines and bytes before compression. */
export interface Sent {
  readonly ending: Ending
  readonly lines: number
  readonly bytes: number
}

const DRIP_INTERVAL_MS = 50
/** Cloudflare cuts a query after ten minutes. */
const QUERY_LIMIT_MS = 600_000

/** Whether the request accepts gzip. */
export const acceptsGzip = (request: IncomingMessage): boolean =>
  String(request.headers["accept-encoding"] ?? "")
    .split(",")
    .some((coding) => /^\s*(gzip|\*)\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/i.test(coding))

const settledOnce = (response: ServerResponse, event: "drain" | "close"): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      response.off(event, done)
      response.off("close", done)
      resolve()
    }
    response.on(event, done)
    if (event !== "close") response.on("close", done)
  })

/** Holds a connection open without a byte, then drops it; ends early when the client leaves. */
export const holdSilently = async (response: ServerResponse, holdMs: number): Promise<Ending> => {
  const patience = new AbortController()
  const left = await Promise.race([
    settledOnce(response, "close").then(() => true),
    sleep(holdMs, false, { signal: patience.signal, ref: false }).catch(() => false)
  ])
  patience.abort()
  response.socket?.destroy()
  return left ? "client-left" : "stalled"
}

class Sink {
  readonly #response: ServerResponse
  readonly #gzip: Gzip | undefined

  constructor(response: ServerResponse, gzip: Gzip | undefined) {
    this.#response = response
    this.#gzip = gzip
    gzip?.on("data", (piece: Uint8Array) => {
      if (!response.destroyed && !response.write(piece)) {
        gzip.pause()
        response.once("drain", () => gzip.resume())
      }
    })
  }

  async write(chunk: Uint8Array): Promise<void> {
    const gzip = this.#gzip
    if (gzip === undefined) {
      if (!this.#response.write(chunk)) await settledOnce(this.#response, "drain")
      return
    }
    if (!gzip.write(chunk)) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          gzip.off("drain", done)
          this.#response.off("close", done)
          resolve()
        }
        gzip.on("drain", done)
        this.#response.on("close", done)
      })
    }
  }

  /** Hands everything written so far to the kernel, so that a cut or reset comes after it. */
  async flush(): Promise<void> {
    const gzip = this.#gzip
    if (gzip !== undefined) await new Promise<void>((resolve) => gzip.flush(constants.Z_SYNC_FLUSH, () => resolve()))
    const deadline = performance.now() + 2000
    while (!this.#response.destroyed && this.#response.writableLength > 0 && performance.now() < deadline) {
      await sleep(2)
    }
    // Even with empty buffers the last write may still be on its way through the event loop.
    await sleep(5)
  }

  async end(): Promise<void> {
    const gzip = this.#gzip
    if (gzip !== undefined) {
      await new Promise<void>((resolve) => {
        gzip.once("end", resolve)
        this.#response.once("close", resolve)
        gzip.end()
      })
    }
    await new Promise<void>((resolve) => {
      this.#response.once("close", resolve)
      this.#response.end(resolve)
    })
  }
}

/** Sends a reply, with a fault if given, and reports what was sent. */
export const sendReply = async (
  request: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
  fault: Fault | undefined
): Promise<Sent> => {
  const compressed = reply.status === 200 && acceptsGzip(request)
  const headers: Record<string, string> = { ...reply.headers }
  if (compressed) headers["content-encoding"] = "gzip"
  if (fault?.kind === "odd-content-type") headers["content-type"] = "application/octet-stream"
  if (fault?.kind === "cut" && fault.framing === "content-length") headers["content-length"] = String(1_000_000_000)
  response.writeHead(reply.status, headers)
  if (reply.status === 204 || request.method === "HEAD") {
    response.end()
    return { ending: "complete", lines: 0, bytes: 0 }
  }

  const sink = new Sink(response, compressed ? createGzip({ level: 1 }) : undefined)
  const deadline = performance.now() + QUERY_LIMIT_MS
  const iterator = fault === undefined ? reply.chunks[Symbol.iterator]() : faultyChunks(reply.chunks, fault)
  const pace = fault?.kind === "drip"
    ? Math.max(1, Math.round(((fault.bytesPerSecond ?? 200) * DRIP_INTERVAL_MS) / 1000))
    : undefined
  let lines = 0
  let bytes = 0
  let step = iterator.next()
  for (; step.done !== true; step = iterator.next()) {
    const chunk: Uint8Array = step.value
    for (let from = 0; from < chunk.length; from += pace ?? chunk.length) {
      const piece = pace === undefined ? chunk : chunk.subarray(from, from + pace)
      await sink.write(piece)
      if (pace !== undefined) {
        await sink.flush()
        await sleep(DRIP_INTERVAL_MS)
      }
      if (response.destroyed) return { ending: "client-left", lines, bytes }
      bytes += piece.length
      for (let at = piece.indexOf(10); at !== -1; at = piece.indexOf(10, at + 1)) lines++
    }
    // Other requests get their turn even when the socket never fills up.
    await nextTurn()
    if (performance.now() > deadline) {
      await sink.flush()
      response.socket?.end()
      return { ending: "cut", lines, bytes }
    }
  }
  switch (step.value ?? "complete") {
    case "reset":
      await sink.flush()
      response.socket?.resetAndDestroy()
      return { ending: "reset", lines, bytes }
    case "cut":
      await sink.flush()
      response.socket?.end()
      return { ending: "cut", lines, bytes }
    case "stall": {
      await sink.flush()
      const holdMs = fault?.kind === "stall" ? fault.holdMs : undefined
      return { ending: await holdSilently(response, holdMs ?? 35_000), lines, bytes }
    }
    default:
      await sink.end()
      return { ending: response.writableFinished ? "complete" : "client-left", lines, bytes }
  }
}
