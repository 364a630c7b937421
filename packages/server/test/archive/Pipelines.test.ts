/**
 * Pipelines on the whole road: what is in the archive, what the ledger says of it, and what happens where rules fail.
 */
import { assert, describe, it } from "@effect/vitest"
import { canonicalJson, hashOf, Pipeline } from "@rainlogs/core/pipeline/Pipeline"
import { PipelineStore } from "@rainlogs/core/pipeline/PipelineStore"
import { PseudonymKeys } from "@rainlogs/core/pipeline/PseudonymKeys"
import { Effect, Schema, Stream } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { sourceOf, verify, windowsOf } from "./Comparison.ts"
import { archiveAll, drain, minute, onRoad, type Process, type Road, start } from "./Road.ts"

const pipelineOf = (...rules: ReadonlyArray<object>) =>
  Schema.decodeUnknownSync(Pipeline)({ format: "rainlogs-pipeline/v1", rules })
const truncate = { rule: "truncate-ip", field: "ClientIP" }

// Failures here are the pipeline's, however busy the machine is.
const patient = { cloudflare: { idleTimeoutMs: 20_000, responseTimeoutMs: 20_000 } }

const set = Effect.fnUntraced(function*(road: Road, pipeline: Pipeline | null) {
  const store = yield* PipelineStore
  const now = road.clock.currentTimeMillisUnsafe()
  return yield* store.set(road.customer, road.zone, "cloudflare/logpull/http_requests", pipeline, now)
})

const records = Effect.fnUntraced(function*(road: Road, { opener }: Process) {
  const { customer, origin } = yield* sourceOf(road)
  const lines: Array<string> = []
  for (const { job, object } of yield* windowsOf(road)) {
    if (object === null || object.key === null) continue
    const parts = yield* Stream.runCollect(opener.open({ origin, customer, job: job.id, object }))
    lines.push(...Buffer.concat(parts).toString().split("\n").slice(0, -1))
  }
  return lines.map((line): { readonly ClientIP: string; readonly EdgeResponseStatus: number } => JSON.parse(line))
})

const parameters = (road: Road, sha256: string): { readonly pipeline?: unknown } => {
  const archive = join(road.directory, "archive")
  const path = readdirSync(archive, { recursive: true, encoding: "utf8" }).find((one) =>
    one.endsWith(`event/${sha256}`)
  )
  return JSON.parse(readFileSync(join(archive, path!), "utf8"))
}

const isTruncated = (ip: string): boolean => ip.includes(":") ? /^([0-9a-f]+:){1,3}:$/.test(ip) : ip.endsWith(".0")

describe("a zone with a pipeline", { timeout: 60_000 }, () => {
  it.live("is archived without full addresses, verifies, and the ledger names the rules", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road, patient)
        const pipeline = pipelineOf(truncate)
        yield* set(road, pipeline)
        yield* archiveAll(road, process)
        const found = yield* records(road, process)
        assert.isAbove(found.length, 50)
        assert.deepStrictEqual(found.filter(({ ClientIP }) => !isTruncated(ClientIP)), [])
        const windows = yield* windowsOf(road)
        for (const { object } of windows) {
          assert.strictEqual(object!.fidelity, "complete")
          assert.deepStrictEqual(parameters(road, object!.params!).pipeline, {
            document: JSON.parse(canonicalJson(pipeline)),
            sha256: hashOf(pipeline)
          })
        }
        const report = yield* verify(road, process)
        assert.strictEqual(report.verdict.integrity, "PASS", JSON.stringify(report.findings))
        assert.strictEqual(report.verdict.completeness, "PASS", JSON.stringify(report.findings))
      })))

  it.live("says that windows are partial whose lines it dropped, and takes them as they come without it", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road, patient)
        yield* set(road, pipelineOf({ rule: "drop", when: { field: "EdgeResponseStatus", equals: 200 } }))
        yield* archiveAll(road, process)
        const before = yield* records(road, process)
        assert.isNotEmpty(before)
        assert.isFalse(before.some(({ EdgeResponseStatus }) => EdgeResponseStatus === 200))
        assert.isTrue((yield* windowsOf(road)).every(({ object }) => object!.fidelity === "partial"))

        yield* set(road, null)
        road.clock.jump(30 * minute)
        yield* archiveAll(road, process)
        const last = (yield* windowsOf(road)).at(-1)!
        assert.strictEqual(last.object!.fidelity, "complete")
        assert.isUndefined(parameters(road, last.object!.params!).pipeline)
        assert.isTrue((yield* records(road, process)).some(({ EdgeResponseStatus }) => EdgeResponseStatus === 200))
        const report = yield* verify(road, process)
        assert.strictEqual(report.verdict.integrity, "PASS", JSON.stringify(report.findings))
      })))

  it.live("archives nothing while a rule cannot be applied, and everything once it is mended", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const process = yield* start(road, patient)
        yield* set(road, pipelineOf({ ...truncate, field: "ClientIp" }))
        yield* process.planner.round
        assert.isTrue((yield* drain(process)).every((outcome) => outcome === "retried"))
        const failed = yield* windowsOf(road)
        assert.isTrue(failed.every(({ job, object }) => job.state === "planned" && object === null))
        assert.include(failed[0]!.job.lastError!, "pipeline-missing-field")
        assert.deepStrictEqual(road.objects(), [])
        yield* set(road, pipelineOf(truncate))
        yield* archiveAll(road, process)
        assert.isTrue((yield* records(road, process)).every(({ ClientIP }) => isTruncated(ClientIP)))
      })))

  it.live("makes the same pseudonyms in two processes, and none any more once the key is destroyed", () =>
    onRoad({}, (road) =>
      Effect.gen(function*() {
        const keys = yield* PseudonymKeys
        const both = yield* Effect.all([keys.key(road.customer, "never"), keys.key(road.customer, "never")], {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(both[0], both[1])
        const process = yield* start(road, patient)
        yield* set(road, pipelineOf({ rule: "pseudonymise", field: "ClientIP", rotate: "never" }))
        yield* archiveAll(road, process)
        const found = yield* records(road, process)
        assert.isTrue(found.every(({ ClientIP }) => /^p1:never:[0-9a-f]{32}$/.test(ClientIP)))
        assert.isBelow(new Set(found.map(({ ClientIP }) => ClientIP)).size, found.length)

        const now = road.clock.currentTimeMillisUnsafe()
        assert.strictEqual(yield* keys.destroy(road.customer, "never", now), "in-use")
        yield* set(road, pipelineOf(truncate))
        assert.strictEqual(yield* keys.destroy(road.customer, "never", now), "destroyed")
        assert.strictEqual(yield* keys.destroy(road.customer, "2026-W01", now), "missing")
        const gone = yield* Effect.flip(keys.key(road.customer, "never"))
        assert.strictEqual(gone._tag, "PseudonymKeyDestroyed")
        assert.deepInclude((yield* keys.periods(road.customer))[0]!, { period: "never", destroyedAt: now })
      })))
})
