/**
 * Lets another process drive a simulator and ask it for the truth. It has a port of its own, so that it answers during an outage of the API.
 *
 * - `GET  /simulator/clock` → `{nowMs}`
 * - `GET  /simulator/counters` → {@link Counters}
 * - `GET  /simulator/served?since=N` → requests with a number above N
 * - `GET  /simulator/truth?zone=&from=&to=&fields=a,b&timestamps=rfc3339` → {@link MultisetDigest} (from, to: Unix ms)
 * - `GET  /simulator/lines?…` same parameters → the lines as NDJSON
 * - `POST /simulator/faults` with `{"next": fault, "times": n, "target": t}`, `{"always": fault, "target": t}`, `{"random": {…}}` or `{"off": true}`
 * - `POST /simulator/outage` with `{"outage": "none" | "refused" | "unavailable"}`
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { type Fault, faultKinds, type Faults, type FaultTarget, type RandomFaults } from "./Faults.ts"
import { httpRequestFields, type TimestampFormat } from "./HttpRequestFields.ts"
import type { PrintOptions } from "./RecordGenerator.ts"
import type { Simulator } from "./Simulator.ts"

/** A running control port. */
export interface ControlServer {
  /** `http://127.0.0.1:port/simulator` */
  readonly url: string
  readonly port: number
  readonly stop: () => Promise<void>
}

class BadRequest extends Error {
  override readonly name = "BadRequest"
}

/** Opens a control port on 127.0.0.1 (`port` 0: a free one). */
export const startControlServer = async (simulator: Simulator, port = 0): Promise<ControlServer> => {
  const server = createServer((request, response) => {
    handle(simulator, request, response).catch((cause: unknown) => {
      const message = cause instanceof Error ? cause.message : String(cause)
      if (response.headersSent) response.destroy()
      else {sendJson(response, cause instanceof BadRequest || cause instanceof RangeError ? 400 : 500, {
          error: message
        })}
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, "127.0.0.1", resolve)
  })
  const address = server.address()
  const actual = typeof address === "object" && address !== null ? address.port : port
  return {
    url: `http://127.0.0.1:${actual}/simulator`,
    port: actual,
    stop: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)))
        server.closeAllConnections()
      })
  }
}

const sendJson = (response: ServerResponse, status: number, value: unknown): void => {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify(value))
}

const handle = async (simulator: Simulator, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const url = new URL(request.url ?? "/", "http://simulator")
  switch (`${request.method ?? "GET"} ${url.pathname}`) {
    case "GET /simulator/clock":
      return sendJson(response, 200, { nowMs: simulator.clock() })
    case "GET /simulator/counters":
      return sendJson(response, 200, simulator.counters())
    case "GET /simulator/served": {
      const since = Number(url.searchParams.get("since") ?? 0)
      return sendJson(response, 200, simulator.truth.served().filter((one) => one.number > since))
    }
    case "GET /simulator/truth": {
      const { fromMs, print, toMs, zone } = windowOf(url.searchParams)
      return sendJson(response, 200, await simulator.truth.multisetDigest(zone, fromMs, toMs, print))
    }
    case "GET /simulator/lines": {
      const { fromMs, print, toMs, zone } = windowOf(url.searchParams)
      if (!simulator.zones.has(zone)) throw new BadRequest(`the simulator has no zone ${JSON.stringify(zone)}`)
      response.writeHead(200, { "content-type": "application/x-ndjson" })
      return pipeline(Readable.from(withNewlines(simulator.truth.lines(zone, fromMs, toMs, print))), response)
    }
    case "POST /simulator/faults":
      setFaults(simulator.faults, await bodyOf(request))
      return sendJson(response, 200, { ok: true })
    case "POST /simulator/outage": {
      const outage = (await bodyOf(request))["outage"]
      if (outage !== "none" && outage !== "refused" && outage !== "unavailable") {
        throw new BadRequest("\"outage\" must be \"none\", \"refused\" or \"unavailable\"")
      }
      await simulator.faults.outage(outage)
      return sendJson(response, 200, { ok: true })
    }
    default:
      return sendJson(response, 404, { error: `no control call ${request.method ?? "GET"} ${url.pathname}` })
  }
}

const newline = Buffer.from("\n")

async function* withNewlines(lines: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const line of lines) yield Buffer.concat([line, newline])
}

const windowOf = (
  parameters: URLSearchParams
): { readonly zone: string; readonly fromMs: number; readonly toMs: number; readonly print: PrintOptions } => {
  const moment = (name: string): number => {
    const text = parameters.get(name)
    if (text === null || !/^\d{1,15}$/.test(text)) throw new BadRequest(`"${name}" must be a time in Unix milliseconds`)
    return Number(text)
  }
  const list = parameters.get("fields")
  const timestamps = parameters.get("timestamps") ?? "unixnano"
  if (!isTimestampFormat(timestamps)) throw new BadRequest("\"timestamps\" must be unixnano, unix or rfc3339")
  const fields = list === null || list === "" ? undefined : list.split(",")
  const unknown = fields?.find((name) => !httpRequestFields.has(name))
  if (unknown !== undefined) throw new BadRequest(`no http_requests field is named ${JSON.stringify(unknown)}`)
  return {
    zone: parameters.get("zone") ?? "",
    fromMs: moment("from"),
    toMs: moment("to"),
    print: { fields, timestamps }
  }
}

const isTimestampFormat = (text: string): text is TimestampFormat =>
  text === "unixnano" || text === "unix" || text === "rfc3339"

const LONGEST_BODY = 65_536

const bodyOf = async (request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> => {
  let text = ""
  for await (const chunk of request) {
    text += String(chunk)
    if (text.length > LONGEST_BODY) throw new BadRequest("the body is longer than 64 KiB")
  }
  try {
    const value: unknown = JSON.parse(text)
    if (isObject(value)) return value
  } catch (cause) {
    throw new BadRequest("the body is not JSON", { cause })
  }
  throw new BadRequest("the body must be a JSON object")
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A fault by name or as an object with a known `kind`; further members are those of {@link Fault}. */
const faultOf = (value: unknown): Fault => {
  const candidate = typeof value === "string" ? { kind: value } : value
  if (!isFault(candidate)) {
    throw new BadRequest(`a fault is one of ${faultKinds.join(", ")}, or an object with such a "kind"`)
  }
  return candidate
}

const isFault = (value: unknown): value is Fault => isObject(value) && faultKinds.some((kind) => kind === value["kind"])

const targets: ReadonlyArray<FaultTarget> = ["received", "fields", "retention", "verify", "zones", "graphql", "audit"]

const isRandomFaults = (value: unknown): value is RandomFaults =>
  isObject(value) && typeof value["probability"] === "number" &&
  (typeof value["seed"] === "number" || typeof value["seed"] === "string")

const setFaults = (faults: Faults, body: Readonly<Record<string, unknown>>): void => {
  const target = targets.find((one) => one === (body["target"] ?? "received"))
  if (target === undefined) throw new BadRequest(`"target" must be one of ${targets.join(", ")}`)
  if (body["off"] === true) faults.off()
  else if (body["next"] !== undefined) {
    const times = body["times"] ?? 1
    if (typeof times !== "number" || !Number.isSafeInteger(times) || times < 1) {
      throw new BadRequest("\"times\" must be a positive integer")
    }
    faults.next(faultOf(body["next"]), { times, target })
  } else if (body["always"] !== undefined) faults.always(faultOf(body["always"]), { target })
  else if (isRandomFaults(body["random"])) faults.random(body["random"])
  else {throw new BadRequest(
      "the body needs \"next\", \"always\", \"off\": true, or \"random\" with \"seed\" and \"probability\""
    )}
}
