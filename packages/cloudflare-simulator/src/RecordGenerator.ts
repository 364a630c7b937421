/**
 * The records a simulated zone receives: a pure function of (seed, zone, second), so any window can be generated again exactly and any
 * partition of a range gives the same multiset of lines. Also the data source of the benchmarks ({@link generateBytes}).
 */
import { CLIENT_COUNT, makeClients } from "./Clients.ts"
import { makeDevices } from "./Devices.ts"
import { defaultFields, standardFields, type TimestampFormat } from "./HttpRequestFields.ts"
import { bytesOf } from "./JsonText.ts"
import { type Catalogue, compilePrinter, type PrintLine } from "./LinePrinter.ts"
import { makeOutcomes } from "./Outcomes.ts"
import { drawRecord, emptyDraft, type Population, type RecordDraft } from "./RecordDraft.ts"
import { makeResources, RESOURCE_COUNT } from "./Resources.ts"
import { combine, Draws, hashText, permuted, samplingTable, zipfWeights } from "./Seed.ts"
import { recordsInSecond } from "./TrafficRate.ts"

/** What decides a zone's records. */
export interface ZoneTraffic {
  readonly id: string
  readonly name: string
  /** Average over a week; the actual rate follows a daily curve. */
  readonly recordsPerSecond: number
  readonly seed: number | string
}

/** How records are printed. */
export interface PrintOptions {
  /** Field names in any order; absent: Logpull's default fields. */
  readonly fields?: ReadonlyArray<string> | undefined
  /** Absent: `unixnano`. */
  readonly timestamps?: TimestampFormat | undefined
}

/** How {@link RecordGenerator.bytes} streams. */
export interface StreamOptions extends PrintOptions {
  /** Order of the lines: same number, same order; the content never depends on it. Absent: by second received. */
  readonly order?: number | undefined
  /** Least size of a chunk in bytes; chunks end at line ends. Default 65 536. */
  readonly chunkBytes?: number | undefined
}

/** A record with the moment Cloudflare received it, the axis Logpull windows are cut on. */
export interface ReceivedRecord {
  readonly receivedMs: number
  readonly rayId: string
  readonly oddity: RecordDraft["oddity"]
  /** The exact line, without the newline. */
  readonly line: Uint8Array
}

const PRINTERS_KEPT = 8

/** Generates one zone's records. Times are Unix milliseconds; windows are half-open `[fromMs, toMs)` on the received axis. */
export class RecordGenerator {
  readonly zone: ZoneTraffic
  readonly #population: Population
  readonly #catalogue: Catalogue
  readonly #printers = new Map<string, PrintLine>()

  constructor(zone: ZoneTraffic) {
    this.zone = zone
    const zoneSeed = combine(hashText(String(zone.seed)), hashText(zone.id))
    const devices = makeDevices(combine(zoneSeed, 2))
    const resources = makeResources(combine(zoneSeed, 3), zone.name)
    const outcomes = makeOutcomes()
    const tableFor = (kind: "static" | "page" | "api" | "probe"): Uint16Array =>
      samplingTable(outcomes.map((one) => one.weights[kind]))
    this.#catalogue = { clients: makeClients(combine(zoneSeed, 1)), devices, resources, outcomes }
    this.#population = {
      zoneSeed,
      devices,
      resources,
      outcomes,
      clientTable: samplingTable(zipfWeights(CLIENT_COUNT, 1.05)),
      deviceTable: samplingTable(devices.map((one) => one.weight)),
      resourceTable: samplingTable(zipfWeights(RESOURCE_COUNT, 0.95)),
      outcomeTables: {
        static: tableFor("static"),
        page: tableFor("page"),
        api: tableFor("api"),
        probe: tableFor("probe")
      }
    }
  }

  /** How many records the zone receives in one Unix second. */
  countInSecond(second: number): number {
    return recordsInSecond(this.#population.zoneSeed, second, this.zone.recordsPerSecond, new Draws(0))
  }

  /** The records of a window one by one, by second received. */
  *recordsOf(fromMs: number, toMs: number, options: StreamOptions = {}): Generator<ReceivedRecord> {
    const print = this.#printer(options)
    for (const draft of this.#drafts(fromMs, toMs, options.order)) {
      yield {
        receivedMs: draft.receivedMs,
        rayId: draft.rayId,
        oddity: draft.oddity,
        line: bytesOf(print(draft).slice(0, -1))
      }
    }
  }

  /** The lines of a window as chunks of whole lines; memory is bounded by one chunk and one line. */
  *bytes(fromMs: number, toMs: number, options: StreamOptions = {}): Generator<Uint8Array> {
    const print = this.#printer(options)
    const chunkBytes = options.chunkBytes ?? 65_536
    let chunk = ""
    for (const draft of this.#drafts(fromMs, toMs, options.order)) {
      chunk += print(draft)
      if (chunk.length >= chunkBytes) {
        yield bytesOf(chunk)
        chunk = ""
      }
    }
    if (chunk.length > 0) yield bytesOf(chunk)
  }

  /** Yields the same mutable draft again and again: read it before asking for the next. */
  *#drafts(fromMs: number, toMs: number, order: number | undefined): Generator<RecordDraft> {
    if (!(fromMs < toMs)) return
    const population = this.#population
    const draws = new Draws(0)
    const draft = emptyDraft()
    const firstSecond = Math.floor(fromMs / 1000)
    const seconds = Math.ceil(toMs / 1000) - firstSecond
    const secondAt = order === undefined ? identity : permuted(seconds, combine(order, 1))
    for (let position = 0; position < seconds; position++) {
      const second = firstSecond + secondAt(position)
      const count = recordsInSecond(population.zoneSeed, second, this.zone.recordsPerSecond, draws)
      const indexAt = order === undefined ? identity : permuted(count, combine(order, second))
      const whole = second * 1000 >= fromMs && (second + 1) * 1000 <= toMs
      for (let index = 0; index < count; index++) {
        drawRecord(population, second, indexAt(index), draws, draft)
        if (whole || (draft.receivedMs >= fromMs && draft.receivedMs < toMs)) yield draft
      }
    }
  }

  #printer(options: PrintOptions): PrintLine {
    const fields = options.fields ?? defaultFields
    const timestamps = options.timestamps ?? "unixnano"
    // The member order is the printer's own, so selections that differ in order share a printer.
    const key = `${timestamps} ${[...new Set(fields)].sort().join(",")}`
    const known = this.#printers.get(key)
    if (known !== undefined) return known
    const printer = compilePrinter(this.#catalogue, fields, timestamps)
    const oldest = this.#printers.keys().next()
    if (this.#printers.size >= PRINTERS_KEPT && oldest.done !== true) this.#printers.delete(oldest.value)
    this.#printers.set(key, printer)
    return printer
  }
}

const identity = (position: number): number => position

/** The records of a window of one zone (see {@link RecordGenerator.recordsOf}; keep a generator when asking often). */
export const recordsOf = (
  zone: ZoneTraffic,
  fromMs: number,
  toMs: number,
  options: StreamOptions = {}
): Iterable<ReceivedRecord> => new RecordGenerator(zone).recordsOf(fromMs, toMs, options)

/**
 * At least `bytes` bytes of NDJSON in chunks of whole lines, the same for the same arguments: data for benchmarks.
 * Standard fields and RFC 3339 timestamps unless told otherwise; chunks of about 64 KiB.
 */
export function* generateBytes(
  options: StreamOptions & {
    readonly bytes: number
    readonly seed: number | string
    readonly fromMs?: number | undefined
  }
): Generator<Uint8Array> {
  const recordsPerSecond = 5000
  const generator = new RecordGenerator({
    id: "0".repeat(32),
    name: "example.com",
    recordsPerSecond,
    seed: options.seed
  })
  const fields = options.fields ?? standardFields
  const timestamps = options.timestamps ?? "rfc3339"
  let fromMs = options.fromMs ?? Date.UTC(2026, 9, 1)
  let left = options.bytes
  while (left > 0) {
    for (
      const chunk of generator.bytes(fromMs, fromMs + 60_000, { ...options, fields, timestamps })
    ) {
      yield chunk
      left -= chunk.length
      if (left <= 0) return
    }
    fromMs += 60_000
  }
}
