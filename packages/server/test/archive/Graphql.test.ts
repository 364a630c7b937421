/**
 * GraphQL sources on the whole road: what is in the archive against what the zone really had.
 */
import { assert, describe, it } from "@effect/vitest"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { ObjectStore } from "@rainlogs/core/storage/ObjectStore"
import { eventPath, ledgerKey } from "@rainlogs/verify/Layout"
import { Effect, Exit, Fiber, Schema, Scope, Stream } from "effect"
import { compare, sourceOf, verify, windowsOf } from "./Comparison.ts"
import { archiveAll, day, drain, hour, minute, noon, onRoad, type Road, start } from "./Road.ts"

const firewall = "cloudflare/graphql/firewall_events"
const requests = "cloudflare/graphql/http_requests"

const Overflow = Schema.fromJsonString(Schema.Struct({
  overflow: Schema.optionalKey(Schema.Struct({
    counted: Schema.Int,
    returned: Schema.Int,
    sampleInterval: Schema.Finite
  })),
  sampleInterval: Schema.optionalKey(Schema.Finite),
  horizon: Schema.Int
}))

/** The parameters documents of the zone's committed windows, oldest first. */
const documentsOf = Effect.fnUntraced(function*(road: Road) {
  const store = yield* ObjectStore
  const { origin } = yield* sourceOf(road)
  const committed = (yield* windowsOf(road)).filter(({ job }) => job.state === "committed")
  return yield* Effect.forEach(committed, ({ object }) =>
    Effect.gen(function*() {
      const key = ledgerKey(origin, eventPath(object!.params!))
      const bytes = Buffer.concat(yield* Stream.runCollect(store.get(key)))
      return yield* Schema.decodeEffect(Overflow)(bytes.toString())
    }))
})

const graphqlAsked = (road: Road) =>
  road.simulator.truth.served().filter(({ path }) => path.endsWith("/graphql")).length

describe("a GraphQL source", { timeout: 120_000 }, () => {
  for (const source of [firewall, requests] as const) {
    it.live(`${source}: every row is archived exactly once, twins too, through pages smaller than the windows`, () =>
      onRoad({
        source,
        backfillMs: 3 * hour,
        zone: { plan: "free", graphql: { rowsPerSecond: 0.2, settings: { maxPageSize: 50 } } }
      }, (road) =>
        Effect.gen(function*() {
          const process = yield* start(road)
          yield* archiveAll(road, process)
          const { lines, views, wrong } = yield* compare(road, process)
          assert.deepStrictEqual(wrong, [])
          assert.isAbove(lines, 1000)
          assert.isAbove(graphqlAsked(road), 3 * views.length, "windows were read in parts")
          for (const { object } of views) assert.strictEqual(object?.fidelity, "sampled")
          const report = yield* verify(road, process)
          assert.strictEqual(report.verdict.integrity, "PASS")
          assert.strictEqual(report.verdict.completeness, "PASS", JSON.stringify(report.findings))
        })))

    it.live(`${source}: rows that came in late are there, although our clock is ten minutes ahead`, () =>
      onRoad({
        source,
        aheadMs: 10 * minute,
        zone: { plan: "free", graphql: { rowsPerSecond: 0.5, latestMs: 4 * minute } }
      }, (road) =>
        Effect.gen(function*() {
          const process = yield* start(road)
          yield* archiveAll(road, process)
          for (let turn = 0; turn < 6; turn++) {
            road.clock.jump(5 * minute)
            yield* archiveAll(road, process)
          }
          const { lines, views, wrong } = yield* compare(road, process)
          assert.deepStrictEqual(wrong, [])
          assert.isAbove(lines, 1000)
          assert.isAbove(views.length, 5)
        })))

    it.live(`${source}: our clock ten minutes behind loses nothing either`, () =>
      onRoad(
        { source, aheadMs: -10 * minute, zone: { plan: "free", graphql: { rowsPerSecond: 0.2 } } },
        (road) =>
          Effect.gen(function*() {
            const process = yield* start(road)
            yield* archiveAll(road, process)
            const { lines, wrong } = yield* compare(road, process)
            assert.deepStrictEqual(wrong, [])
            assert.isAbove(lines, 200)
          })
      ))
  }

  it.live("a second fuller than a page is a window of its own with exactly the known loss", () => {
    const burst = Math.floor(noon / 1000) - 1234
    return onRoad({
      source: firewall,
      zone: {
        plan: "free",
        graphql: { rowsPerSecond: 0.2, settings: { maxPageSize: 100 }, bursts: [{ second: burst, rows: 137 }] }
      }
    }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        yield* archiveAll(road, process)
        const { views, wrong } = yield* compare(road, process)
        assert.strictEqual(wrong.length, 2, wrong.join("; "))
        const index = views.findIndex(({ object }) => object?.fidelity === "partial")
        assert.deepStrictEqual(views[index]?.job.window, { from: burst * 1000, to: burst * 1000 + 1000 })
        assert.strictEqual(views[index]?.object?.records, 100)
        assert.strictEqual(views.filter(({ object }) => object?.fidelity === "partial").length, 1)
        const documents = yield* documentsOf(road)
        assert.deepStrictEqual(documents[index]?.overflow, { counted: 137, returned: 100, sampleInterval: 1 })
        assert.strictEqual(documents.filter(({ overflow }) => overflow !== undefined).length, 1)
        assert.strictEqual((yield* verify(road, process)).verdict.integrity, "PASS")
      }))
  })

  it.live("a second that fills its page exactly has lost nothing", () => {
    const burst = Math.floor(noon / 1000) - 1234
    return onRoad({
      source: firewall,
      zone: { plan: "free", graphql: { settings: { maxPageSize: 100 }, bursts: [{ second: burst, rows: 100 }] } }
    }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        yield* archiveAll(road, process)
        const { views, wrong } = yield* compare(road, process)
        assert.deepStrictEqual(wrong, [])
        assert.isTrue(views.every(({ object }) => object?.fidelity === "sampled"))
      }))
  })

  it.live("the sampling of a wide window is on record", () =>
    onRoad({
      source: requests,
      backfillMs: 2 * hour,
      zone: { plan: "free", graphql: { rowsPerSecond: 0.5, sampleAbove: 200 } }
    }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        yield* archiveAll(road, process)
        const documents = yield* documentsOf(road)
        assert.isTrue(documents.some(({ sampleInterval }) => (sampleInterval ?? 1) > 1), JSON.stringify(documents))
        const committed = (yield* windowsOf(road)).filter(({ job }) => job.state === "committed")
        assert.isTrue(committed.every(({ object }) => object?.fidelity === "sampled"))
      })))

  it.live("what the zone's plan does not reach back to is a gap, and the rest is collected", () =>
    onRoad(
      { source: firewall, backfillMs: 2 * day, zone: { plan: "free", graphql: { rowsPerSecond: 0.01 } } },
      (road) =>
        Effect.gen(function*() {
          const process = yield* start(road)
          yield* archiveAll(road, process)
          const { gaps, views, wrong } = yield* compare(road, process)
          assert.deepStrictEqual(wrong, [])
          assert.isTrue(gaps.every(({ gapReason }) => gapReason === "expired"))
          assert.isAtLeast(gaps.length, 24)
          assert.isAtMost(gaps.at(-1)!.job.window.to, noon - day + 2 * hour)
          assert.isAtLeast(views.length - gaps.length, 22)
          assert.deepStrictEqual((yield* documentsOf(road)).map(({ horizon }) => horizon).at(0), day)
        })
    ))

  it.live("a token without the right blocks the source, which says what right it needs", () =>
    onRoad({
      source: firewall,
      simulator: {
        tokens: [{ token: "cfut_road-0123456789abcdef", status: "active", zones: "all", permissions: ["Zone Read"] }]
      }
    }, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road)
        yield* process.planner.round
        assert.deepStrictEqual(yield* drain(process), ["blocked"])
        const [zone] = yield* (yield* CustomerStore).zones(road.customer)
        assert.deepInclude(zone?.status, { state: "blocked", reason: "unauthorised" })
        assert.match(JSON.stringify(zone?.status), /Analytics Read/)
      })))

  it.live("survives faults by seed, workers in parallel and one that is stopped between read and commit", () =>
    onRoad({
      source: firewall,
      backfillMs: 6 * hour,
      zone: { plan: "free", graphql: { rowsPerSecond: 0.1, settings: { maxPageSize: 60 } } }
    }, (road) =>
      Effect.gen(function*() {
        road.simulator.faults.random({
          seed: 11,
          probability: 0.25,
          targets: ["graphql"],
          stallMs: 2000,
          retryAfterSeconds: 1,
          weights: { reset: 3, cut: 3, "partial-line": 2, "server-error": 3, html: 1, "graphql-error": 4 }
        })
        const first = yield* start(road, { owner: "first", leaseMs: 3000 })
        const second = yield* start(road, { owner: "second" })
        yield* first.planner.round
        // The first worker is gone between the read of a window and its commit.
        first.hooks.afterSeal = () => Effect.never
        const dying = yield* Effect.forkChild(drain(first))
        yield* Effect.sleep("1 second")
        yield* Fiber.interrupt(dying)
        yield* Scope.close(first.scope, Exit.void)
        const third = yield* start(road, { owner: "third" })
        yield* Effect.all([archiveAll(road, second), archiveAll(road, third)], { concurrency: 2 })
        assert.isAbove(road.simulator.counters().faults["graphql-error"] ?? 0, 3)
        const { lines, wrong } = yield* compare(road, third)
        assert.deepStrictEqual(wrong, [])
        assert.isAbove(lines, 1000)
        assert.strictEqual((yield* verify(road, third)).verdict.integrity, "PASS")
      })))
})
