/**
 * A LedgerStore in memory, beside the real one: the same promises, and a hook around every call.
 */
import { genesisPrev } from "@rainlogs/verify/Chain"
import { type Entry, parseEntry, printEntry } from "@rainlogs/verify/Entry"
import * as Hex from "@rainlogs/verify/Hex"
import { leafHash } from "@rainlogs/verify/Merkle"
import { Effect, Option, Semaphore, Stream } from "effect"
import { makeOrigin, type Origin } from "../../src/domain/Customer.ts"
import { CustomerId, ZoneId } from "../../src/domain/Identifier.ts"
import { jobIdOf } from "../../src/domain/LogJob.ts"
import { emptyLogObject } from "../../src/domain/LogObject.ts"
import { type EntryDraft, placeEntry } from "../../src/ledger/EntryDraft.ts"
import { type LedgerOf, type LedgerRow, type LedgerSnapshot, LedgerStore } from "../../src/ledger/LedgerStore.ts"
import type { Hook } from "./Faults.ts"

const customer = CustomerId.make("6f1c1e0e-3b1a-4c37-8a55-0d5b7e9a2f10")

/** The ledger of the golden vectors. */
export const ledger: LedgerOf = { customer, origin: makeOrigin("archive.example.eu", customer) }

/** The zone of the golden ledger. */
export const zone = ZoneId.make("9d2a6c1e-58a7-4f2f-9b0e-6d7f4c8b1a22")

/** The rows of all ledgers: what a database keeps when a process dies. */
export class MemoryRows {
  readonly #rows = new Map<Origin, Array<{ readonly row: LedgerRow; readonly entry: Entry }>>()
  readonly #jobs = new Set<string>()
  readonly #heads = new Map<string, Entry>()
  readonly turn = Semaphore.makeUnsafe(1)
  publishing = false
  ledgers: ReadonlyArray<LedgerOf> = [ledger]

  of(origin: Origin): Array<{ readonly row: LedgerRow; readonly entry: Entry }> {
    const rows = this.#rows.get(origin) ?? []
    this.#rows.set(origin, rows)
    return rows
  }

  /** Appends an entry as it is. */
  push(origin: Origin, bytes: Uint8Array): void {
    const rows = this.of(origin)
    const entry = parseEntry(bytes)
    rows.push({ row: { leafIndex: rows.length, entry: bytes, leafHash: leafHash(bytes) }, entry })
    this.#jobs.add(`${origin} ${entry.job}`)
    this.#heads.set(`${origin} ${entry.chain}`, entry)
  }

  snapshot(origin: Origin): LedgerSnapshot {
    const rows = this.of(origin)
    const heads = new Map<string, { readonly chain: string; readonly nextSeq: number; readonly head: string }>()
    for (const { entry } of rows) {
      heads.set(entry.chain, { chain: entry.chain, nextSeq: entry.seq + 1, head: entry.hash })
    }
    return { size: rows.length, heads: [...heads.values()], lastTime: rows.at(-1)?.entry.time ?? null }
  }

  append(origin: Origin, draft: EntryDraft, now: number): "appended" | "exists" {
    const rows = this.of(origin)
    if (this.#jobs.has(`${origin} ${draft.job}`)) return "exists"
    const last = this.#heads.get(`${origin} ${draft.chain}`)
    const place = {
      origin,
      seq: last === undefined ? 0 : last.seq + 1,
      prev: last?.hash ?? Hex.encode(genesisPrev(origin, draft.chain)),
      time: Math.max(now, rows.at(-1)?.entry.time ?? 0)
    }
    this.push(origin, printEntry(placeEntry(draft, place)))
    return "appended"
  }

  /** Appends an empty window of one minute, the `index`-th of the zone. */
  appendWindow(origin: Origin, index: number, now: number, chain: ZoneId = zone): void {
    const window = { from: index * 60_000, to: (index + 1) * 60_000 }
    const source = "cloudflare/logpull/http_requests"
    this.append(origin, {
      kind: "object",
      chain,
      job: jobIdOf(origin, chain, source, window),
      window,
      source,
      object: { ...emptyLogObject, fidelity: "complete", params: null }
    }, now)
  }
}

const eventOf = ({ entry, row }: { readonly row: LedgerRow; readonly entry: Entry }) => ({
  documentSha256: entry.object,
  time: entry.time,
  seq: entry.seq,
  leafIndex: row.leafIndex
})

/** A ledger store on rows in memory. */
export const memoryLedger = (rows: MemoryRows, hook: Hook): LedgerStore["Service"] => {
  const snapshot = (origin: Origin) => hook("sql snapshot", Effect.sync(() => rows.snapshot(origin)))
  return LedgerStore.of({
    ledgers: hook("sql ledgers", Effect.sync(() => rows.ledgers)),
    append: (of, draft, now) => hook("sql append", Effect.sync(() => rows.append(of.origin, draft, now))),
    appendAt: (of, now, make) =>
      rows.turn.withPermits(1)(
        Effect.gen(function*() {
          const draft = yield* make(yield* snapshot(of.origin))
          if (Option.isNone(draft)) return false
          return (yield* hook("sql append", Effect.sync(() => rows.append(of.origin, draft.value, now)))) === "appended"
        })
      ),
    snapshot: (of) => snapshot(of.origin),
    rows: (of, from, to) =>
      Stream.unwrap(
        hook(
          `sql rows ${from} ${to}`,
          Effect.sync(() =>
            Stream.fromIterable(rows.of(of.origin).slice(from, to).map(({ row }) => row), { chunkSize: 1000 })
          )
        )
      ),
    lastEvent: (of, kind) =>
      hook(
        "sql event",
        Effect.sync(() => {
          const last = rows.of(of.origin).findLast(({ entry }) => entry.kind === kind)
          return last === undefined ? Option.none() : Option.some(eventOf(last))
        })
      ),
    events: (of, kind) =>
      Stream.unwrap(hook(
        "sql events",
        Effect.sync(() =>
          Stream.fromIterable(
            rows.of(of.origin).filter(({ entry }) => entry.kind === kind).map(eventOf).toReversed()
          )
        )
      )),
    exclusively: (_, work) =>
      Effect.suspend(() => {
        if (rows.publishing) return Effect.succeedNone
        rows.publishing = true
        return Effect.asSome(work).pipe(Effect.ensuring(Effect.sync(() => {
          rows.publishing = false
        })))
      })
  })
}
