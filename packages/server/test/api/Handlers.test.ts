import { assert, layer } from "@effect/vitest"
import { circuitKey } from "@rainlogs/core/collect/CloudflareCircuits"
import { CloudflareZoneId, JobId, Sha256Hex, ZoneId } from "@rainlogs/core/domain/Identifier"
import { CircuitBreaker, defaultBreakerOptions } from "@rainlogs/core/resilience/CircuitBreaker"
import * as ApiKey from "@rainlogs/core/secrets/ApiKey"
import { unwrapCloudflareToken } from "@rainlogs/core/secrets/CloudflareToken"
import * as Routes from "@rainlogs/server/api/Routes"
import { DateTime, Effect, Layer, Redacted, Stream } from "effect"
import { HttpServer } from "effect/http"
import { TestClock } from "effect/testing"
import { client, newCustomer } from "./Clients.ts"
import { cloudflareToken, cloudflareZone, newArchivedJob, newEmptyJob, newJob } from "./Fixtures.ts"
import * as MemoryPorts from "./MemoryPorts.ts"
import { MemoryState } from "./MemoryPorts.ts"

const Live = Routes.handlers.pipe(
  Layer.provideMerge(MemoryPorts.layer),
  Layer.provideMerge(HttpServer.layerServices)
)

const newZone = (number = 1) => ({
  name: "example.eu",
  cloudflareZoneId: CloudflareZoneId.make(cloudflareZone(number)),
  token: Redacted.make(cloudflareToken)
})

layer(Live)("the API through its typed client", (it) => {
  it.effect("a new customer has an origin, an open ledger, and one API key of which only the hash is kept", () =>
    Effect.gen(function*() {
      const state = yield* MemoryState
      const { apiKey, customer } = yield* newCustomer("Alice & Co")
      assert.strictEqual(customer.origin, `rainlogs.localhost/t/${customer.id}`)
      assert.strictEqual(customer.vkey, `${customer.origin}+0badc0de+AQ==`)
      assert.strictEqual(customer.clockVkey, `${customer.origin}/clock+0badc0de+BA==`)
      assert.include(state.opened, customer.origin)
      assert.match(apiKey, /^rl_[0-9a-f]{16}_[0-9a-f]{64}$/)
      const [, prefix, secret] = apiKey.split("_")
      assert.isDefined(prefix)
      assert.isDefined(secret)
      const stored = state.keys.get(prefix)
      assert.deepStrictEqual(stored, {
        customer: customer.id,
        sha256: ApiKey.toStored({ prefix, secret: Redacted.make(secret) }).sha256
      })
    }))

  it.effect("a zone's token is stored wrapped for exactly its customer and zone", () =>
    Effect.gen(function*() {
      const state = yield* MemoryState
      const { client, customer } = yield* newCustomer("Alice")
      const created = yield* client.zones.create({ payload: newZone() })
      const other = yield* client.zones.create({ payload: newZone(2) })
      const wrapped = state.zones.get(created.id)?.token
      assert.isDefined(wrapped)
      assert.notInclude(Buffer.from(wrapped.bytes).toString("latin1"), cloudflareToken)
      const token = yield* unwrapCloudflareToken(customer.id, created.id, wrapped)
      assert.strictEqual(Redacted.value(token), cloudflareToken)
      const moved = yield* unwrapCloudflareToken(customer.id, other.id, wrapped).pipe(Effect.flip)
      assert.strictEqual(moved._tag, "KmsError")
    }))

  it.effect("a zone starts as far back as asked, on a full minute; a full backfill 15 minutes later than that", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 10, 21, 12, 0, 30))
      const { client } = yield* newCustomer("Alice")
      const start = Effect.fnUntraced(function*(number: number, backfill: { readonly backfillHours?: number }) {
        const zone = yield* client.zones.create({ payload: { ...newZone(number), ...backfill } })
        const [source] = zone.sources
        assert.isDefined(source)
        return DateTime.formatIso(source.startsAt)
      })
      assert.strictEqual(yield* start(1, {}), "2026-11-14T12:16:00.000Z")
      assert.strictEqual(yield* start(2, { backfillHours: 168 }), "2026-11-14T12:16:00.000Z")
      assert.strictEqual(yield* start(3, { backfillHours: 167 }), "2026-11-14T13:00:00.000Z")
      assert.strictEqual(yield* start(4, { backfillHours: 0 }), "2026-11-21T12:00:00.000Z")
      const error = yield* client.zones.create({ payload: { ...newZone(5), backfillHours: 169 } }).pipe(Effect.flip)
      assert.strictEqual(error._tag, "SchemaError")
    }))

  it.effect("zones are listed and shown with status and progress", () =>
    Effect.gen(function*() {
      const state = yield* MemoryState
      const { client } = yield* newCustomer("Alice")
      const created = yield* client.zones.create({ payload: newZone() })
      const held = state.zones.get(created.id)
      assert.isDefined(held)
      held.zone = {
        ...held.zone,
        status: { state: "blocked", reason: "retention-off", since: 0, remedy: "Turn log retention on." }
      }
      const { zones } = yield* client.zones.list()
      assert.deepStrictEqual(zones, [yield* client.zones.get({ params: { id: created.id } })])
      assert.deepStrictEqual(zones[0]?.status, {
        state: "blocked",
        reason: "retention-off",
        since: null,
        remedy: "Turn log retention on."
      })
      assert.strictEqual(zones[0]?.sources.length, 1)
    }))

  it.effect("a pull answers with the waiting jobs of that zone only; a blocked zone says why it cannot be pulled", () =>
    Effect.gen(function*() {
      const state = yield* MemoryState
      const { client, customer } = yield* newCustomer("Alice")
      const [zone, other] = [
        yield* client.zones.create({ payload: newZone() }),
        yield* client.zones.create({ payload: newZone(2) })
      ]
      const waiting = yield* newJob({ zone: zone.id, customer: customer.id, state: "planned" })
      yield* newJob({ zone: other.id, customer: customer.id, state: "planned" })
      assert.deepStrictEqual(yield* client.zones.pull({ params: { id: zone.id } }), { jobs: [waiting.job.id] })

      const held = state.zones.get(zone.id)
      assert.isDefined(held)
      held.zone = {
        ...held.zone,
        status: { state: "blocked", reason: "unauthorised", since: 5, remedy: "Make a new token." }
      }
      const error = yield* client.zones.pull({ params: { id: zone.id } }).pipe(Effect.flip)
      assert.strictEqual(error._tag, "ZoneBlocked")
      assert.strictEqual(error._tag === "ZoneBlocked" && error.remedy, "Make a new token.")
    }))

  it.effect("pages of jobs join to the whole list, newest first, also where many windows share a start", () =>
    Effect.gen(function*() {
      const { client, customer } = yield* newCustomer("Alice")
      const zone = yield* client.zones.create({ payload: newZone() })
      const hour = 3_600_000
      const expected: Array<JobId> = []
      for (let start = 9; start >= 0; start--) {
        // A window halved again and again: parent and first half share their start.
        for (const length of start % 3 === 0 ? [hour, hour / 2, hour / 4, hour / 8] : [hour]) {
          const view = yield* newJob({
            zone: zone.id,
            customer: customer.id,
            state: length === hour / 8 || start % 3 !== 0 ? "planned" : "split",
            from: start * hour,
            to: start * hour + length
          })
          expected.push(view.job.id)
        }
      }
      for (const limit of [1, 2, 3, 7, 22, 1000]) {
        const seen: Array<JobId> = []
        let before: string | null = null
        do {
          const query: { limit: number; before?: string } = before === null ? { limit } : { limit, before }
          const page: { jobs: ReadonlyArray<{ readonly id: JobId }>; next: string | null } = yield* client.zones.logs({
            params: { id: zone.id },
            query
          })
          assert.isAtMost(page.jobs.length, limit)
          seen.push(...page.jobs.map(({ id }) => id))
          before = page.next
        } while (before !== null)
        assert.deepStrictEqual(seen, expected, `limit ${limit}`)
      }
      const { jobs } = yield* client.zones.logs({ params: { id: zone.id }, query: { before: String(2 * hour) } })
      assert.strictEqual(jobs.length, 1 + 4)
    }))

  it.effect("a job shows its window, its object and its place in the ledger", () =>
    Effect.gen(function*() {
      const { client, customer } = yield* newCustomer("Alice")
      const zone = yield* client.zones.create({ payload: newZone() })
      const { job } = yield* newJob({ zone: zone.id, customer: customer.id, state: "committed" })
      const shown = yield* client.logs.job({ params: { id: job.id } })
      assert.deepInclude(shown, {
        id: job.id,
        state: "committed",
        records: 2,
        bytes: 2000,
        storedBytes: 1000,
        sha256: Sha256Hex.make("ab".repeat(32)),
        key: `logs/${zone.id}/2026/01/01/00/object.ndjson.zst`,
        entry: { leafIndex: 7, seq: 5 }
      })
      assert.strictEqual(shown.window.from, Date.UTC(2026, 0, 1))
      assert.strictEqual(DateTime.formatIso(shown.window.end), "2026-01-01T00:05:00.000Z")
      const planned = yield* newJob({ zone: zone.id, customer: customer.id, state: "planned" })
      const waiting = yield* client.logs.job({ params: { id: planned.job.id } })
      assert.deepInclude(waiting, { records: null, bytes: null, sha256: null, key: null, entry: null })
    }))

  it.effect("a download is the object's bytes; an empty window is empty; anything else is refused with its state", () =>
    Effect.gen(function*() {
      const { client, customer } = yield* newCustomer("Alice")
      const zone = yield* client.zones.create({ payload: newZone() })
      const place = { zone: zone.id, customer: customer.id }
      const chunks = ["{\"a\":1}\n", "", "{\"b\":", "2}\n", ""].map((text) => Buffer.from(text))
      const { job } = yield* newArchivedJob(place, chunks)
      const download = yield* client.logs.download({ params: { id: job.id } })
      assert.strictEqual(download.headers.etag, `"${"ab".repeat(32)}"`)
      assert.strictEqual(download.headers["content-length"], "16")
      assert.strictEqual(
        download.headers["content-disposition"],
        `attachment; filename="${zone.id}-20260101T000000Z-20260101T000500Z.ndjson"`
      )
      const bytes = yield* Stream.runCollect(download.body)
      assert.strictEqual(Buffer.concat(bytes).toString(), "{\"a\":1}\n{\"b\":2}\n")

      const empty = yield* newEmptyJob(place)
      const nothing = yield* client.logs.download({ params: { id: empty.job.id } })
      assert.strictEqual(Buffer.concat(yield* Stream.runCollect(nothing.body)).length, 0)
      assert.strictEqual(nothing.headers["content-length"], "0")

      for (const state of ["planned", "leased", "stored", "gap", "split"] as const) {
        const view = yield* newJob({ ...place, state, ...(state === "stored" ? { object: {} } : {}) })
        const error = yield* client.logs.download({ params: { id: view.job.id } }).pipe(Effect.flip)
        assert.strictEqual(error._tag, "JobNotCommitted")
        assert.strictEqual(error._tag === "JobNotCommitted" && error.state, state)
      }
    }))

  it.effect("another customer's zones and jobs are as good as not there", () =>
    Effect.gen(function*() {
      const alice = yield* newCustomer("Alice")
      const mallory = yield* newCustomer("Mallory")
      const zone = yield* alice.client.zones.create({ payload: newZone() })
      const { job } = yield* newArchivedJob({ zone: zone.id, customer: alice.customer.id }, [Buffer.from("{}\n")])
      const nowhere = {
        zone: ZoneId.make("00000000-0000-4000-8000-000000000000"),
        job: JobId.make("00000000-0000-4000-8000-000000000000")
      }
      assert.deepStrictEqual((yield* mallory.client.zones.list()).zones, [])
      const errors = (ids: { readonly zone: ZoneId; readonly job: JobId }) =>
        Effect.all([
          mallory.client.zones.get({ params: { id: ids.zone } }).pipe(Effect.flip),
          mallory.client.zones.pull({ params: { id: ids.zone } }).pipe(Effect.flip),
          mallory.client.zones.logs({ params: { id: ids.zone }, query: {} }).pipe(Effect.flip),
          mallory.client.logs.job({ params: { id: ids.job } }).pipe(Effect.flip),
          mallory.client.logs.download({ params: { id: ids.job } }).pipe(Effect.flip)
        ])
      const theirs = yield* errors({ zone: zone.id, job: job.id })
      assert.deepStrictEqual(theirs.map(({ _tag }) => _tag), [
        "ZoneNotFound",
        "ZoneNotFound",
        "ZoneNotFound",
        "JobNotFound",
        "JobNotFound"
      ])
      assert.deepStrictEqual(theirs.map(String), (yield* errors(nowhere)).map(String))
      assert.strictEqual((yield* alice.client.logs.job({ params: { id: job.id } })).id, job.id)
    }))

  it.effect("two customers may archive the same Cloudflare zone; one may not archive it twice", () =>
    Effect.gen(function*() {
      const alice = yield* newCustomer("Alice")
      const bob = yield* newCustomer("Bob")
      yield* alice.client.zones.create({ payload: newZone() })
      yield* bob.client.zones.create({ payload: newZone() })
      const error = yield* alice.client.zones.create({ payload: newZone() }).pipe(Effect.flip)
      assert.strictEqual(error._tag, "ZoneAlreadyArchived")
    }))

  it.effect("a zone shows the circuits of its own token's calls and nobody else's; health counts the open ones", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 10, 21, 12))
      const alice = yield* newCustomer("Alice")
      const bob = yield* newCustomer("Bob")
      const zone = yield* alice.client.zones.create({ payload: newZone() })
      const other = yield* alice.client.zones.create({ payload: newZone(2) })
      const token = Redacted.make("another-token-of-the-same-zone")
      const bobs = yield* bob.client.zones.create({ payload: { ...newZone(), token } })
      assert.deepStrictEqual(zone.circuits, [])

      const breaker = yield* CircuitBreaker
      const fail = (api: string, times: number) => {
        const { cloudflareZoneId, token } = newZone()
        const call = breaker.admit(circuitKey({ api, zone: cloudflareZoneId, token })).pipe(
          Effect.flatMap((permit) => permit.settle("failure")),
          Effect.scoped
        )
        return Effect.repeat(call, { times: times - 1 })
      }
      yield* fail("logs/received", defaultBreakerOptions.threshold)
      yield* fail("logs/received/fields", 2)

      const shown = yield* alice.client.zones.get({ params: { id: zone.id } })
      assert.deepStrictEqual(shown.circuits, [
        {
          api: "logs/received",
          state: "open",
          failures: defaultBreakerOptions.threshold,
          openUntil: DateTime.makeUnsafe(Date.UTC(2026, 10, 21, 12) + defaultBreakerOptions.coolDownMs)
        },
        { api: "logs/received/fields", state: "closed", failures: 2, openUntil: null }
      ])
      const { zones } = yield* alice.client.zones.list()
      assert.deepStrictEqual(zones.find(({ id }) => id === zone.id)?.circuits, shown.circuits)
      assert.deepStrictEqual(zones.find(({ id }) => id === other.id)?.circuits, [])
      assert.deepStrictEqual((yield* bob.client.zones.get({ params: { id: bobs.id } })).circuits, [])
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual((yield* (yield* client("")).health()).circuits, { open: 1 })

      // A token that cannot be unwrapped: which circuits are the zone's is unknown, and is said so.
      const state = yield* MemoryState
      const held = state.zones.get(zone.id)
      assert.isDefined(held)
      state.zones.set(zone.id, { ...held, token: { ...held.token, bytes: held.token.bytes.toReversed() } })
      assert.isNull((yield* alice.client.zones.get({ params: { id: zone.id } })).circuits)
    }))

  it.effect("an API key is no admin token, and an admin token is no API key", () =>
    Effect.gen(function*() {
      const { client: alice } = yield* newCustomer("Alice")
      const refused = yield* alice.customers.create({ payload: { name: "Eve" } }).pipe(Effect.flip)
      assert.strictEqual(refused._tag, "AdminUnauthorised")
      const operator = yield* client(MemoryPorts.adminToken)
      const error = yield* operator.zones.list().pipe(Effect.flip)
      assert.strictEqual(error._tag, "Unauthorised")
    }))

  it.effect("health is in order, or names what needs attention", () =>
    Effect.gen(function*() {
      const state = yield* MemoryState
      const anybody = yield* client("")
      yield* TestClock.adjust("1 minute")
      for (const { zone } of state.zones.values()) assert.include(["active", "blocked"], zone.status.state)
      const blocked = [...state.zones.values()].filter(({ zone }) => zone.status.state === "blocked").length
      const health = yield* anybody.health()
      assert.strictEqual(health.zones.blocked, blocked)
      assert.strictEqual(health.zones.active + blocked, state.zones.size)
      assert.strictEqual(health.status, blocked === 0 ? "ok" : "attention")
      state.zones.clear()
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* anybody.health()).status, "ok")
      state.publication = { publishedSize: 2, sqlSize: 5, halted: null, lagMs: 600_001 }
      yield* TestClock.adjust("1 minute")
      const late = yield* anybody.health()
      assert.strictEqual(late.status, "attention")
      assert.deepStrictEqual(late.ledgers, {
        count: state.customers.size,
        unpublishedEntries: 3 * state.customers.size,
        longestLagMs: 600_001,
        halted: 0
      })
    }))

  it.effect("health says how the anchors are doing, without their names", () =>
    Effect.gen(function*() {
      const state = yield* MemoryState
      const anybody = yield* client("")
      state.zones.clear()
      state.publication = { publishedSize: 2, sqlSize: 2, halted: null, lagMs: 0 }
      yield* TestClock.adjust("1 minute")
      const none = yield* anybody.health()
      assert.strictEqual(none.status, "ok")
      assert.deepStrictEqual(none.anchors, { configured: 0, failing: 0, overdueLedgers: 0, trustedDebtMs: null })
      const anchor = {
        id: "tsa-example",
        type: "rfc3161",
        ledgers: 1,
        lastTime: 1,
        longestDebtMs: 9,
        expires: null
      } as const
      state.anchoring = {
        anchors: [
          { ...anchor, overdue: 1, lastFailure: { category: "untrusted", detail: "no root" } },
          { ...anchor, id: "other", overdue: 0, lastFailure: null }
        ],
        overdueLedgers: 1,
        trustedDebtMs: 9
      }
      const late = yield* anybody.health()
      assert.strictEqual(late.status, "attention")
      assert.deepStrictEqual(late.anchors, { configured: 2, failing: 1, overdueLedgers: 1, trustedDebtMs: 9 })
    }))
})
