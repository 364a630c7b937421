/**
 * Checks that every line of a frame is exactly one JSON object (RFC 8259) in valid UTF-8. The parsed value is thrown
 * away: the archive keeps the bytes as they are.
 *
 * One `JSON.parse` per line is faster than one per block of joined lines on Node and on Bun (`bench/README.md`), and it
 * cannot take two broken lines for one good value.
 */
import { isUtf8 } from "node:buffer"
import type { SealFault } from "./SealError.ts"

const lineFeed = 0x0a

/** A line that is refused: its index in the frame from 0, its byte offset in the frame. */
export interface LineFault {
  readonly code: SealFault
  readonly index: number
  readonly offset: number
}

/** How many lines the frame has, or the first that is refused. */
export type Validated = { readonly lines: number } | { readonly fault: LineFault }

// The structure of JSON is ASCII and every byte of a longer UTF-8 sequence is 0x80 or more, so reading the bytes as
// Latin-1 finds the same structure as reading them as UTF-8, at a fraction of the cost.
const faultOf = (frame: Buffer, from: number, to: number): SealFault | undefined => {
  if (from === to) return "empty-line"
  let value: unknown
  try {
    value = JSON.parse(frame.toString("latin1", from, to))
  } catch {
    return "not-json"
  }
  return typeof value === "object" && value !== null && !Array.isArray(value) ? undefined : "not-object"
}

/** Validates a frame of whole lines, each ended by LF. `maxLineBytes` is the longest line, without its LF. */
export const validateLines = (frame: Buffer, maxLineBytes: number): Validated => {
  // LF is never part of a longer sequence, so the frame is valid UTF-8 exactly if every line is.
  const allUtf8 = isUtf8(frame)
  let lines = 0
  for (let from = 0; from < frame.length; lines++) {
    const end = frame.indexOf(lineFeed, from)
    const to = end === -1 ? frame.length : end
    const code = to - from > maxLineBytes
      ? "line-too-long"
      : !allUtf8 && !isUtf8(frame.subarray(from, to))
      ? "invalid-utf8"
      : faultOf(frame, from, to)
    if (code !== undefined) return { fault: { code, index: lines, offset: from } }
    from = to + 1
  }
  return { lines }
}
