import { assert, layer } from "@effect/vitest"
import { Planner } from "@rainlogs/core/archive/Planner"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { CoverageStore } from "@rainlogs/core/coverage/CoverageStore"
import { ZoneId } from "@rainlogs/core/domain/Identifier"
import { Effect, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { withCustomer } from "../../src/database/Tenant.ts"
import * as RealArchive from "./RealArchive.ts"
import { newCustomer, TestServer } from "./TestServer.ts"

const hour = 3_600_000

interface Hour {
  readonly start: string
  readonly verdict: string
  readonly reasons: ReadonlyArray<string>
  readonly records: number
  readonly ms: { readonly [verdict: string]: number }
  readonly hoursToLoss: number | null
}

const coverage = Effect.fnUntraced(function*(key: string, zone: string, query = "") {
  const { request } = yield* TestServer
  const { status, text } = yield* request("GET", `/api/v1/zones/${zone}/coverage${query}`, { key })
  const body: {
    readonly sources: ReadonlyArray<{
      readonly name: string
      readonly status: object
      readonly hoursToLoss: number | null
      readonly hours: ReadonlyArray<Hour>
    }>
    readonly detail?: string
  } = JSON.parse(text)
  return { status, body }
})

const line = Stream.succeed(new TextEncoder().encode("{\"RayID\":\"1\"}\n{\"RayID\":\"2\"}\n"))

layer(RealArchive.Live, { timeout: 60_000, excludeTestServices: true })("coverage on PostgreSQL", (it) => {
  it.effect("counts committed, gap and pending time of every hour, and says when the pending is lost", () =>
    Effect.gen(function*() {
      const { customer, jobs, key, zone } = yield* RealArchive.newPulledZone()
      const ledger = yield* WindowLedger
      const before = yield* coverage(key, zone, "")
      assert.strictEqual(before.status, 200)
      const [source] = before.body.sources
      assert.strictEqual(before.body.sources.length, 1)
      assert.strictEqual(source?.name, "cloudflare/logpull/http_requests")
      assert.include([24, 25], source?.hours.length)
      // The archive begins two hours ago: what was before is not known, what is planned is pending.
      assert.strictEqual(source?.hours[0]?.verdict, "unknown")
      assert.isTrue(source?.hours.every(({ verdict }) => verdict === "unknown" || verdict === "pending"))
      assert.isAbove(source?.hoursToLoss ?? 0, 165)
      assert.isAtMost(source?.hoursToLoss ?? 0, 168)

      const oldest = jobs.at(-1)!
      yield* RealArchive.commit(customer, oldest, line)
      const views = yield* ledger.jobs(customer, ZoneId.make(zone), { limit: 1000, before: null })
      const waiting = views.filter(({ job }) => job.state === "planned").map(({ job }) => job)
      const second = waiting.at(-1)!
      const [timeline] = yield* ledger.timelinesOf(customer, ZoneId.make(zone))
      yield* (yield* Planner).declareGap({
        source: timeline!.source,
        range: second.window,
        reason: "expired",
        detail: "a test"
      })
      const { body } = yield* coverage(key, zone, "")
      const hours = body.sources[0]!.hours
      const sum = (verdict: string) => hours.reduce((total, { ms }) => total + ms[verdict]!, 0)
      const committed = views.at(-1)!.job.window
      assert.strictEqual(sum("complete"), committed.to - committed.from)
      assert.strictEqual(sum("gap"), second.window.to - second.window.from)
      assert.strictEqual(hours.reduce((total, { records }) => total + records, 0), 2)
      const gap = hours.filter(({ verdict }) => verdict === "gap")
      assert.isNotEmpty(gap)
      for (const one of gap) assert.deepStrictEqual(one.reasons, ["expired"])
      for (const [index, { ms, start }] of hours.entries()) {
        const total = Object.values(ms).reduce((all, one) => all + one, 0)
        if (index < hours.length - 1) assert.strictEqual(total, hour, start)
        else assert.isAtMost(total, hour)
      }
    }))

  it.effect("of a long timeline is a few rows an hour, whatever the number of windows", () =>
    Effect.gen(function*() {
      const { customer, zone } = yield* RealArchive.newPulledZone()
      const ledger = yield* WindowLedger
      const store = yield* CoverageStore
      const [timeline] = yield* ledger.timelinesOf(customer, ZoneId.make(zone))
      const start = timeline!.plannedTo
      const windows = Array.from({ length: 3600 }, (_, index) => ({
        from: start + index * 1000,
        to: start + index * 1000 + 1000
      }))
      yield* ledger.plan(timeline!, windows, Date.now())
      const from = Math.floor(start / hour) * hour
      const parts = yield* store.parts(customer, ZoneId.make(zone), { from, to: from + 2 * hour })
      assert.isAtMost(parts.length, 4)
      const later = parts.filter((part) => part.hour + hour > start)
      assert.isAtLeast(later.reduce((sum, { ms }) => sum + ms, 0), hour)
    }))

  it.effect("of another customer's zone is no zone; a range that is empty or too long is refused with the reason", () =>
    Effect.gen(function*() {
      const { key, zone } = yield* RealArchive.newPulledZone()
      const other = yield* newCustomer("Mallory")
      assert.strictEqual((yield* coverage(other.key, zone)).status, 404)
      const empty = yield* coverage(key, zone, "?from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z")
      assert.strictEqual(empty.status, 400)
      assert.include(empty.body.detail, "must be later")
      const long = yield* coverage(key, zone, "?from=2026-01-01T00:00:00Z&to=2026-11-01T00:00:00Z")
      assert.strictEqual(long.status, 400)
      assert.include(long.body.detail, "at most 744")
      assert.strictEqual((yield* coverage(key, zone, "?from=yesterday")).status, 400)
    }))

  it.effect("has every source of the zone, also one that was added later", () =>
    Effect.gen(function*() {
      const { key, zone } = yield* RealArchive.newPulledZone()
      const other = yield* newCustomer("Mallory")
      const { request } = yield* TestServer
      const add = (credential: string, name: string) =>
        request("POST", `/api/v1/zones/${zone}/sources`, { key: credential, body: { name, backfillHours: 1 } })
      assert.strictEqual((yield* add(other.key, "cloudflare/graphql/firewall_events")).status, 404)
      assert.strictEqual((yield* add(key, "cloudflare/logpush/http_requests")).status, 400)
      const added = yield* add(key, "cloudflare/graphql/firewall_events")
      assert.strictEqual(added.status, 201)
      assert.lengthOf(JSON.parse(added.text).sources, 2)
      const again = yield* add(key, "cloudflare/graphql/firewall_events")
      assert.strictEqual(again.status, 201)
      assert.deepStrictEqual(JSON.parse(again.text).sources, JSON.parse(added.text).sources)
      const { body } = yield* coverage(key, zone)
      assert.deepStrictEqual(body.sources.map(({ name }) => name).toSorted(), [
        "cloudflare/graphql/firewall_events",
        "cloudflare/logpull/http_requests"
      ])
    }))

  it.effect("says of a blocked source why", () =>
    Effect.gen(function*() {
      const { customer, key, zone } = yield* RealArchive.newPulledZone()
      const sql = yield* SqlClient.SqlClient
      yield* sql`UPDATE sources SET status = 'blocked', block_reason = 'unauthorised', block_since_ms = 0,
        block_remedy = 'a new token'`.pipe(withCustomer(customer))
      const { body } = yield* coverage(key, zone)
      assert.deepStrictEqual(body.sources[0]?.status, {
        state: "blocked",
        reason: "unauthorised",
        since: null,
        remedy: "a new token"
      })
    }))
})
