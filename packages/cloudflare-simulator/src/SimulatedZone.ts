/** One zone of the simulated account: its options, its records, and since when Cloudflare keeps its logs. */
import { GraphqlRows, type GraphqlZoneOptions } from "./GraphqlRows.ts"
import { type FieldSet, fieldsOf } from "./HttpRequestFields.ts"
import { RecordGenerator, type StreamOptions } from "./RecordGenerator.ts"

/** Cloudflare plans by `legacy_id`. */
export type Plan = "free" | "pro" | "business" | "enterprise"

/** A zone to simulate. */
export interface ZoneOptions {
  /** 32 lower-case hexadecimal digits. */
  readonly id: string
  readonly name: string
  readonly plan: Plan
  /** The log retention flag at the start; `false` is Cloudflare's default. */
  readonly retention: boolean
  /** Average records a second over a week; the rate follows a daily curve. */
  readonly recordsPerSecond: number
  readonly seed: number | string
  /** Unix ms of the zone's first record; absent: it has always existed. */
  readonly startedAt?: number | undefined
  /** Fields the zone offers; absent: `standard`. */
  readonly fieldSet?: FieldSet | undefined
  /**
   * Whether Logpull answers: `entitled`, `forbidden` (403), or `no-content` (the historical 204 of zones without the feature).
   * Absent: `entitled` for Enterprise, else `forbidden`.
   */
  readonly logpull?: "entitled" | "forbidden" | "no-content" | undefined
  /** What its GraphQL datasets hold. */
  readonly graphql?: GraphqlZoneOptions | undefined
}

/** A half-open interval of Unix milliseconds. */
export interface Interval {
  readonly fromMs: number
  readonly toMs: number
}

/** A zone with its state: the retention flag can be switched, everything else is fixed. */
export class SimulatedZone {
  readonly options: ZoneOptions
  readonly generator: RecordGenerator
  readonly fields: ReadonlySet<string>
  readonly logpull: "entitled" | "forbidden" | "no-content"
  readonly graphql: { readonly firewallEventsAdaptive: GraphqlRows; readonly httpRequestsAdaptive: GraphqlRows }
  #kept: Array<Interval>

  constructor(options: ZoneOptions) {
    if (!/^[0-9a-f]{32}$/.test(options.id)) {
      throw new TypeError(
        `zone id ${JSON.stringify(options.id)} is not 32 lower-case hexadecimal digits, as Cloudflare's are`
      )
    }
    this.options = options
    this.generator = new RecordGenerator(options)
    this.graphql = {
      firewallEventsAdaptive: new GraphqlRows("firewallEventsAdaptive", options),
      httpRequestsAdaptive: new GraphqlRows("httpRequestsAdaptive", options)
    }
    this.fields = new Set(fieldsOf(options.fieldSet ?? "standard"))
    this.logpull = options.logpull ?? (options.plan === "enterprise" ? "entitled" : "forbidden")
    this.#kept = options.retention ? [{ fromMs: options.startedAt ?? -Infinity, toMs: Infinity }] : []
  }

  /** The log retention flag. */
  get retention(): boolean {
    return this.#kept.at(-1)?.toMs === Infinity
  }

  /** Switches the flag at `nowMs`: what is received while it is off never exists; what is stored stays until it ages out. */
  setRetention(flag: boolean, nowMs: number): void {
    if (flag === this.retention) return
    const last = this.#kept.at(-1)
    if (flag) this.#kept.push({ fromMs: Math.max(nowMs, this.options.startedAt ?? -Infinity), toMs: Infinity })
    else if (last !== undefined) this.#kept = [...this.#kept.slice(0, -1), { fromMs: last.fromMs, toMs: nowMs }]
  }

  /** The parts of a window whose records were kept. */
  keptWithin(fromMs: number, toMs: number): ReadonlyArray<Interval> {
    return this.#kept
      .map((kept): Interval => ({ fromMs: Math.max(kept.fromMs, fromMs), toMs: Math.min(kept.toMs, toMs) }))
      .filter((part) => part.fromMs < part.toMs)
  }

  /** The kept lines of a window as chunks of whole lines. */
  *bytes(fromMs: number, toMs: number, options: StreamOptions): Generator<Uint8Array> {
    for (const part of this.keptWithin(fromMs, toMs)) yield* this.generator.bytes(part.fromMs, part.toMs, options)
  }
}
