/**
 * Prints drafts as NDJSON lines for one selection of fields. Members that belong to a visitor, program, resource or outcome are joined
 * once per population element, so that a line is a dozen concatenations.
 */
import type { Device } from "./Devices.ts"
import { httpRequestFields, type TimestampFormat } from "./HttpRequestFields.ts"
import { type JsonFields, jsonOf } from "./JsonText.ts"
import { compactObject, oddValues, spacedObject } from "./OddText.ts"
import type { Outcome } from "./Outcomes.ts"
import type { RecordDraft } from "./RecordDraft.ts"
import type { Resource } from "./Resources.ts"
import { otelAllFields } from "./samples/HttpRequests.ts"

/** The shared members a zone's records are printed from. */
export interface Catalogue {
  readonly clients: ReadonlyArray<JsonFields>
  readonly devices: ReadonlyArray<Device>
  readonly resources: ReadonlyArray<Resource>
  readonly outcomes: ReadonlyArray<Outcome>
}

/** Prints one record as a byte string that ends in a newline. */
export type PrintLine = (draft: RecordDraft) => string

type Value = (draft: RecordDraft) => string

const isoSeconds = new Map<number, string>()

const rfc3339 = (second: number): string => {
  let text = isoSeconds.get(second)
  if (text === undefined) {
    text = `"${new Date(second * 1000).toISOString().slice(0, 19)}Z"`
    if (isoSeconds.size > 10_000) isoSeconds.clear()
    isoSeconds.set(second, text)
  }
  return text
}

const timestamp = (format: TimestampFormat, second: number, nanos: number): string => {
  switch (format) {
    case "unixnano":
      return second + String(1_000_000_000 + nanos).slice(1)
    case "unix":
      return String(second)
    case "rfc3339":
      return rfc3339(second)
  }
}

const ownValues = (timestamps: TimestampFormat): Readonly<Record<string, Value>> => ({
  RayID: (draft) => `"${draft.rayId}"`,
  EdgeStartTimestamp: (draft) => timestamp(timestamps, draft.startSecond, draft.startNanos),
  EdgeEndTimestamp: (draft) => timestamp(timestamps, draft.endSecond, draft.endNanos),
  ParentRayID: (draft) => `"${draft.parentRayId}"`,
  ClientSrcPort: (draft) => String(draft.sourcePort),
  ClientTCPRTTMs: (draft) => String(draft.roundTripMs),
  ClientRequestBytes: (draft) => String(draft.requestBytes),
  CacheResponseBytes: (draft) => String(draft.responseBytes),
  EdgeResponseBodyBytes: (draft) => String(draft.bodyBytes),
  EdgeResponseBytes: (draft) => String(draft.responseBytes),
  EdgeTimeToFirstByteMs: (draft) => String(draft.firstByteMs),
  OriginResponseDurationMs: (draft) => String(draft.originMs),
  OriginResponseHeaderReceiveDurationMs: (draft) => String(draft.originMs === 0 ? 0 : draft.originMs - 1),
  OriginResponseTime: (draft) => String(draft.originMs * 1_000_000),
  WorkerCPUTime: (draft) => String(draft.workerMicroseconds),
  WorkerWallTimeUs: (draft) => String(draft.workerMicroseconds * 3),
  BotScore: (draft) => String(draft.botScore),
  WAFAttackScore: (draft) => String(draft.attackScore),
  WAFRCEAttackScore: (draft) => String(Math.min(99, draft.attackScore + 3)),
  WAFSQLiAttackScore: (draft) => String(Math.min(99, draft.attackScore + 7)),
  WAFXSSAttackScore: (draft) => String(Math.min(99, draft.attackScore + 5)),
  Cookies: (draft) => draft.cookies
})

/** Values of fields that do not vary here: those of the real full sample line, else the empty value of the field's type. */
const constants: JsonFields = (() => {
  const sample: unknown = JSON.parse(otelAllFields[0] ?? "{}")
  return Object.fromEntries([...httpRequestFields].map(([name, type]) => {
    const real: unknown = typeof sample === "object" && sample !== null ? Reflect.get(sample, name) : undefined
    const empty = type === "object"
      ? {}
      : type.startsWith("array")
      ? []
      : type === "bool"
      ? false
      : type === "string"
      ? ""
      : 0
    return [name, jsonOf(real ?? empty)]
  }))
})()

/** Members, each with a leading comma, of those `names` that `fields` has. */
const joined = (fields: JsonFields, names: ReadonlyArray<string>): string =>
  names.map((name) => `,"${name}":${fields[name] ?? "null"}`).join("")

/**
 * Compiles a printer for a selection of fields. Members come in an order of the printer's own, whatever order `fields` has
 * (Cloudflare leaves the order unspecified). Unknown names are an error of the caller.
 */
export const compilePrinter = (
  catalogue: Catalogue,
  fields: ReadonlyArray<string>,
  timestamps: TimestampFormat
): PrintLine => {
  const wanted = new Set(fields)
  for (const name of wanted) {
    if (!httpRequestFields.has(name)) throw new RangeError(`no http_requests field is named ${JSON.stringify(name)}`)
  }
  const own = ownValues(timestamps)
  const { clients, devices, outcomes, resources } = catalogue
  const groups: ReadonlyArray<readonly [JsonFields, ReadonlyArray<JsonFields>, (draft: RecordDraft) => number]> = [
    [clients[0] ?? {}, clients, (draft) => draft.client],
    [devices[0]?.fields ?? {}, devices.map((one) => one.fields), (draft) => draft.device],
    [resources[0]?.fields ?? {}, resources.map((one) => one.fields), (draft) => draft.resource],
    [outcomes[0]?.fields ?? {}, outcomes.map((one) => one.fields), (draft) => draft.outcome]
  ]

  const pieces: Array<Value> = []
  const members: Array<readonly [name: string, value: Value]> = []
  for (const [shape, elements, indexOf] of groups) {
    const names = Object.keys(shape).filter((name) => wanted.delete(name))
    if (names.length === 0) continue
    const texts = elements.map((element) => joined(element, names))
    pieces.push((draft) => texts[indexOf(draft)] ?? "")
    for (const name of names) members.push([name, (draft) => elements[indexOf(draft)]?.[name] ?? "null"])
  }
  for (const [name, value] of Object.entries(own)) {
    if (!wanted.delete(name)) continue
    const head = `,"${name}":`
    pieces.push((draft) => head + value(draft))
    members.push([name, value])
  }
  const still = [...wanted]
  if (still.length > 0) {
    const text = joined(constants, still)
    pieces.push(() => text)
    for (const name of still) members.push([name, () => constants[name] ?? "null"])
  }

  const [first, ...rest] = pieces
  if (first === undefined) return () => "{}\n"
  const plain: PrintLine = (draft) => {
    // The first piece brings a comma where the brace belongs; cutting the short first piece is cheaper than cutting the line.
    let line = "{" + first(draft).slice(1)
    for (const piece of rest) line += piece(draft)
    return line + "}\n"
  }
  return (draft) => draft.oddity === "none" || draft.oddity === "shared-ray" ? plain(draft) : oddLine(members, draft)
}

const oddLine = (members: ReadonlyArray<readonly [name: string, value: Value]>, draft: RecordDraft): string => {
  const replaced = oddValues(draft)
  const kept = members.filter(([name]) =>
    draft.oddity === "without-colo"
      ? name !== "EdgeColoCode"
      : draft.oddity === "worker-only"
      ? /^(Worker|WAF)/.test(name)
      : true
  )
  // A selection that the oddity would empty is printed whole.
  const printed = (kept.length === 0 ? members : kept).map((
    [name, value]
  ): readonly [string, string] => [name, replaced[name] ?? value(draft)])
  return (draft.oddity === "spaced" ? spacedObject(printed) : compactObject(printed)) + "\n"
}
