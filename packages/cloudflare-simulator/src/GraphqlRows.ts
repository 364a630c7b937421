/**
 * The rows of a zone's GraphQL datasets: a pure function of seed and second, with bursts, rows that are alike in every field, and late
 * ingestion. A row of a wide, busy window is sampled: only one in `sampleInterval` is shown, fewer in narrow windows.
 */
import { type GraphqlDataset, graphqlFields, type GraphqlSettings, graphqlSettings } from "./GraphqlDatasets.ts"
import { combine, Draws, hashText } from "./Seed.ts"
import type { ZoneOptions } from "./SimulatedZone.ts"
import { recordsInSecond } from "./TrafficRate.ts"

/** What a zone's GraphQL datasets hold. */
export interface GraphqlZoneOptions {
  /** Average rows a second of each dataset; absent: 0.05. */
  readonly rowsPerSecond?: number | undefined
  /** Seconds (Unix) that hold exactly so many rows. */
  readonly bursts?: ReadonlyArray<{ readonly second: number; readonly rows: number }> | undefined
  /** A window with more rows than this is sampled; absent: 1 000 000. */
  readonly sampleAbove?: number | undefined
  /** The latest a row appears after its second, ms; absent: 240 000. */
  readonly latestMs?: number | undefined
  /** Overrides of what the plan allows. */
  readonly settings?: Partial<GraphqlSettings> | undefined
}

/** One row: each field's JSON text. */
export interface GraphqlRow {
  readonly second: number
  /** Unix ms from which it can be seen. */
  readonly visibleAt: number
  /** Decides whether a sample has it. */
  readonly lot: number
  readonly fields: Readonly<Record<string, string>>
}

const rules: ReadonlyArray<readonly [action: string, source: string, ruleId: string, description: string]> = [
  ["block", "firewallManaged", "6179ae15870a4bb7b2d480d4843b323c", "Managed rules"],
  ["managed_challenge", "firewallCustom", "d3a1c0fc5e7c4c0b9b5f2f2f0a6e9a11", "Challenge \"login\""],
  ["block", "ratelimit", "2b5f06e34a814a889bee9a0699702280", "API rate limit"],
  ["log", "firewallrules", "8ac8bc2a661e475d940980f9317f28e1", ""]
]

const paths = ["/", "/login", "/suche", "/api/v1/orders", "/line\u2028separator", "/日本語", "/quote\"back\\slash"]

/** The rows of one dataset of a zone. */
export class GraphqlRows {
  readonly settings: GraphqlSettings
  /** Every field of the dataset, whether or not the zone may ask for it. */
  readonly known: ReadonlySet<string>
  readonly #dataset: GraphqlDataset
  readonly #options: GraphqlZoneOptions
  readonly #host: string
  readonly #seed: number
  readonly #startedAt: number

  constructor(dataset: GraphqlDataset, zone: ZoneOptions) {
    this.#dataset = dataset
    this.#options = zone.graphql ?? {}
    this.known = new Set(graphqlFields[dataset])
    this.#host = zone.name
    this.#seed = combine(hashText(String(zone.seed)), hashText(dataset))
    this.#startedAt = zone.startedAt ?? -Infinity
    this.settings = { ...graphqlSettings(dataset, zone.plan), ...this.#options.settings }
  }

  /** Every row of the seconds in `[fromMs, toMs)`, in order of time. */
  *all(fromMs: number, toMs: number): Generator<GraphqlRow> {
    for (let second = Math.ceil(fromMs / 1000); second * 1000 < toMs; second++) {
      if (second * 1000 < this.#startedAt) continue
      let before: GraphqlRow | undefined
      const rows = this.#rowsIn(second)
      for (let index = 0; index < rows; index++) {
        const draws = new Draws(combine(combine(this.#seed, second), index))
        // One row in twelve is its predecessor once more: same second, same ray, same rule.
        const row: GraphqlRow = before !== undefined && draws.below(12) === 0
          ? { ...before, lot: draws.next() }
          : this.#row(second, draws)
        yield row
        before = row
      }
    }
  }

  /** What a query at `nowMs` sees: the rows that have come in, sampled if there are many; and the sample interval. */
  seen(
    fromMs: number,
    toMs: number,
    nowMs: number
  ): { readonly rows: ReadonlyArray<GraphqlRow>; readonly interval: number } {
    const there = [...this.all(fromMs, toMs)].filter((row) => row.visibleAt <= nowMs)
    const most = this.#options.sampleAbove ?? 1_000_000
    let interval = 1
    while (there.length / interval > most) interval *= 2
    return { rows: there.filter((row) => row.lot % interval === 0), interval }
  }

  #rowsIn(second: number): number {
    const burst = this.#options.bursts?.find((one) => one.second === second)
    return burst?.rows ?? recordsInSecond(this.#seed, second, this.#options.rowsPerSecond ?? 0.05, new Draws(0))
  }

  #row(second: number, draws: Draws): GraphqlRow {
    const [action, source, ruleId, description] = draws.pick(rules)
    const status = draws.pick([200, 403, 403, 429, 503])
    const text = JSON.stringify
    const shared: Record<string, string> = {
      clientASNDescription: text("EXAMPLE-AS"),
      clientAsn: text(String(64_496 + draws.below(16))),
      clientCountryName: text(draws.pick(["DE", "FR", "IT", "T1"])),
      clientIP: text(`203.0.113.${draws.below(256)}`),
      clientRequestHTTPHost: text(this.#host),
      clientRequestHTTPMethodName: text(draws.pick(["GET", "POST"])),
      clientRequestHTTPProtocol: text("HTTP/2"),
      clientRequestPath: text(draws.pick(paths)),
      clientRequestQuery: text(draws.pick(["", "?q=käse"])),
      clientRequestScheme: text("https"),
      datetime: text(new Date(second * 1000).toISOString().replace(".000Z", "Z")),
      edgeResponseStatus: String(status),
      originResponseStatus: "0",
      rayName: text(draws.hex(16)),
      userAgent: text("Mozilla/5.0 (X11; Linux x86_64)"),
      // uint64: above 2^53.
      zoneVersion: `90071992547${41_000_000 + draws.below(1_000_000)}`
    }
    const own: Record<string, string> = this.#dataset === "firewallEventsAdaptive"
      ? {
        action: text(action),
        description: text(description),
        edgeColoName: text("FRA"),
        kind: text("firewall"),
        matchIndex: String(draws.below(3)),
        metadata: `[{"key":"type","value":"customer"}]`,
        originatorRayName: text("00"),
        ref: text(""),
        ruleId: text(ruleId),
        rulesetId: text(""),
        source: text(source)
      }
      : {
        cacheStatus: text("dynamic"),
        clientDeviceType: text("desktop"),
        coloCode: text("FRA"),
        edgeTimeToFirstByteMs: String(draws.below(300)),
        originResponseDurationMs: String(draws.below(300)),
        requestSource: text("eyeball"),
        securityAction: text(status === 403 ? action : "unknown"),
        securitySource: text(status === 403 ? source : "unknown")
      }
    const latest = this.#options.latestMs ?? 240_000
    return {
      second,
      visibleAt: second * 1000 + (latest === 0 ? 0 : draws.below(latest)),
      lot: draws.next(),
      fields: { ...shared, ...own }
    }
  }
}

/** A row as a JSON object of these fields, in their order. */
export const printRow = (row: GraphqlRow, fields: ReadonlyArray<string>, interval: number): string =>
  `{${
    fields.map((name) => `"${name}":${name === "sampleInterval" ? interval : row.fields[name] ?? "null"}`).join(",")
  }}`
