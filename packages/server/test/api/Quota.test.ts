import { assert, layer } from "@effect/vitest"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { ZoneId } from "@rainlogs/core/domain/Identifier"
import { QuotaStore } from "@rainlogs/core/quota/Quota"
import { Effect, Option, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { withCustomer } from "../../src/database/Tenant.ts"
import { adminToken } from "./MemoryPorts.ts"
import * as RealArchive from "./RealArchive.ts"
import { newCustomer, TestServer } from "./TestServer.ts"

const text = "{\"RayID\":\"1\"}\n{\"RayID\":\"2\"}\n"
const lines = Stream.succeed(new TextEncoder().encode(text))
const day = 86_400_000

const asking = Effect.fnUntraced(function*(
  method: "GET" | "PUT",
  path: string,
  key: string,
  body?: { readonly [name: string]: number | null | string }
) {
  const { request } = yield* TestServer
  const answer = yield* request(method, path, { key, ...body === undefined ? {} : { body } })
  return { status: answer.status, body: JSON.parse(answer.text) }
})

const set = (customer: string, bytesPerDay: number | null, storedBytes: number | null) =>
  asking("PUT", `/customers/${customer}/quota`, adminToken, { bytesPerDay, storedBytes })

layer(RealArchive.Live, { timeout: 60_000, excludeTestServices: true })("quotas on PostgreSQL", (it) => {
  it.effect("without one nothing is limited, and use is counted", () =>
    Effect.gen(function*() {
      const { customer, jobs, key } = yield* RealArchive.newPulledZone()
      const before = yield* asking("GET", "/api/v1/quota", key)
      assert.deepStrictEqual(before.body, {
        state: "collecting",
        reason: null,
        resumesAt: null,
        remedy: null,
        limits: { bytesPerDay: null, storedBytes: null },
        used: { today: 0, stored: 0 }
      })
      const object = yield* RealArchive.commit(customer, jobs.at(-1)!, lines)
      const { body } = yield* asking("GET", "/api/v1/quota", key)
      assert.deepStrictEqual(body.used, { today: text.length, stored: object.size })
    }))

  it.effect("at the bytes of a day no window is offered or leased until the next day, and none is lost", () =>
    Effect.gen(function*() {
      const { customer, jobs, key, zone } = yield* RealArchive.newPulledZone()
      const ledger = yield* WindowLedger
      const quotas = yield* QuotaStore
      assert.strictEqual((yield* set(customer, text.length, null)).status, 200)
      const offered = (now: number) =>
        Effect.map(ledger.due(now, 1000), (due) => due.filter((one) => one.customer === customer).length)
      const now = Date.now()
      const before = yield* offered(now)
      assert.isAbove(before, 1)
      yield* RealArchive.commit(customer, jobs.at(-1)!, lines)

      const at = Date.now()
      assert.strictEqual(yield* offered(at), 0)
      assert.isTrue(Option.isNone(yield* ledger.lease({ customer, job: jobs[0]! }, "worker", at, at + 60_000)))
      const { body } = yield* asking("GET", "/api/v1/quota", key)
      assert.deepInclude(body, { state: "paused", reason: "day" })
      assert.strictEqual(Date.parse(body.resumesAt), (Math.floor(at / day) + 1) * day)
      assert.deepInclude(yield* quotas.paused(at), { customer, reason: "day" })

      assert.strictEqual(yield* offered(at + day), before - 1)
      assert.notDeepInclude(yield* quotas.paused(at + day), { customer, reason: "day" })
      const waiting = yield* ledger.jobs(customer, ZoneId.make(zone), { limit: 1000, before: null })
      assert.strictEqual(waiting.filter(({ job }) => job.state === "planned").length, before - 1)

      // A higher limit makes room at once.
      yield* set(customer, text.length + 1, null)
      assert.strictEqual(yield* offered(at), before - 1)
    }))

  it.effect("at the stored bytes it pauses, and what an erasure freed is room again", () =>
    Effect.gen(function*() {
      const { customer, jobs, key } = yield* RealArchive.newPulledZone()
      const sql = yield* SqlClient.SqlClient
      const { size } = yield* RealArchive.commit(customer, jobs.at(-1)!, lines)
      yield* set(customer, 1, size)
      // Both limits are reached: that one is named which does not pass by itself.
      assert.deepInclude((yield* asking("GET", "/api/v1/quota", key)).body, {
        state: "paused",
        reason: "stored",
        resumesAt: null
      })
      yield* set(customer, null, size + 1)
      assert.deepInclude((yield* asking("GET", "/api/v1/quota", key)).body, { state: "collecting" })
      yield* set(customer, null, size)
      const [entry] = yield* sql<{ job: string; object: Uint8Array }>`
        SELECT job_id AS job, object FROM ledger_entries ORDER BY leaf_index LIMIT 1`.pipe(withCustomer(customer))
      const erasure = randomUUID()
      yield* Effect.gen(function*() {
        yield* sql`INSERT INTO erasures ${
          sql.insert({
            customer_id: customer,
            id: erasure,
            state: "announced",
            reason: "retention",
            method: "delete",
            basis: "test",
            policy: new Uint8Array(32),
            requested_ms: 1,
            not_before_ms: 1,
            targets: 1,
            intent_job: entry!.job,
            intent_document: entry!.object,
            updated_ms: 1
          })
        }`
        yield* sql`UPDATE log_jobs SET erasure_id = ${erasure} WHERE id = ${jobs.at(-1)!}`
        yield* sql`UPDATE erasures SET state = 'executing' WHERE id = ${erasure}`
        yield* sql`UPDATE erasures SET state = 'done', done_job = intent_job, done_document = intent_document,
          executed_ms = 2 WHERE id = ${erasure}`
      }).pipe(sql.withTransaction, withCustomer(customer))
      const { body } = yield* asking("GET", "/api/v1/quota", key)
      assert.deepInclude(body, { state: "collecting" })
      assert.strictEqual(body.used.stored, 0)
    }))

  it.effect("is the operator's to set, and every customer's own to see", () =>
    Effect.gen(function*() {
      const alice = yield* newCustomer("Alice")
      const mallory = yield* newCustomer("Mallory")
      const limits = { bytesPerDay: 5, storedBytes: null }
      assert.strictEqual((yield* asking("PUT", `/customers/${alice.id}/quota`, mallory.key, limits)).status, 401)
      assert.strictEqual((yield* asking("GET", `/customers/${alice.id}/quota`, mallory.key)).status, 401)
      assert.strictEqual((yield* asking("GET", "/api/v1/quota", adminToken)).status, 401)
      yield* set(alice.id, 5, 6)
      assert.deepStrictEqual((yield* asking("GET", "/api/v1/quota", alice.key)).body.limits, {
        bytesPerDay: 5,
        storedBytes: 6
      })
      assert.deepStrictEqual((yield* asking("GET", "/api/v1/quota", mallory.key)).body.limits, {
        bytesPerDay: null,
        storedBytes: null
      })
      assert.strictEqual((yield* set(randomUUID(), 5, null)).status, 404)
      for (const wrong of [0, -1, 1.5, 2 ** 53]) assert.strictEqual((yield* set(alice.id, wrong, null)).status, 400)
      assert.strictEqual(
        (yield* asking("PUT", `/customers/${alice.id}/quota`, adminToken, { bytesPerDay: 5 })).status,
        400
      )
    }))
})
