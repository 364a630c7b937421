/**
 * A database that is lost with holds, erasures and policies in it, and rebuilt: every answer of the API as before, and
 * nothing that nobody was allowed to do.
 */
import { assert, describe, it } from "@effect/vitest"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId, type JobId, Sha256Hex } from "@rainlogs/core/domain/Identifier"
import { jobIdOf } from "@rainlogs/core/domain/LogJob"
import { draftOf, putDocument } from "@rainlogs/core/ledger/LedgerDocuments"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { Publisher } from "@rainlogs/core/ledger/Publisher"
import { Signer } from "@rainlogs/core/ledger/Signer"
import * as ErasureLoop from "@rainlogs/core/lifecycle/ErasureLoop"
import { HoldStore } from "@rainlogs/core/lifecycle/HoldStore"
import { Catalog } from "@rainlogs/core/recovery/Catalog"
import { Rebuild, type RebuildOptions } from "@rainlogs/core/recovery/Rebuild"
import { ObjectStore, StorageError } from "@rainlogs/core/storage/ObjectStore"
import { emptyObject } from "@rainlogs/verify/Entry"
import { type NoteSigner, printNote, signNote } from "@rainlogs/verify/Note"
import { parsePolicy, printPolicy } from "@rainlogs/verify/Policy"
import { Effect, Layer, Option } from "effect"
import { createHash } from "node:crypto"
import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import { TestServer } from "../api/TestServer.ts"
import {
  approver,
  call,
  customerWith,
  day,
  makeClock,
  makeWorld,
  onEmptyDatabase,
  verdict,
  type World
} from "../lifecycle/LifecycleWorld.ts"
import { objectFor } from "../sql/fixtures.ts"

const [dpo, ceo, mallory] = [approver("dpo", 1), approver("ceo", 2), approver("mallory", 9)]

type Customer = Effect.Success<ReturnType<typeof customerWith>>
type Services = Layer.Success<ReturnType<typeof onEmptyDatabase>>

/** Runs on a database of its own, which is lost afterwards. */
const onLost = <A, E>(world: World["Service"], effect: Effect.Effect<A, E, Services>) =>
  Effect.provide(effect, onEmptyDatabase(world), { local: true })

const rebuild = (unauthorised: RebuildOptions["unauthorised"] = "refuse") =>
  Rebuild.use((service) => service.run({ unauthorised, onEntries: () => {} }))

const whyNot = (unauthorised: RebuildOptions["unauthorised"] = "refuse") =>
  Effect.gen(function*() {
    const error = yield* Effect.flip(rebuild(unauthorised))
    assert.deepStrictEqual(yield* (yield* LedgerStore).ledgers, [], "a refused rebuild writes no customer")
    return "detail" in error ? error.detail : String(error)
  })

const sign = (document: string, ...signers: ReadonlyArray<NoteSigner>) =>
  Buffer.from(printNote(signNote(document, signers))).toString()

const ledgerOf = ({ id, origin }: Customer) => ({ customer: CustomerId.make(id), origin: Origin.make(origin) })

const iso = (ms: number) => new Date(ms).toISOString()

/** Publishes and saves what a lost database is rebuilt from. */
const keep = Effect.fnUntraced(function*(customer: Customer) {
  yield* Publisher.use((publisher) => publisher.publish(ledgerOf(customer)))
  yield* Catalog.use((catalog) => catalog.save)
})

/** Announces an erasure of one window, signed by the quorum. */
const announce = Effect.fnUntraced(function*(
  { apiKey, archived }: Customer,
  index: number,
  more: { readonly method?: string; readonly reason?: string } = {}
) {
  const { from, to } = archived[index]!
  const { body } = yield* call(apiKey, "POST", "/api/v1/erasures/drafts", {
    zone: null,
    from: iso(from),
    to: iso(to),
    reason: "gdpr-art17",
    method: "delete",
    basis: "case 12",
    ...more
  })
  const answer = yield* call(apiKey, "POST", "/api/v1/erasures", { document: sign(body.draft.document, dpo, ceo) })
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  return String(answer.body.id)
})

const execute = ({ apiKey }: Customer, id: string) => call(apiKey, "POST", `/api/v1/erasures/${id}/execute`)

const place = ({ apiKey, archived, zone }: Customer, index: number) =>
  call(apiKey, "POST", "/api/v1/holds", {
    scopes: [{ zone, from: iso(archived[index]!.from), to: iso(archived[index]!.to) }],
    basis: "case 7"
  })

const releaseDraft = ({ apiKey }: Customer, id: string) =>
  Effect.map(
    call(apiKey, "POST", `/api/v1/holds/${id}/release-drafts`, { basis: "case 7 closed" }),
    ({ body }) => String(body.document)
  )

/** Every answer about a customer; `lastError` of a try is not kept by the archive. */
const answers = Effect.fnUntraced(function*(customer: Customer) {
  const { request } = yield* TestServer
  const get = (path: string) => call(customer.apiKey, "GET", `/api/v1/${path}`)
  const { body } = yield* get("erasures?limit=100")
  const ids: ReadonlyArray<string> = body.erasures.map(({ id }: { readonly id: string }) => id)
  const downloads: Array<unknown> = []
  for (const { job } of customer.archived) {
    const { status, text } = yield* request("GET", `/api/v1/logs/jobs/${job}/download`, { key: customer.apiKey })
    const content = status === 200 ? createHash("sha256").update(text).digest("hex") : JSON.parse(text)
    downloads.push({ job: yield* get(`logs/jobs/${job}`), status, content })
  }
  const all = {
    holds: yield* get("holds?limit=100"),
    erasures: body,
    each: yield* Effect.forEach(ids, (id) => get(`erasures/${id}`)),
    due: yield* get("erasures/retention/due"),
    policy: yield* get("policy"),
    zones: yield* get("zones"),
    zone: yield* get(`zones/${customer.zone}`),
    logs: yield* get(`zones/${customer.zone}/logs?limit=100`),
    downloads
  }
  return JSON.parse(JSON.stringify(all, (key, value: unknown) => key === "lastError" ? null : value))
})

const answersOf = (customer: Customer, jobs: ReadonlyArray<string>) =>
  Effect.forEach(
    jobs,
    (job) => Effect.map(call(customer.apiKey, "GET", `/api/v1/logs/jobs/${job}`), ({ body }) => body)
  )

describe("a rebuilt database", { timeout: 120_000 }, () => {
  it.live("has holds, erasures and policies as they were: every answer is the same, and the erasures go on", () =>
    Effect.scoped(Effect.gen(function*() {
      const world = yield* makeWorld(makeClock())
      const { clock, directory, store } = world
      const lost = yield* onLost(
        world,
        Effect.gen(function*() {
          const customer = yield* customerWith(8, [dpo, ceo])
          const held = yield* place(customer, 0)
          const released = yield* place(customer, 1)
          const document = sign(yield* releaseDraft(customer, released.body.id), dpo, ceo)
          const release = yield* call(customer.apiKey, "POST", `/api/v1/holds/${released.body.id}/release`, {
            document
          })
          assert.strictEqual(release.body.state, "released")
          const longer = yield* call(customer.apiKey, "POST", "/api/v1/policy/drafts", { retentionDays: 400 })
          assert.strictEqual((yield* call(customer.apiKey, "POST", "/api/v1/policy", longer.body)).status, 200)
          const deleted = yield* announce(customer, 2)
          assert.strictEqual((yield* execute(customer, deleted)).body.state, "done")
          const shredded = yield* announce(customer, 3, { method: "crypto-erase" })
          assert.strictEqual((yield* execute(customer, shredded)).body.state, "done")
          const waiting = yield* announce(customer, 4)
          const begun = yield* announce(customer, 5)
          store.remove = (key, real) =>
            key === customer.archived[5]!.key
              ? Effect.fail(new StorageError({ operation: "remove", key, category: "transient", detail: "busy" }))
              : real.remove(key)
          assert.strictEqual((yield* execute(customer, begun)).status, 503)
          delete store.remove
          // Retention takes what no hold and no other erasure names: the windows 1, 6 and 7.
          clock.jump(401 * day)
          const ran = yield* call(customer.apiKey, "POST", "/api/v1/erasures/retention/run")
          assert.deepInclude(ran.body.erasure, { state: "done", targets: 3 })
          assert.deepInclude((yield* call(customer.apiKey, "GET", "/api/v1/erasures/retention/due")).body, { held: 1 })
          yield* keep(customer)
          return { customer, held: held.body.id, waiting, begun, before: yield* answers(customer) }
        })
      )
      const { before, begun, customer, held, waiting } = lost
      yield* onLost(
        world,
        Effect.gen(function*() {
          assert.deepInclude(yield* rebuild(), { customers: 1, unauthorised: [], resumed: [begun], stuck: [] })
          assert.deepStrictEqual(yield* answers(customer), before)
          assert.deepInclude(yield* rebuild(), { customers: 0, present: 1, resumed: [], stuck: [] })
          assert.deepStrictEqual(yield* answers(customer), before)
          // What is partly gone can be held as little as before; what is only announced can.
          const refused = yield* place(customer, 5)
          assert.strictEqual(refused.status, 409)
          assert.include(refused.body.detail, begun)
          const objection = yield* place(customer, 4)
          assert.strictEqual(objection.status, 201)
          assert.strictEqual((yield* execute(customer, waiting)).status, 409)
          // The next start finishes what had begun, and nothing else.
          yield* Effect.scoped(Effect.andThen(
            Layer.build(ErasureLoop.layer({ intervalMs: 20, retention: "off" })),
            Effect.repeat(call(customer.apiKey, "GET", `/api/v1/erasures/${begun}`), {
              until: ({ body }) => body.state === "done"
            })
          ))
          for (const hold of [objection.body.id, held]) {
            const document = sign(yield* releaseDraft(customer, hold), dpo, ceo)
            const { body } = yield* call(customer.apiKey, "POST", `/api/v1/holds/${hold}/release`, { document })
            assert.strictEqual(body.state, "released")
          }
          assert.strictEqual((yield* execute(customer, waiting)).body.state, "done")
          const report = yield* verdict(customer)
          assert.deepStrictEqual(
            [report.verdict.integrity, report.verdict.erasures],
            ["PASS", "PASS"],
            JSON.stringify(report.findings)
          )
          assert.isTrue(existsSync(join(directory, "archive", customer.archived[0]!.key)))
        })
      )
    })))

  it.live("knows of a window what its entry says, and of the way to it nothing", () =>
    Effect.scoped(Effect.gen(function*() {
      const world = yield* makeWorld(makeClock())
      const { clock } = world
      const { before, customer, jobs } = yield* onLost(
        world,
        Effect.gen(function*() {
          const customer = yield* customerWith(1, [])
          const windows = yield* WindowLedger
          const [timeline] = yield* windows.timelinesOf(CustomerId.make(customer.id), customer.zone)
          const { source } = timeline!
          const from = customer.archived[0]!.to
          const planned = [{ from, to: from + 1000 }, { from: from + 1000, to: from + 2000 }]
          yield* windows.plan(timeline!, planned, clock.currentTimeMillisUnsafe())
          const jobs = planned.map((window) => jobIdOf(source.origin, source.zone, source.name, window))
          const lease = Effect.fnUntraced(function*(job: JobId) {
            clock.jump(60_000)
            const now = clock.currentTimeMillisUnsafe()
            const found = yield* windows.lease({ customer: source.customer, job }, "worker", now, now + 1000)
            return Option.getOrThrow(found)
          })
          const failure = { code: "truncated-stream", detail: "Error streaming data.", counts: "failure" } as const
          for (const job of [...jobs, ...jobs]) {
            const now = clock.currentTimeMillisUnsafe()
            yield* windows.retry(yield* lease(job), failure, now + 10, now + 60_000)
          }
          const leased = yield* lease(jobs[1]!)
          const empty = {
            ...objectFor(leased),
            key: null,
            size: 0,
            plainSize: 0,
            records: 0,
            sha256: Sha256Hex.make(emptyObject)
          }
          yield* windows.commit(
            leased,
            { ...empty, params: null, codec: "identity", encryption: "none", dek: null, recordsRoot: null },
            clock.currentTimeMillisUnsafe()
          )
          yield* keep(customer)
          return { customer, jobs, before: yield* answersOf(customer, jobs) }
        })
      )
      const [waiting, committed] = before
      assert.deepInclude(committed, { state: "committed", attempts: 3 })
      assert.deepInclude(waiting, { state: "planned", attempts: 2 })
      assert.include(JSON.stringify(waiting), "truncated-stream")
      yield* onLost(
        world,
        Effect.gen(function*() {
          yield* rebuild()
          const [planned, again] = yield* answersOf(customer, jobs)
          // The time of the entry is when it was committed, and all that is known of when it was planned.
          assert.deepStrictEqual(again, {
            ...committed,
            attempts: 1,
            lastError: null,
            notBefore: "1970-01-01T00:00:00.000Z",
            createdAt: committed.updatedAt
          })
          // What was never committed is planned at the time of the rebuild.
          const now = new Date(clock.currentTimeMillisUnsafe()).toISOString()
          assert.deepInclude(planned, { state: "planned", attempts: 1, lastError: null, window: waiting.window })
          assert.strictEqual(planned.createdAt.slice(0, 16), now.slice(0, 16))
        })
      )
    })))

  it.live("does not go on with an erasure under a hold, whatever somebody removed from the store", () =>
    Effect.scoped(Effect.gen(function*() {
      const world = yield* makeWorld(makeClock())
      const archive = join(world.directory, "archive")
      const { customer, erasure } = yield* onLost(
        world,
        Effect.gen(function*() {
          const customer = yield* customerWith(2, [dpo, ceo])
          const erasure = yield* announce(customer, 0)
          assert.strictEqual((yield* place(customer, 0)).status, 201)
          yield* keep(customer)
          return { customer, erasure }
        })
      )
      rmSync(join(archive, "keys", customer.archived[0]!.dek))
      yield* onLost(
        world,
        Effect.gen(function*() {
          const { resumed, stuck } = yield* rebuild()
          assert.deepStrictEqual(resumed, [])
          assert.lengthOf(stuck, 1)
          assert.match(stuck[0]!, new RegExp(`^${erasure} .* is gone already, .*under the legal hold`))
          assert.strictEqual(
            (yield* call(customer.apiKey, "GET", `/api/v1/erasures/${erasure}`)).body.state,
            "announced"
          )
          assert.strictEqual((yield* execute(customer, erasure)).status, 409)
          assert.isTrue(existsSync(join(archive, customer.archived[0]!.key)))
        })
      )
    })))
})

describe("a forged document in the ledger", { timeout: 120_000 }, () => {
  /** What somebody with the database and the bucket can do: store a document, append its entry, and have it published. */
  const forge = Effect.fnUntraced(function*(
    customer: Customer,
    kind: "release" | "tombstone" | "policy",
    document: string
  ) {
    const ledger = ledgerOf(customer)
    const now = (yield* LedgerStore).snapshot(ledger)
    const { lastTime } = yield* now
    const stored = yield* putDocument(yield* ObjectStore, ledger.origin, Buffer.from(document))
    const draft = draftOf(ledger.origin, kind, stored)
    assert.isTrue(
      yield* (yield* LedgerStore).appendAt(ledger, (lastTime ?? 0) + 1, () => Effect.succeed(Option.some(draft)))
    )
    return { job: draft.job, document: stored.sha256, at: (lastTime ?? 0) + 1 }
  })

  it.live("ends no hold: the rebuild refuses, and on request leaves the release without effect", () =>
    Effect.scoped(Effect.gen(function*() {
      const world = yield* makeWorld(makeClock())
      const { customer, hold } = yield* onLost(
        world,
        Effect.gen(function*() {
          const customer = yield* customerWith(2, [dpo, ceo])
          const hold: string = (yield* place(customer, 0)).body.id
          const draft = yield* releaseDraft(customer, hold)
          const entry = yield* forge(customer, "release", sign(draft, mallory, approver("dpo", 8)))
          yield* (yield* HoldStore).release(CustomerId.make(customer.id), hold, entry.at, entry)
          yield* keep(customer)
          return { customer, hold }
        })
      )
      const why = yield* onLost(world, whyNot())
      assert.include(why, "RELEASE_UNAUTHORISED")
      assert.include(why, hold)
      assert.include(why, "--leave-out-unauthorised")
      yield* onLost(
        world,
        Effect.gen(function*() {
          const { customers, unauthorised } = yield* rebuild("leave-out")
          assert.strictEqual(customers, 1)
          assert.lengthOf(unauthorised, 1)
          assert.include(unauthorised[0]!, "RELEASE_UNAUTHORISED")
          const { holds } = (yield* call(customer.apiKey, "GET", "/api/v1/holds")).body
          assert.deepInclude(holds[0], { id: hold, state: "active" })
          const { draft } = (yield* call(customer.apiKey, "POST", "/api/v1/erasures/drafts", {
            zone: null,
            from: null,
            to: null,
            reason: "gdpr-art17",
            method: "delete",
            basis: "case 12"
          })).body
          assert.strictEqual(draft.targets, 1)
          // The quorum still ends it.
          const document = sign(yield* releaseDraft(customer, hold), dpo, ceo)
          const released = yield* call(customer.apiKey, "POST", `/api/v1/holds/${hold}/release`, { document })
          assert.strictEqual(released.body.state, "released")
        })
      )
    })))

  it.live("announces no erasure", () =>
    Effect.scoped(Effect.gen(function*() {
      const world = yield* makeWorld(makeClock())
      const customer = yield* onLost(
        world,
        Effect.gen(function*() {
          const customer = yield* customerWith(1, [dpo, ceo])
          const { body } = yield* call(customer.apiKey, "POST", "/api/v1/erasures/drafts", {
            zone: null,
            from: null,
            to: null,
            reason: "court-order",
            method: "delete",
            basis: "order 4"
          })
          yield* forge(customer, "tombstone", sign(body.draft.document, dpo, mallory))
          yield* keep(customer)
          return customer
        })
      )
      assert.include(yield* onLost(world, whyNot()), "TOMBSTONE_UNAUTHORISED")
      yield* onLost(
        world,
        Effect.gen(function*() {
          assert.lengthOf((yield* rebuild("leave-out")).unauthorised, 1)
          assert.deepStrictEqual((yield* call(customer.apiKey, "GET", "/api/v1/erasures")).body.erasures, [])
          const [job] = (yield* call(customer.apiKey, "GET", `/api/v1/zones/${customer.zone}/logs`)).body.jobs
          assert.strictEqual(job.state, "committed")
        })
      )
    })))

  it.live("changes no policy, even if the log was made to sign it, and nothing is rebuilt on it", () =>
    Effect.scoped(Effect.gen(function*() {
      const world = yield* makeWorld(makeClock())
      yield* onLost(
        world,
        Effect.gen(function*() {
          const customer = yield* customerWith(1, [dpo, ceo])
          const { body } = yield* call(customer.apiKey, "POST", "/api/v1/policy/drafts", { retentionDays: 400 })
          const text = printPolicy({ ...parsePolicy(body.document), approvers: [mallory.key], eraseQuorum: 1 })
          const { origin } = ledgerOf(customer)
          yield* forge(customer, "policy", Buffer.from(yield* (yield* Signer).signDocument(origin, text)).toString())
          yield* keep(customer)
        })
      )
      for (const unauthorised of ["refuse", "leave-out"] as const) {
        assert.include(yield* onLost(world, whyNot(unauthorised)), "POLICY_UNAUTHORISED")
      }
    })))
})
