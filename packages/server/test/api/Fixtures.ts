/**
 * Zones and jobs to put into the in-memory ports.
 */
import type { JobView } from "@rainlogs/core/archive/WindowLedger"
import { CustomerId, JobId, Sha256Hex, SourceId, ZoneId } from "@rainlogs/core/domain/Identifier"
import type { LogJob } from "@rainlogs/core/domain/LogJob"
import { emptyLogObject, type LogObject } from "@rainlogs/core/domain/LogObject"
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import { MemoryState } from "./MemoryPorts.ts"
import { TestServer } from "./TestServer.ts"

/** A Cloudflare zone id with the given number. */
export const cloudflareZone = (number: number): string => number.toString(16).padStart(32, "0")

/** A Cloudflare token no test may ever see again. */
export const cloudflareToken = "cf-token-Zx81_never-to-be-seen-again"

/** Creates a zone through the API and returns its id. */
export const newZone = Effect.fnUntraced(function*(key: string, number = 1) {
  const { request } = yield* TestServer
  const answer = yield* request("POST", "/api/v1/zones", {
    key,
    body: { name: "example.eu", cloudflareZoneId: cloudflareZone(number), token: cloudflareToken }
  })
  const zone: { readonly id: string } = JSON.parse(answer.text)
  return ZoneId.make(zone.id)
})

/** Posts the same zone 20 times at once; how many of the answers were 201 and 409. */
export const postZoneTwentyTimes = Effect.fnUntraced(function*(key: string) {
  const { request } = yield* TestServer
  const body = { name: "example.eu", cloudflareZoneId: cloudflareZone(7), token: cloudflareToken }
  const answers = yield* Effect.forEach(
    Array.from({ length: 20 }),
    () => request("POST", "/api/v1/zones", { key, body }),
    { concurrency: "unbounded" }
  )
  return [201, 409].map((status) => answers.filter((answer) => answer.status === status).length)
})

/** Midnight of 1 January 2026, Unix ms. */
const epoch = Date.UTC(2026, 0, 1)

/** Puts a job of the zone into the state; its window is `[from, from + 5 min)` unless said otherwise. */
export const newJob = Effect.fnUntraced(function*(options: {
  readonly zone: ZoneId
  readonly customer: string
  readonly state: LogJob["state"]
  readonly from?: number
  readonly to?: number
  readonly object?: Partial<LogObject>
}) {
  const state = yield* MemoryState
  const customer = CustomerId.make(options.customer)
  const from = options.from ?? epoch
  const committed = options.state === "committed"
  const view: JobView = {
    job: {
      id: JobId.make(randomUUID()),
      customer,
      zone: options.zone,
      source: SourceId.make(randomUUID()),
      sourceName: "cloudflare/logpull/http_requests",
      window: { from, to: options.to ?? from + 300_000 },
      state: options.state,
      attempts: 1,
      failures: 0,
      fence: 1,
      notBefore: from,
      lastError: null,
      createdAt: from,
      updatedAt: from
    },
    object: committed || options.object !== undefined
      ? {
        key: `logs/${options.zone}/2026/01/01/00/object.ndjson.zst`,
        sha256: Sha256Hex.make("ab".repeat(32)),
        size: 1000,
        codec: "zstd",
        encryption: "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM",
        dek: "dek",
        records: 2,
        plainSize: 2000,
        fidelity: "complete",
        params: null,
        recordsRoot: null,
        ...options.object
      }
      : null,
    entry: committed ? { leafIndex: 7, seq: 5 } : null,
    gapReason: options.state === "gap" ? "expired" : null,
    erasure: null
  }
  state.jobs.set(view.job.id, view)
  return view
})

/** A committed job whose object holds `chunks`. */
export const newArchivedJob = Effect.fnUntraced(function*(
  options: { readonly zone: ZoneId; readonly customer: string },
  chunks: ReadonlyArray<Uint8Array>
) {
  const state = yield* MemoryState
  const plainSize = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  const view = yield* newJob({ ...options, state: "committed", object: { plainSize } })
  state.lines.set(view.job.id, chunks)
  return view
})

/** A committed job of an empty window. */
export const newEmptyJob = (options: { readonly zone: ZoneId; readonly customer: string }) =>
  newJob({ ...options, state: "committed", object: emptyLogObject })
