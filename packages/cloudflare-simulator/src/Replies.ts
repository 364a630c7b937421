/** Turns answers, refusals and edge faults into what goes over the socket. */
import { htmlPage, type SmallResponse, text, throttled, throttledText } from "./ErrorBodies.ts"
import type { Fault } from "./Faults.ts"
import { graphqlError } from "./GraphqlAnswers.ts"
import type { ReceivedQuery } from "./ReceivedQuery.ts"
import type { Answer } from "./Routes.ts"
import { Draws } from "./Seed.ts"
import type { Reply } from "./SendBody.ts"

/** The budget headers of every answer (Cloudflare API changelog 2025-09-03). */
export const rateHeaders = (remaining: number, resetSeconds: number): Readonly<Record<string, string>> => ({
  ratelimit: `"default";r=${remaining};t=${resetSeconds}`,
  "ratelimit-policy": "\"burst\";q=1200;w=300"
})

const encoder = new TextEncoder()

/** A small body as a reply. */
export const small = (response: SmallResponse, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status: response.status,
  headers: { "content-type": response.contentType, ...response.headers, ...headers },
  chunks: response.body === "" ? [] : [encoder.encode(response.body)]
})

/** The response of a fault that acts before the request is looked at. */
export const edgeFault = (fault: Fault, nowMs: number): SmallResponse => {
  switch (fault.kind) {
    case "too-many-requests": {
      const body = fault.body === "text" ? throttledText() : throttled()
      return fault.retryAfterSeconds === "absent"
        ? body
        : { ...body, headers: { "retry-after": String(fault.retryAfterSeconds ?? 1) } }
    }
    case "graphql-error":
      return graphqlError(fault.message ?? "unable to execute query, please try again later", nowMs, fault.code)
    case "timeout":
      return text(408, "")
    case "html":
      return htmlPage(200)
    default:
      return htmlPage(fault.kind === "server-error" ? fault.status ?? 502 : 502)
  }
}

/** The reply to an answer; `order` decides the order of the records and what `sample` keeps. */
export const replyOf = (result: Answer, order: number, headers: Readonly<Record<string, string>>): Reply => {
  if ("small" in result) return small(result.small, headers)
  const { records: query, zone } = result
  const chunks = zone.bytes(query.fromMs, query.toMs, { fields: query.fields, timestamps: query.timestamps, order })
  const whole = query.sample === 1 && query.count === undefined && query.rewriteLookups === "no"
  return {
    status: 200,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
    chunks: whole ? chunks : narrowed(chunks, query, new Draws(order))
  }
}

/** Applies `sample`, then `count`, and the rewriting of `${`, line by line. */
function* narrowed(chunks: Iterable<Uint8Array>, query: ReceivedQuery, draws: Draws): Generator<Uint8Array> {
  let left = query.count ?? Infinity
  for (const chunk of chunks) {
    const lines = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString("latin1").split("\n").slice(0, -1)
    const sampled = lines.filter(() => query.sample === 1 || draws.unit() < query.sample).slice(0, left)
    left -= sampled.length
    const printed = sampled.map((line) => `${query.rewriteLookups === "yes" ? line.replaceAll("${", "x{") : line}\n`)
      .join("")
    if (printed.length > 0) yield Buffer.from(printed, "latin1")
    if (left <= 0) return
  }
}
