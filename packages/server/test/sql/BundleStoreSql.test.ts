/**
 * Bundle jobs in PostgreSQL: the state table, leases, who is served first, and what the schema refuses.
 */
import { assert, layer } from "@effect/vitest"
import { LeaseLost } from "@rainlogs/core/archive/WindowLedger"
import { BundleId, type BundleJob, transitions } from "@rainlogs/core/bundle/BundleJob"
import { BundleStore } from "@rainlogs/core/bundle/BundleStore"
import type { Source } from "@rainlogs/core/domain/Source"
import { Effect, Option } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { withCustomer } from "../../src/database/Tenant.ts"
import { attack } from "./attack.ts"
import { digest, Live, live, makeOne, start, step } from "./fixtures.ts"

const limits = { open: 10, kept: 20 }

const request = Effect.fnUntraced(function*(source: Source, now = start) {
  return yield* (yield* BundleStore).request(
    {
      id: BundleId.make(randomUUID()),
      customer: source.customer,
      zone: source.zone,
      range: { from: start, to: start + step },
      disclose: false,
      idempotencyKey: null
    },
    limits,
    now
  )
})

const leaseOrDie = Effect.fnUntraced(function*(job: BundleJob, now = start, until = now + 1000) {
  return Option.getOrThrow(yield* (yield* BundleStore).lease(job, "worker", now, until))
})

const file = { bytes: 100, sha256: digest("zip"), objects: 1, ledgerSize: 3 }
const stateOf = Effect.fnUntraced(function*(job: BundleJob) {
  return Option.map(yield* (yield* BundleStore).bundle(job), ({ state }) => state)
})

layer(Live, live)("bundle jobs", (it) => {
  it.effect("have the state table of the domain", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql<
        { state: string; event: string; next: string }
      >`SELECT state, event, next FROM bundle_transitions`
      const line = ({ event, next, state }: { state: string; event: string; next: string }) =>
        `${state} ${event} ${next}`
      const domain = Object.entries(transitions).flatMap(([state, events]) =>
        Object.entries(events).map(([event, next]) => line({ state, event, next }))
      )
      assert.sameMembers(rows.map(line), domain)
    }))

  it.effect("are written by the holder of the newest lease only", () =>
    Effect.gen(function*() {
      const store = yield* BundleStore
      const { source } = yield* makeOne
      const asked = yield* request(source)
      const first = yield* leaseOrDie(asked)
      assert.isTrue(Option.isNone(yield* store.lease(asked, "other", start + 999, start + 5000)))
      yield* store.renew(first, { entries: 2, bytes: 7 }, start + 2000, start + 900)
      assert.isTrue(Option.isNone(yield* store.lease(asked, "other", start + 1500, start + 5000)))
      const second = yield* leaseOrDie(asked, start + 2000)
      assert.deepStrictEqual([second.fence, second.attempts, second.progress.entries], [2, 2, 0])
      const lost = new LeaseLost({ job: asked.id, fence: 1 })
      const late = start + 2001
      assert.deepStrictEqual(yield* Effect.flip(store.renew(first, first.progress, late + 9, late)), lost)
      assert.deepStrictEqual(yield* Effect.flip(store.finish(first, file, late, late)), lost)
      assert.deepStrictEqual(yield* Effect.flip(store.retry(first, "stopped", late, late)), lost)
      assert.deepStrictEqual(yield* Effect.flip(store.fail(first, { code: "fault", detail: "" }, late)), lost)
      yield* store.finish(second, file, start + 9000, late)
      const ready = Option.getOrThrow(yield* store.bundle(asked))
      assert.deepInclude(ready, { state: "ready", file, fence: 2, expiresAt: start + 9000 })
      assert.isTrue(Option.isNone(yield* store.lease(asked, "other", start + 99_999, start + 999_999)))
    }))

  it.effect("that were deleted have no holder", () =>
    Effect.gen(function*() {
      const store = yield* BundleStore
      const { source } = yield* makeOne
      const leased = yield* leaseOrDie(yield* request(source))
      assert.isTrue(yield* store.remove(leased))
      assert.isFalse(yield* store.remove(leased))
      const error = yield* Effect.flip(store.finish(leased, file, start + 1, start))
      assert.strictEqual(error._tag, "LeaseLost")
    }))

  it.effect("wait for their pause, and a stopped attempt does not count", () =>
    Effect.gen(function*() {
      const store = yield* BundleStore
      const { source } = yield* makeOne
      const asked = yield* request(source)
      yield* store.retry(yield* leaseOrDie(asked), "stopped", start, start)
      const leased = yield* leaseOrDie(asked)
      assert.strictEqual(leased.attempts, 1)
      yield* store.retry(leased, { code: "fault", detail: "a\0b\ud800" }, start + 500, start)
      const waiting = Option.getOrThrow(yield* store.bundle(asked))
      assert.deepInclude(waiting, { state: "requested", error: { code: "fault", detail: "a\ufffdb\ufffd" } })
      assert.isTrue(Option.isNone(yield* store.lease(asked, "w", start + 499, start + 900)))
      yield* leaseOrDie(asked, start + 500)
    }))

  it.effect("are served in turns: who has one running waits for who has none", () =>
    Effect.gen(function*() {
      const store = yield* BundleStore
      const { source: busy } = yield* makeOne
      const { source: calm } = yield* makeOne
      const [first, second, third] = [
        yield* request(busy, start),
        yield* request(busy, start + 1),
        yield* request(busy, start + 2)
      ]
      const later = yield* request(calm, start + 3)
      const mine = new Set<string>([busy.customer, calm.customer])
      const due = (now: number) =>
        Effect.map(store.due(now, 1000), (all) => all.filter(({ customer }) => mine.has(customer)).map(({ id }) => id))
      assert.deepStrictEqual(yield* due(start + 10), [first.id, later.id, second.id, third.id])
      yield* leaseOrDie(first, start + 10)
      assert.deepStrictEqual(yield* due(start + 11), [later.id, second.id, third.id])
      // Its lease has run out.
      assert.deepStrictEqual(yield* due(start + 5000), [first.id, later.id, second.id, third.id])
      const open = yield* store.open
      assert.isAtLeast(open.requested, 3)
      assert.isAtLeast(open.running, 1)
      assert.isAtMost(open.oldest ?? Number.MAX_SAFE_INTEGER, start)
    }))

  it.effect("expire when their time is over and are forgotten long after", () =>
    Effect.gen(function*() {
      const store = yield* BundleStore
      const { source } = yield* makeOne
      const asked = yield* request(source)
      yield* store.finish(yield* leaseOrDie(asked), file, start + 1000, start)
      const overdue = (now: number, endedBefore: number) =>
        Effect.map(store.overdue(now, endedBefore, 1000), (all) => all.find(({ id }) => id === asked.id)?.state)
      assert.strictEqual(yield* overdue(start + 999, 0), undefined)
      assert.isFalse(yield* store.expire(asked, start + 999))
      assert.strictEqual(yield* overdue(start + 1000, 0), "ready")
      assert.isTrue(yield* store.expire(asked, start + 1000))
      assert.isFalse(yield* store.expire(asked, start + 1000))
      assert.deepStrictEqual(yield* stateOf(asked), Option.some("expired"))
      assert.strictEqual(yield* overdue(start + 2000, start + 1000), undefined)
      assert.strictEqual(yield* overdue(start + 2000, start + 1001), "expired")
    }))

  it.effect("the schema refuses what no worker may do", () =>
    Effect.gen(function*() {
      const { source } = yield* makeOne
      const { source: stranger } = yield* makeOne
      const asked = yield* request(source)
      const update = (set: string) => (sql: SqlClient.SqlClient) => [
        sql`UPDATE bundle_jobs SET ${sql.literal(set)} WHERE id = ${asked.id}`
      ]
      for (
        const [set, refused] of [
          ["state = 'ready'", /no transition from requested to ready/],
          ["state = 'failed'", /no transition from requested to failed/],
          ["attempts = 9", /does not change without an event/],
          ["state = 'running', lease_owner = 'w', lease_until_ms = 1", /adds one to the fence/],
          ["state = 'running', fence = fence + 1", /bundle_jobs_lease/],
          ["disclose = true", /^42501/],
          ["customer_id = gen_random_uuid()", /^42501/]
        ] as const
      ) assert.match(yield* attack(source, update(set)), refused, set)
      const insert = (more: object) => (sql: SqlClient.SqlClient) => [
        sql`INSERT INTO bundle_jobs ${
          sql.insert({
            customer_id: source.customer,
            id: randomUUID(),
            zone_id: source.zone,
            from_ms: start,
            to_ms: start + 1,
            disclose: false,
            created_ms: start,
            updated_ms: start,
            ...more
          })
        }`
      ]
      assert.match(yield* attack(source, insert({ to_ms: start })), /bundle_jobs_range/)
      assert.match(yield* attack(source, insert({ zone_id: stranger.zone })), /foreign key/)
      assert.match(yield* attack(source, insert({ fence: 1 })), /starts as requested/)
      const leased = yield* leaseOrDie(asked)
      assert.match(
        yield* attack(source, update(`fence = fence + 1, updated_ms = ${start + 1}`)),
        /the lease of worker has not run out/
      )
      yield* (yield* BundleStore).finish(leased, file, start + 1000, start)
      assert.match(yield* attack(source, update("file_bytes = 1")), /does not change without an event/)
    }))

  it.effect("of another customer are not found, changed or removed, with the right id", () =>
    Effect.gen(function*() {
      const store = yield* BundleStore
      const sql = yield* SqlClient.SqlClient
      const { source } = yield* makeOne
      const { customer: mallory } = yield* makeOne
      const asked = yield* request(source)
      const theirs = { customer: mallory.id, id: asked.id }
      assert.isTrue(Option.isNone(yield* store.bundle(theirs)))
      assert.isTrue(Option.isNone(yield* store.lease(theirs, "w", start, start + 1)))
      assert.isFalse(yield* store.remove(theirs))
      assert.deepStrictEqual(yield* store.bundles(mallory.id, { limit: 10, after: null }), [])
      yield* sql`DELETE FROM bundle_jobs`.pipe(withCustomer(mallory.id))
      assert.deepStrictEqual(yield* stateOf(asked), Option.some("requested"))
    }))
})
