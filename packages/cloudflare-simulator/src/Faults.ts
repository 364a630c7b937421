/**
 * Faults the simulator can be told to show: scripted one by one, always, or at random by seed. A random decision depends only on the seed,
 * the request's target and how often that target was asked, never on the order in which concurrent clients arrive.
 */
import { combine, Draws, hashText, samplingTable } from "./Seed.ts"

/** A fault. Absent numbers are drawn by seed; `afterBytes` counts body bytes before compression. */
export type Fault =
  /** 200, whole lines, then `Error streaming data.` as the last line (Logpull "requesting logs"). */
  | { readonly kind: "trailer"; readonly afterBytes?: number; readonly lineEnd?: "none" | "newline" }
  /** TCP reset in the middle of the body. */
  | { readonly kind: "reset"; readonly afterBytes?: number }
  /** The connection is closed in the middle of a line, before the end the framing promised. */
  | { readonly kind: "cut"; readonly afterBytes?: number; readonly framing?: "chunked" | "content-length" }
  /** A response that is complete as HTTP but ends in the middle of a line. */
  | { readonly kind: "partial-line"; readonly afterBytes?: number }
  /** No more bytes for `holdMs`, then the server gives up; without `afterBytes` not even headers are sent. */
  | { readonly kind: "stall"; readonly afterBytes?: number; readonly holdMs?: number }
  /** The body trickles at a few bytes a second and is complete in the end. */
  | { readonly kind: "drip"; readonly bytesPerSecond?: number }
  /** 429; `retryAfterSeconds: "absent"` leaves the header out. */
  | {
    readonly kind: "too-many-requests"
    readonly retryAfterSeconds?: number | "absent"
    readonly body?: "text" | "json"
  }
  /** A server error with an HTML body. */
  | { readonly kind: "server-error"; readonly status?: 500 | 502 | 503 | 504 | 520 | 522 | 524 }
  /** 408, as after 30 s without data; counts towards the hour's timeouts. */
  | { readonly kind: "timeout" }
  /** 200 with an HTML page in place of the records. */
  | { readonly kind: "html" }
  /** A line in the middle that is not JSON. */
  | { readonly kind: "foreign-line" }
  /** A line in the middle that is a JSON array, not an object. */
  | { readonly kind: "array-line" }
  /** Legal: the right body under a content type that does not fit it. */
  | { readonly kind: "odd-content-type" }
  /** GraphQL only: status 200 with `data: null` and this error. */
  | { readonly kind: "graphql-error"; readonly message?: string; readonly code?: string }

/** The name of a fault. */
export type FaultKind = Fault["kind"]

/** Which requests a fault strikes. */
export type FaultTarget = "received" | "fields" | "retention" | "verify" | "zones" | "graphql" | "audit"

/** Faults that replace the response or the connection before the request is looked at. */
const edgeKinds: ReadonlySet<FaultKind> = new Set<FaultKind>([
  "too-many-requests",
  "server-error",
  "timeout",
  "html",
  "graphql-error"
])

/** Whether a fault acts before the request is judged (`edge`) or on the body of a 200 answer (`body`). */
export const faultStage = (fault: Fault): "edge" | "body" =>
  edgeKinds.has(fault.kind) || (fault.kind === "stall" && fault.afterBytes === undefined) ? "edge" : "body"

/** Weights of the random mode unless told otherwise. */
export const defaultFaultWeights: Readonly<Record<FaultKind, number>> = {
  trailer: 4,
  reset: 3,
  cut: 3,
  "partial-line": 2,
  stall: 1,
  drip: 1,
  "too-many-requests": 3,
  "server-error": 4,
  timeout: 1,
  html: 1,
  "foreign-line": 1,
  "array-line": 1,
  "odd-content-type": 1,
  "graphql-error": 0
}

/** Every kind of fault. */
export const faultKinds: ReadonlyArray<FaultKind> = [
  "trailer",
  "reset",
  "cut",
  "partial-line",
  "stall",
  "drip",
  "too-many-requests",
  "server-error",
  "timeout",
  "html",
  "foreign-line",
  "array-line",
  "odd-content-type",
  "graphql-error"
]

/** The random mode. */
export interface RandomFaults {
  readonly seed: number | string
  /** Chance of a fault per request, 0 to 1. */
  readonly probability: number
  /** Relative weights by kind; kinds left out never come. Absent: {@link defaultFaultWeights}. */
  readonly weights?: Readonly<Partial<Record<FaultKind, number>>> | undefined
  /** Requests to strike; absent: `received` only. */
  readonly targets?: ReadonlyArray<FaultTarget> | undefined
  /** How long a stall lasts, real ms; absent: 35 000, longer than a client's idle limit of 30 s. */
  readonly stallMs?: number | undefined
  /** Pace of a drip; absent: 4 096. */
  readonly dripBytesPerSecond?: number | undefined
  /** `Retry-After` of a 429 that has one, seconds; absent: 1 to 5 by seed. */
  readonly retryAfterSeconds?: number | undefined
}

/** How a client finds the whole service: reachable, refusing connections, or answering 503 to everything. */
export type Outage = "none" | "refused" | "unavailable"

/** What one request is to suffer; asking consumes a scripted fault. */
export interface FaultsOfRequest {
  readonly at: (stage: "edge" | "body") => Fault | undefined
}

interface Scripted {
  readonly fault: Fault
  readonly target: FaultTarget
}

const asFault = (fault: Fault | FaultKind): Fault => (typeof fault === "string" ? { kind: fault } : fault)

/** The switchboard of a simulator's faults. */
export class Faults {
  #queue: Array<Scripted> = []
  #standing: Scripted | undefined
  #random: RandomFaults | undefined
  readonly #asked = new Map<string, number>()
  readonly #injected = new Map<FaultKind, number>()
  readonly #applyOutage: (outage: Outage) => Promise<void>
  #outage: Outage = "none"

  constructor(applyOutage: (outage: Outage) => Promise<void>) {
    this.#applyOutage = applyOutage
  }

  /** Strikes the next `times` requests to `target` (default `received`, once) that get as far as the fault acts. */
  next(fault: Fault | FaultKind, options: { readonly times?: number; readonly target?: FaultTarget } = {}): void {
    const scripted: Scripted = { fault: asFault(fault), target: options.target ?? "received" }
    for (let time = 0; time < (options.times ?? 1); time++) this.#queue.push(scripted)
  }

  /** Strikes every request to `target` (default `received`) until {@link off}; replaces an earlier `always`. */
  always(fault: Fault | FaultKind, options: { readonly target?: FaultTarget } = {}): void {
    this.#standing = { fault: asFault(fault), target: options.target ?? "received" }
  }

  /** Strikes at random by seed until {@link off}; scripted faults come first. */
  random(options: RandomFaults): void {
    if (!(options.probability >= 0 && options.probability <= 1)) {
      throw new RangeError(`a probability is 0 to 1, not ${options.probability}`)
    }
    this.#random = options
  }

  /** Forgets every scripted, standing and random fault; an outage goes on. */
  off(): void {
    this.#queue = []
    this.#standing = undefined
    this.#random = undefined
  }

  /** Starts or ends a total outage; resolves once clients can notice it. */
  async outage(outage: Outage): Promise<void> {
    this.#outage = outage
    await this.#applyOutage(outage)
  }

  /** The outage in force. */
  get currentOutage(): Outage {
    return this.#outage
  }

  /** How often each kind has struck. */
  get injected(): ReadonlyMap<FaultKind, number> {
    return this.#injected
  }

  /** Called by the server for each request; `key` names the request's content (path and window). */
  forRequest(target: FaultTarget | undefined, key: string): FaultsOfRequest {
    if (target === undefined) return { at: () => undefined }
    const random = this.#drawRandom(target, key)
    return {
      at: (stage) => {
        const fault = this.#scripted(target, stage) ??
          (random !== undefined && faultStage(random) === stage ? random : undefined)
        if (fault !== undefined) this.#injected.set(fault.kind, (this.#injected.get(fault.kind) ?? 0) + 1)
        return fault
      }
    }
  }

  #scripted(target: FaultTarget, stage: "edge" | "body"): Fault | undefined {
    const first = this.#queue.findIndex((one) => one.target === target)
    const queued = this.#queue[first]
    if (queued !== undefined) {
      if (faultStage(queued.fault) !== stage) return undefined
      this.#queue.splice(first, 1)
      return queued.fault
    }
    const standing = this.#standing
    return standing?.target === target && faultStage(standing.fault) === stage ? standing.fault : undefined
  }

  #drawRandom(target: FaultTarget, key: string): Fault | undefined {
    const options = this.#random
    if (options === undefined || !(options.targets ?? ["received"]).includes(target)) return undefined
    const attempt = (this.#asked.get(key) ?? 0) + 1
    this.#asked.set(key, attempt)
    const draws = new Draws(combine(combine(hashText(String(options.seed)), hashText(key)), attempt))
    if (draws.unit() >= options.probability) return undefined
    const weights = options.weights ?? defaultFaultWeights
    const table = samplingTable(faultKinds.map((kind) => weights[kind] ?? 0))
    const kind = faultKinds[table[draws.below(65_536)] ?? 0] ?? "trailer"
    return completed(kind, options, draws)
  }
}

/** Fills in the numbers of a random fault. */
const completed = (kind: FaultKind, options: RandomFaults, draws: Draws): Fault => {
  const afterBytes = draws.below(1 << (6 + draws.below(16)))
  switch (kind) {
    case "trailer":
      return { kind, afterBytes, lineEnd: draws.pick(["none", "newline"] as const) }
    case "cut":
      return { kind, afterBytes, framing: draws.pick(["chunked", "content-length"] as const) }
    case "reset":
    case "partial-line":
      return { kind, afterBytes }
    case "stall":
      return { kind, holdMs: options.stallMs ?? 35_000, ...(draws.below(2) === 0 ? {} : { afterBytes }) }
    case "drip":
      return { kind, bytesPerSecond: options.dripBytesPerSecond ?? 4096 }
    case "too-many-requests":
      return {
        kind,
        retryAfterSeconds: draws.below(2) === 0 ? "absent" : options.retryAfterSeconds ?? 1 + draws.below(5),
        body: draws.pick(["text", "json"] as const)
      }
    case "server-error":
      return { kind, status: draws.pick([500, 502, 503, 520] as const) }
    default:
      return { kind }
  }
}
