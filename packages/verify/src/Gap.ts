/**
 * `rainlogs-gap/v1` (ledger format §3): a stretch of a source that could not be collected, and why.
 */
import { encode } from "./Ascii.ts"
import * as Field from "./Field.ts"
import { joinLines, Lines } from "./Lines.ts"
import { MalformedError } from "./Malformed.ts"

const format = "rainlogs-gap/v1"

/** Why a stretch is missing. */
export const gapReasons = [
  "expired",
  "blocked",
  "outage",
  "session",
  "overflow",
  "erased-at-source",
  "unknown"
] as const
/** One of {@link gapReasons}. */
export type GapReason = typeof gapReasons[number]

/** The source name under which a gap of the `control` chain excuses missing heartbeats. */
export const heartbeatSource = "rainlogs/heartbeat"
/** The source name under which a gap of the `control` chain declares that nothing could be anchored. */
export const anchorSource = "rainlogs/anchor"

/** A declared gap `[from, to)`; times in ms. */
export interface Gap {
  readonly origin: string
  /** A zone's UUID, or `control` for the ledger's own heartbeats. */
  readonly chain: string
  readonly source: string
  readonly from: number
  readonly to: number
  readonly reason: GapReason
  /** When the gap was found. */
  readonly detected: number
  /** One line of ASCII, or null. */
  readonly detail: string | null
}

const check = (gap: Gap): Gap => {
  if (gap.from >= gap.to) throw new MalformedError(format, `the gap [${gap.from}, ${gap.to}) is empty or reversed`)
  return gap
}

/** The document. */
export const printGap = (gap: Gap): string => {
  check(gap)
  if (gap.detail === "-") throw new MalformedError(format, "\"-\" means no detail and is not a value")
  const text = joinLines([
    format,
    `origin ${Field.origin(format, gap.origin)}`,
    `chain ${Field.chain(format, gap.chain)}`,
    `source ${Field.token(format, gap.source)}`,
    `from ${Field.count(format, gap.from)}`,
    `to ${Field.count(format, gap.to)}`,
    `reason ${Field.oneOf(format, gapReasons, gap.reason)}`,
    `detected ${Field.count(format, gap.detected)}`,
    `detail ${gap.detail === null ? "-" : Field.phrase(format, gap.detail)}`
  ])
  encode(text, format)
  return text
}

/** Reads the document; throws {@link MalformedError}. */
export const parseGap = (text: string): Gap => {
  encode(text, format)
  const lines = new Lines(format, text)
  const gap: Gap = {
    origin: lines.field("origin", Field.origin),
    chain: lines.field("chain", Field.chain),
    source: lines.field("source", Field.token),
    from: lines.field("from", Field.parseCount),
    to: lines.field("to", Field.parseCount),
    reason: lines.field("reason", (_, word) => Field.oneOf(format, gapReasons, word)),
    detected: lines.field("detected", Field.parseCount),
    detail: lines.field("detail", (_, detail) => Field.parseOptional(format, detail, Field.phrase))
  }
  lines.end()
  return check(gap)
}
