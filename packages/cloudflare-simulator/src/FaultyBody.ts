/** Applies a fault to the chunks of a body; the fault always shows, however short the body is. */
import type { Fault } from "./Faults.ts"

/** What the server must do when the chunks end. */
export type BodyEnd = "complete" | "reset" | "cut" | "stall"

/** Cloudflare's last line of a stream that failed. */
export const STREAMING_ERROR = "Error streaming data."

const encoder = new TextEncoder()
const NEWLINE = 10
const halfLine = encoder.encode("{\"ClientIP\":\"203.0.113.")

/** Body bytes after which a fault without `afterBytes` strikes. */
const DEFAULT_AFTER_BYTES = 10_000

/** The chunks a faulty response sends, and how it ends. Chunks given end at line ends. */
export function* faultyChunks(chunks: Iterable<Uint8Array>, fault: Fault): Generator<Uint8Array, BodyEnd> {
  switch (fault.kind) {
    case "trailer":
      yield* before(chunks, fault.afterBytes ?? DEFAULT_AFTER_BYTES, "line end")
      yield encoder.encode(STREAMING_ERROR + (fault.lineEnd === "newline" ? "\n" : ""))
      return "complete"
    case "partial-line":
      yield* before(chunks, fault.afterBytes ?? DEFAULT_AFTER_BYTES, "inside a line")
      return "complete"
    case "cut":
      yield* before(chunks, fault.afterBytes ?? DEFAULT_AFTER_BYTES, "inside a line")
      return "cut"
    case "reset":
      yield* before(chunks, fault.afterBytes ?? DEFAULT_AFTER_BYTES, "inside a line")
      return "reset"
    case "stall":
      yield* before(chunks, fault.afterBytes ?? DEFAULT_AFTER_BYTES, "line end")
      return "stall"
    case "foreign-line":
      yield* withLine(chunks, "upstream connect error or disconnect/reset before headers")
      return "complete"
    case "array-line":
      yield* withLine(chunks, "[{\"RayID\":\"3a6050bcbe121a87\"}]")
      return "complete"
    default:
      yield* chunks
      return "complete"
  }
}

/**
 * The first `afterBytes` bytes, moved to a line end or into a line. A body that is not longer than that loses its last line, so that
 * something is always missing; of an empty body, half a line remains when it is to end inside one.
 */
function* before(
  chunks: Iterable<Uint8Array>,
  afterBytes: number,
  place: "line end" | "inside a line"
): Generator<Uint8Array> {
  let sent = 0
  let held: Uint8Array | undefined
  for (const chunk of chunks) {
    if (held !== undefined) {
      yield held
      sent += held.length
    }
    held = chunk
    if (sent + chunk.length > afterBytes) break
  }
  if (held === undefined) {
    if (place === "inside a line") yield halfLine
    return
  }
  const wanted = Math.max(0, Math.min(afterBytes - sent, held.length - 1))
  const lineStart = wanted === 0 ? 0 : held.lastIndexOf(NEWLINE, wanted - 1) + 1
  if (place === "line end") {
    if (lineStart > 0) yield held.subarray(0, lineStart)
    return
  }
  const newline = held.indexOf(NEWLINE, lineStart)
  const lineEnd = newline === -1 ? held.length : newline
  // Strictly inside: at least the opening brace, at most all but the closing one.
  yield held.subarray(0, Math.min(Math.max(wanted, lineStart + 1), lineEnd - 1))
}

function* withLine(chunks: Iterable<Uint8Array>, line: string): Generator<Uint8Array> {
  const extra = encoder.encode(line + "\n")
  let inserted = false
  for (const chunk of chunks) {
    if (inserted) {
      yield chunk
      continue
    }
    const middle = chunk.lastIndexOf(NEWLINE, Math.floor(chunk.length / 2)) + 1
    if (middle > 0) yield chunk.subarray(0, middle)
    yield extra
    yield chunk.subarray(middle)
    inserted = true
  }
  if (!inserted) yield extra
}
