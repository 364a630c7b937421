/** What really exists: the exact lines of any window, and what the simulator sent to whom. Tests compare archives with it. */
import { setImmediate as nextTurn } from "node:timers/promises"
import { auditEntries, type AuditOptions } from "./AuditLogs.ts"
import type { FaultKind } from "./Faults.ts"
import type { GraphqlDataset } from "./GraphqlDatasets.ts"
import { printRow } from "./GraphqlRows.ts"
import { type MultisetDigest, MultisetDigester } from "./MultisetDigest.ts"
import type { PrintOptions } from "./RecordGenerator.ts"
import type { SimulatedZone } from "./SimulatedZone.ts"

/** How a response ended, seen from the server. */
export type Ending = "complete" | "cut" | "reset" | "stalled" | "client-left"

/** One request and what was sent. */
export interface ServedRequest {
  /** 1 for the first request. */
  readonly number: number
  /** Simulated Unix ms. */
  readonly atMs: number
  readonly path: string
  readonly zone?: string | undefined
  /** The window of a valid `/logs/received` request, Unix ms. */
  readonly fromMs?: number | undefined
  readonly toMs?: number | undefined
  readonly status: number
  readonly fault?: FaultKind | undefined
  readonly ending: Ending
  /** Newlines and bytes of the body before compression, as handed to the socket. */
  readonly lines: number
  readonly bytes: number
}

const SERVED_KEPT = 100_000

/** The truth about a running simulator. Windows are `[fromMs, toMs)` in Unix ms on the received axis. */
export class Truth {
  readonly #zones: ReadonlyMap<string, SimulatedZone>
  readonly #audit: AuditOptions
  readonly #served: Array<ServedRequest> = []

  constructor(zones: ReadonlyMap<string, SimulatedZone>, audit: AuditOptions) {
    this.#audit = audit
    this.#zones = zones
  }

  /** The exact lines of a window, without newlines, in no particular order. Unknown zone: `RangeError`. */
  async *lines(zone: string, fromMs: number, toMs: number, options: PrintOptions = {}): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.#chunks(zone, fromMs, toMs, options)) {
      let from = 0
      for (let newline = chunk.indexOf(10); newline !== -1; newline = chunk.indexOf(10, from)) {
        yield chunk.subarray(from, newline)
        from = newline + 1
      }
    }
  }

  /** The order-independent digest of {@link lines}. */
  async multisetDigest(
    zone: string,
    fromMs: number,
    toMs: number,
    options: PrintOptions = {}
  ): Promise<MultisetDigest> {
    const digester = new MultisetDigester()
    for await (const chunk of this.#chunks(zone, fromMs, toMs, options)) digester.addLines(chunk)
    return digester.finish()
  }

  /** The digest of every row of a GraphQL dataset's window, unsampled and however late, printed with these fields. */
  graphqlDigest(
    zone: string,
    dataset: GraphqlDataset,
    window: { readonly fromMs: number; readonly toMs: number },
    fields: ReadonlyArray<string>
  ): MultisetDigest {
    const simulated = this.#zones.get(zone)
    if (simulated === undefined) throw new RangeError(`the simulator has no zone ${JSON.stringify(zone)}`)
    const digester = new MultisetDigester()
    for (const row of simulated.graphql[dataset].all(window.fromMs, window.toMs)) {
      digester.add(Buffer.from(printRow(row, fields, 1)))
    }
    return digester.finish()
  }

  /** The digest of the audit log's entries of `[fromMs, toMs)`, however late. */
  auditDigest(fromMs: number, toMs: number): MultisetDigest {
    const digester = new MultisetDigester()
    for (const { text } of auditEntries(this.#audit, fromMs, toMs)) digester.add(Buffer.from(text))
    return digester.finish()
  }

  /** The most recent requests, at most 100 000, oldest first. */
  served(): ReadonlyArray<ServedRequest> {
    return this.#served
  }

  /** Called by the server after each response. */
  record(request: ServedRequest): void {
    this.#served.push(request)
    if (this.#served.length > SERVED_KEPT * 1.1) this.#served.splice(0, this.#served.length - SERVED_KEPT)
  }

  async *#chunks(zone: string, fromMs: number, toMs: number, options: PrintOptions): AsyncGenerator<Uint8Array> {
    const simulated = this.#zones.get(zone)
    if (simulated === undefined) throw new RangeError(`the simulator has no zone ${JSON.stringify(zone)}`)
    for (const chunk of simulated.bytes(fromMs, toMs, options)) {
      yield chunk
      // The simulator goes on serving while a long truth is computed.
      await nextTurn()
    }
  }
}
