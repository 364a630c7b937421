/**
 * A customer with a published ledger of some windows, and a worker that makes bundles of it.
 */
import { assert } from "@effect/vitest"
import { BundleId, type BundleJob } from "@rainlogs/core/bundle/BundleJob"
import { BundleWorker, type BundleWorkerOptions, defaultBundleWorker } from "@rainlogs/core/bundle/BundleWorker"
import { Origin } from "@rainlogs/core/domain/Customer"
import type { CustomerId } from "@rainlogs/core/domain/Identifier"
import { Publisher } from "@rainlogs/core/ledger/Publisher"
import { ObjectStore } from "@rainlogs/core/storage/ObjectStore"
import { Deferred, Effect, Layer, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { commit, Directory, newPulledZone } from "./RealArchive.ts"
import { TestServer } from "./TestServer.ts"

/** A worker of this test; `more` changes its options. */
export const worker = (more: Partial<BundleWorkerOptions> = {}) =>
  BundleWorker.layer({ ...defaultBundleWorker, owner: "worker", retentionMs: 3_600_000, ...more })

/** Makes one bundle with a worker of its own. */
export const work = (
  of: { readonly customer: CustomerId; readonly id: BundleId },
  more?: Partial<BundleWorkerOptions>
) => BundleWorker.use((service) => service.work(of)).pipe(Effect.provide(worker(more), { local: true }))

/** An object store that lets nobody read a log object until the gate is open; `reached` says that somebody tried. */
export const gated = Effect.gen(function*() {
  const gate = yield* Deferred.make<void>()
  const reached = yield* Deferred.make<void>()
  const layer = Layer.effect(
    ObjectStore,
    Effect.map(ObjectStore, (store) =>
      ObjectStore.of({
        ...store,
        get: (key, range) =>
          key.startsWith("logs/")
            ? Stream.unwrap(
              Deferred.succeed(reached, undefined).pipe(
                Effect.andThen(Deferred.await(gate)),
                Effect.as(store.get(key, range))
              )
            )
            : store.get(key, range)
      }))
  )
  return { gate, reached, layer }
})

/** The customer, its zone and the range of its windows, as the API wants it. */
export const newPublishedZone = Effect.gen(function*() {
  const publisher = yield* Publisher
  const { request } = yield* TestServer
  const pulled = yield* newPulledZone()
  // How many there are depends on where the hour stands.
  const { jobs } = pulled
  for (const job of jobs) {
    const lines = Array.from({ length: 40 }, () => Buffer.from(`{"r":"${randomBytes(300).toString("hex")}"}\n`))
    yield* commit(pulled.customer, job, Stream.fromIterable(lines))
  }
  const ledger = { customer: pulled.customer, origin: Origin.make(pulled.origin) }
  assert.strictEqual((yield* publisher.publish(ledger)).outcome, "published")
  const windowOf = Effect.fnUntraced(function*(job: string | undefined) {
    const shown: { readonly window: { readonly start: string; readonly end: string } } = JSON.parse(
      (yield* request("GET", `/api/v1/logs/jobs/${job}`, { key: pulled.key })).text
    )
    return shown.window
  })
  const range = { from: (yield* windowOf(jobs.at(-1))).start, to: (yield* windowOf(jobs[0])).end }
  return { ...pulled, range, ledger, windows: jobs.length }
})

/** What the API shows of a bundle. */
export interface ShownBundle {
  readonly id: BundleId
  readonly state: BundleJob["state"]
  readonly attempts: number
  readonly reveals: string
  readonly progress: { readonly entries: number; readonly bytes: number }
  readonly file: { readonly bytes: number; readonly sha256: string; readonly objects: number } | null
  readonly error: { readonly code: string; readonly detail: string; readonly remedy: string } | null
  readonly expiresAt: string | null
}

/** Asks for a bundle, which must be accepted. */
export const ask = Effect.fnUntraced(function*(key: string, body: object, headers: Record<string, string> = {}) {
  const { request } = yield* TestServer
  const answer = yield* request("POST", "/api/v1/bundles", { key, body, headers })
  assert.strictEqual(answer.status, 202, answer.text)
  const shown: ShownBundle = JSON.parse(answer.text)
  assert.strictEqual(answer.headers.get("location"), `/api/v1/bundles/${shown.id}`)
  return { ...shown, id: BundleId.make(shown.id) }
})

/** What the API shows of the bundle now. */
export const show = Effect.fnUntraced(function*(key: string, id: string) {
  const { request } = yield* TestServer
  const answer = yield* request("GET", `/api/v1/bundles/${id}`, { key })
  assert.strictEqual(answer.status, 200, answer.text)
  const shown: ShownBundle = JSON.parse(answer.text)
  return shown
})

/** Downloads the bundle, or a part of it. */
export const download = Effect.fnUntraced(function*(key: string, id: string, headers: Record<string, string> = {}) {
  const { url } = yield* TestServer
  return yield* Effect.promise(async () => {
    const response = await fetch(`${url}/api/v1/bundles/${id}/content`, {
      headers: { authorization: `Bearer ${key}`, ...headers }
    })
    return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) }
  })
})

/** The names of the customer's files. */
export const filesOf = Effect.fnUntraced(function*(customer: CustomerId) {
  const folder = join(yield* Directory, "bundles", customer)
  return existsSync(folder) ? readdirSync(folder).toSorted() : []
})
