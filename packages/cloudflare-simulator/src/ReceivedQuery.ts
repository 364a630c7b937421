/** The query parameters of `GET /logs/received` and the rules Cloudflare checks them by (Logpull, "requesting logs"). */
import { logpullErrors } from "./ErrorBodies.ts"
import { defaultFields, type TimestampFormat } from "./HttpRequestFields.ts"

/** A valid query. Bounds are rounded up to the millisecond: records are received at whole milliseconds, so no record changes sides. */
export interface ReceivedQuery {
  readonly fromMs: number
  readonly toMs: number
  readonly fields: ReadonlyArray<string>
  readonly timestamps: TimestampFormat
  readonly count: number | undefined
  /** Share of the records to return, in (0, 1]. */
  readonly sample: number
  /** `CVE-2021-44228=true`: `${` becomes `x{` in values. */
  readonly rewriteLookups: "yes" | "no"
}

/** What a query is checked against. */
export interface QueryRules {
  readonly nowMs: number
  /** How long after the event a window may be asked for. */
  readonly settleMs: number
  /** The fields the zone offers. */
  readonly known: ReadonlySet<string>
}

/** Logs older than this are gone: 168 h. */
export const RETENTION_MS = 168 * 3_600_000

/** Longest window of one request: 1 h. */
export const LONGEST_WINDOW_MS = 3_600_000

const NANOS_PER_MS = 1_000_000n

/** Parses a Unix timestamp in seconds or nanoseconds or an RFC 3339 string into Unix nanoseconds. */
export const parseTime = (text: string | null): bigint | undefined => {
  if (text === null) return undefined
  if (/^\d{1,19}$/.test(text)) {
    const value = BigInt(text)
    // Nanoseconds of any date since 1970-01-12 have 16 digits or more; seconds of any date before year 33 million have fewer.
    return text.length >= 16 ? value : value * 1_000_000_000n
  }
  const match = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second, fraction = "", sign, offsetHour = "0", offsetMinute = "0"] = match
  const wall = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second))
  // Date.UTC carries over (31 February becomes March); a valid time prints as it was written.
  if (new Date(wall).toISOString().slice(0, 19) !== text.slice(0, 19).toUpperCase()) return undefined
  if (Number(offsetHour) > 23 || Number(offsetMinute) > 59) return undefined
  const offsetMs = (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000 * (sign === "-" ? -1 : 1)
  return BigInt(wall - offsetMs) * NANOS_PER_MS + BigInt(fraction.padEnd(9, "0"))
}

const ceilMs = (nanos: bigint): number => Number((nanos + NANOS_PER_MS - 1n) / NANOS_PER_MS)

/** Checks the parameters; the error is the body of the 400 answer. */
export const parseReceivedQuery = (
  parameters: URLSearchParams,
  rules: QueryRules
): { readonly query: ReceivedQuery } | { readonly error: string } => {
  const start = parseTime(parameters.get("start"))
  if (start === undefined) return { error: logpullErrors.badStart }
  const end = parseTime(parameters.get("end"))
  if (end === undefined) return { error: logpullErrors.badEnd }
  if (start >= end) return { error: logpullErrors.startNotBeforeEnd }
  if (end - start > BigInt(LONGEST_WINDOW_MS) * NANOS_PER_MS) return { error: logpullErrors.tooLong }
  const now = BigInt(Math.floor(rules.nowMs)) * NANOS_PER_MS
  if (start < now - BigInt(RETENTION_MS) * NANOS_PER_MS) return { error: logpullErrors.tooEarly }
  if (end > now - BigInt(rules.settleMs) * NANOS_PER_MS) return { error: logpullErrors.tooRecent(rules.settleMs) }

  const list = parameters.get("fields")
  const fields = list === null || list === "" ? defaultFields : list.split(",")
  const unknown = fields.find((name) => !rules.known.has(name))
  if (unknown !== undefined) return { error: logpullErrors.unknownField(unknown) }
  const timestamps = parameters.get("timestamps") ?? "unixnano"
  if (timestamps !== "unixnano" && timestamps !== "unix" && timestamps !== "rfc3339") {
    return { error: logpullErrors.badTimestamps }
  }
  const countText = parameters.get("count")
  if (countText !== null && !/^[1-9]\d{0,14}$/.test(countText)) return { error: logpullErrors.badCount }
  const sampleText = parameters.get("sample")
  const sample = sampleText === null ? 1 : Number(sampleText)
  if (sampleText === "" || !(sample > 0 && sample <= 1)) return { error: logpullErrors.badSample }
  return {
    query: {
      fromMs: ceilMs(start),
      toMs: ceilMs(end),
      fields,
      timestamps,
      count: countText === null ? undefined : Number(countText),
      sample,
      rewriteLookups: parameters.get("CVE-2021-44228") === "true" ? "yes" : "no"
    }
  }
}
