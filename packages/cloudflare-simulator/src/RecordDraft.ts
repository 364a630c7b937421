/**
 * One request before it is printed: indices into the zone's populations plus the numbers of its own, all drawn from
 * (zone seed, second, index within the second).
 */
import type { Device } from "./Devices.ts"
import { type Outcome } from "./Outcomes.ts"
import { type Resource } from "./Resources.ts"
import { combine, type Draws, scramble } from "./Seed.ts"

/** A deviation that real lines show and that is legal JSON. */
export type Oddity =
  | "none"
  /** Spaces after every brace, colon and comma, as some published Cloudflare lines have. */
  | "spaced"
  /** The Ray ID of the record before it: Ray IDs are not unique. */
  | "shared-ray"
  /** The field EdgeColoCode is missing. */
  | "without-colo"
  /** Only Worker and WAF fields: no time, no Ray ID. */
  | "worker-only"
  /** Umlauts, emoji, U+2028, escaped control characters and a lone surrogate in the URI and referer. */
  | "unicode"
  /** The `${jndi:…}` string of CVE-2021-44228 in URI and user agent. */
  | "jndi"
  /** A URI and a cookie of tens of kilobytes: the line exceeds 64 KiB. */
  | "oversized"

// Per 10 000 records.
const oddityRates: ReadonlyArray<readonly [Oddity, number]> = [
  ["spaced", 30],
  ["shared-ray", 60],
  ["without-colo", 20],
  ["worker-only", 4],
  ["unicode", 30],
  ["jndi", 6],
  ["oversized", 3]
]

const oddityTable: ReadonlyArray<Oddity> = oddityRates.flatMap(([oddity, rate]) =>
  Array.from({ length: rate }, () => oddity)
)

/** What one zone's records are drawn from. */
export interface Population {
  readonly zoneSeed: number
  readonly clientTable: Uint16Array
  readonly devices: ReadonlyArray<Device>
  readonly deviceTable: Uint16Array
  readonly resources: ReadonlyArray<Resource>
  readonly resourceTable: Uint16Array
  readonly outcomes: ReadonlyArray<Outcome>
  readonly outcomeTables: Readonly<Record<Resource["kind"], Uint16Array>>
}

/** A drawn record. Times are split into whole Unix seconds and nanoseconds because together they exceed 2^53. */
export interface RecordDraft {
  receivedMs: number
  startSecond: number
  startNanos: number
  endSecond: number
  endNanos: number
  rayId: string
  /** "00" when the request has no parent. */
  parentRayId: string
  oddity: Oddity
  client: number
  device: number
  resource: number
  outcome: number
  sourcePort: number
  roundTripMs: number
  requestBytes: number
  bodyBytes: number
  responseBytes: number
  firstByteMs: number
  originMs: number
  workerMicroseconds: number
  botScore: number
  attackScore: number
  cookies: string
  /** Seed for the texts of oddities. */
  oddSeed: number
}

/** A draft with neutral values, to be filled by {@link drawRecord}. */
export const emptyDraft = (): RecordDraft => ({
  receivedMs: 0,
  startSecond: 0,
  startNanos: 0,
  endSecond: 0,
  endNanos: 0,
  rayId: "",
  parentRayId: "00",
  oddity: "none",
  client: 0,
  device: 0,
  resource: 0,
  outcome: 0,
  sourcePort: 0,
  roundTripMs: 0,
  requestBytes: 0,
  bodyBytes: 0,
  responseBytes: 0,
  firstByteMs: 0,
  originMs: 0,
  workerMicroseconds: 0,
  botScore: 0,
  attackScore: 0,
  cookies: "{}",
  oddSeed: 0
})

/** Hexadecimal text of every 16-bit number. */
const hex16: ReadonlyArray<string> = Array.from({ length: 65536 }, (_, value) => value.toString(16).padStart(4, "0"))

const hex32 = (value: number): string => `${hex16[value >>> 16] ?? ""}${hex16[value & 0xffff] ?? ""}`

const rayOf = (zoneSeed: number, second: number, index: number): string =>
  // `scramble` is a bijection, so Ray IDs within one second differ unless the oddity asks otherwise.
  hex32(combine(zoneSeed ^ 0x726179, second)) + hex32(scramble(index ^ zoneSeed))

/** Longest lag between EdgeStartTimestamp and the moment the record is received, in ms. */
export const LONGEST_LAG_MS = 240_000

/** Draws record `index` of a second into `draft`. The first draw is the millisecond within the second it was received. */
export const drawRecord = (
  population: Population,
  second: number,
  index: number,
  draws: Draws,
  draft: RecordDraft
): void => {
  const { zoneSeed } = population
  draws.restart(combine(combine(zoneSeed, second), index))
  draft.receivedMs = second * 1000 + draws.below(1000)
  const odd = draws.below(10_000)
  draft.oddity = oddityTable[odd] ?? "none"
  draft.oddSeed = draws.next()
  const who = draws.next()
  draft.client = population.clientTable[who >>> 16] ?? 0
  draft.device = population.deviceTable[who & 0xffff] ?? 0
  const what = draws.next()
  draft.resource = population.resourceTable[what >>> 16] ?? 0
  const resource = population.resources[draft.resource]
  const kind = resource?.kind ?? "page"
  draft.outcome = population.outcomeTables[kind][what & 0xffff] ?? 0
  const outcome = population.outcomes[draft.outcome]
  const device = population.devices[draft.device]

  const duration = outcome?.origin === true ? 8 + Math.floor(900 * Math.pow(draws.unit(), 4)) : 1 + draws.below(12)
  draft.originMs = outcome?.origin === true ? duration : 0
  draft.firstByteMs = duration + draws.below(6)
  draft.workerMicroseconds = outcome?.worker === true ? 200 + draws.below(9000) : 0
  const lagMs = draws.below(20) < 17 ? 180_000 + draws.below(60_000) : draws.below(180_000)
  const startMs = draft.receivedMs - lagMs
  draft.startSecond = Math.floor(startMs / 1000)
  draft.startNanos = (startMs % 1000) * 1_000_000 + draws.below(1_000_000)
  const endMs = Math.min(draft.receivedMs, startMs + draft.firstByteMs + 1 + draws.below(20))
  draft.endSecond = Math.floor(endMs / 1000)
  draft.endNanos = endMs === startMs ? draft.startNanos : (endMs % 1000) * 1_000_000 + draws.below(1_000_000)
  draft.rayId = rayOf(zoneSeed, second, draft.oddity === "shared-ray" && index > 0 ? index - 1 : index)
  draft.parentRayId = outcome?.subrequest === true ? rayOf(zoneSeed, second - 1, index) : "00"
  draft.sourcePort = 1024 + draws.below(64_512)
  draft.roundTripMs = 1 + Math.floor(180 * Math.pow(draws.unit(), 3))
  draft.requestBytes = 300 + draws.below(3000)
  draft.bodyBytes = outcome?.body === true
    ? (resource?.bodyBytes ?? 0)
    : outcome?.origin === true
    ? 400 + draws.below(1600)
    : 0
  draft.responseBytes = draft.bodyBytes + 200 + draws.below(700)
  draft.botScore = Math.min(99, Math.max(1, (device?.botScore ?? 50) - 10 + draws.below(20)))
  draft.attackScore = outcome?.attack === true ? 1 + draws.below(20) : 60 + draws.below(40)
  const visit = draws.next()
  draft.cookies = (visit & 3) === 0
    ? `{"_ga":"GA1.1.${visit}.${draft.startSecond}","session":"${hex32(scramble(visit))}"}`
    : "{}"
}
